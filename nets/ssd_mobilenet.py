"""SSD over MobileNet v1 and v2; variables are called as in slim's.

Both start from slim's ImageNet checkpoints, and from those of the Object
Detection API, whose trunk and extra blocks they have.
"""
from collections.abc import Callable

import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import layers
from nets import ssd

# Channels and stride of each pair of convolutions after the first one.
V1_PAIRS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
            *((512, 1),) * 5, (1024, 2), (1024, 1))
# Expansion, channels, repetitions and first stride (Sandler et al., table 2).
V2_BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
             (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_RATIOS = (2, 1 / 2, 3, 1 / 3)


class SSDV1Net(ssd.SSDNet):
    """Caffe's MobileNet-SSD (chuanqi305): 1,917 anchors, heads of 1x1.

    With ReLU and Caffe's padding. Slim's own trunk has ReLU6, and pads only
    the far side of an even size where it strides; its weights start both.
    """
    name = 'ssd_300_mobilenet_v1'
    anchor_presets = {
        'voc': ((60,), (105, 150), (150, 195),
                (195, 240), (240, 285), (285, 300)),
        # .15 to .9 of the input, as in Caffe's ssd_coco.py.
        'coco': ((45,), (90, 135), (135, 180),
                 (180, 225), (225, 270), (270, 315)),
    }
    default_params = ssd.SSDParams(
        img_shape=(300, 300),
        num_classes=21,
        feat_layers=('block11', 'block13', 'block14',
                     'block15', 'block16', 'block17'),
        feat_shapes=((19, 19), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)),
        extra_blocks=(
            ssd.ExtraBlock('block14', 256, 512, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block15', 128, 256, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block16', 128, 256, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block17', 64, 128, kernel=3, stride=2, pad=1)),
        anchor_sizes=anchor_presets['voc'],
        anchor_ratios=((2, 1 / 2), *(_RATIOS,) * 5),
        anchor_steps=(300 / 19, 30, 60, 100, 150, 300),
        normalizations=(None,) * 6,
        mean=(127.5,) * 3,
        scale=0.007843,
        head_kernel=1)
    batch_norm = {}

    def pretrained_source(self, names: list[str]) -> dict[str, str]:
        """See SSDNet.pretrained_source."""
        return _object_detection_names(
            names, self.params, 'MobilenetV1', 'Conv2d_13_pointwise')

    def trunk(self, images: tf.Tensor,
              end_points: dict[str, tf.Tensor]) -> tf.Tensor:
        """See SSDNet.trunk."""
        net = slim.conv2d(
            layers.pad2d(images, 1), self.depth(32), 3, stride=2,
            padding='VALID', scope='Conv2d_0')
        for index, (channels, stride) in enumerate(V1_PAIRS, 1):
            net = layers.depthwise_conv2d(
                net, 3, stride=stride, pad=1 if stride > 1 else None,
                scope=f'Conv2d_{index}_depthwise')
            net = end_points[f'block{index}'] = slim.conv2d(
                net, self.depth(channels), 1, scope=f'Conv2d_{index}_pointwise')
        return net


class SSDV1HalfNet(SSDV1Net):
    """With half of the channels."""
    name = 'ssd_300_mobilenet_v1_half'
    default_params = SSDV1Net.default_params._replace(depth_multiplier=.5)


class SSDV1QuarterNet(SSDV1Net):
    """With a quarter of the channels."""
    name = 'ssd_300_mobilenet_v1_quarter'
    default_params = SSDV1Net.default_params._replace(depth_multiplier=.25)


class SSDLiteV2Net(ssd.SSDNet):
    """SSDLite (Sandler et al. 2018), laid out as in the Object Detection API.

    Depthwise convolutions in extra blocks and heads, ReLU6; 2,034 anchors.
    Predicts from the wide inside of the trunk's first block with stride 32,
    which has stride 16 itself, and from the trunk's end. The square of the
    lowest layer, .1 of the input there, has the size of its other anchors.
    """
    name = 'ssdlite_320_mobilenet_v2'
    anchor_presets = {
        # .2 to .95 of the input.
        'voc': ((64,), (112, 160), (160, 208),
                (208, 256), (256, 304), (304, 320)),
        'coco': ((48,), (96, 144), (144, 192),
                 (192, 240), (240, 288), (288, 336)),
    }
    default_params = ssd.SSDParams(
        img_shape=(320, 320),
        num_classes=21,
        feat_layers=('block15', 'block19', 'block20',
                     'block21', 'block22', 'block23'),
        feat_shapes=((20, 20), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)),
        # TensorFlow's SAME.
        extra_blocks=(
            ssd.ExtraBlock('block20', 256, 512, 3, stride=2, pad=(0, 1)),
            ssd.ExtraBlock('block21', 128, 256, 3, stride=2, pad=1),
            ssd.ExtraBlock('block22', 128, 256, 3, stride=2, pad=1),
            ssd.ExtraBlock('block23', 64, 128, 3, stride=2, pad=(0, 1))),
        anchor_sizes=anchor_presets['voc'],
        anchor_ratios=((2, 1 / 2), *(_RATIOS,) * 5),
        anchor_steps=(16, 32, 64, 320 / 3, 160, 320),
        normalizations=(None,) * 6,
        mean=(127.5,) * 3,
        scale=1 / 127.5)
    activation_fn = staticmethod(tf.nn.relu6)
    batch_norm = {}

    def pretrained_source(self, names: list[str]) -> dict[str, str]:
        """See SSDNet.pretrained_source."""
        return _object_detection_names(
            names, self.params, 'MobilenetV2', 'layer_19')

    def depth(self, channels: int) -> int:
        """See SSDNet.depth; a number that 8 divides, as in slim."""
        return _divisible(channels * self.params.depth_multiplier)

    def trunk(self, images: tf.Tensor,
              end_points: dict[str, tf.Tensor]) -> tf.Tensor:
        """See SSDNet.trunk; block15 and block19 are slim's layers 15, 19."""
        net = slim.conv2d(images, self.depth(32), 3, stride=2, scope='Conv')
        index = 0
        for expansion, channels, repetitions, first_stride in V2_BLOCKS:
            for stride in (first_stride, *(1,) * (repetitions - 1)):
                scope = f'expanded_conv_{index}' if index else 'expanded_conv'
                with tf.variable_scope(scope):
                    net, inside = self._bottleneck(
                        net, expansion, self.depth(channels), stride)
                if index == 13:
                    end_points['block15'] = inside
                index += 1
        # Whatever the width, as in slim's checkpoints of those below 1.
        end_points['block19'] = slim.conv2d(net, 1280, 1, scope='Conv_1')
        return end_points['block19']

    def _bottleneck(self, inputs, expansion, num_outputs, stride):
        """Returns an inverted residual, and what it is inside, expanded."""
        num_inputs = inputs.shape.as_list()[-1]
        net = inside = inputs if expansion == 1 else slim.conv2d(
            inputs, _divisible(expansion * num_inputs), 1, scope='expand')
        net = layers.depthwise_conv2d(
            net, 3, stride=stride, scope='depthwise')
        net = slim.conv2d(
            net, num_outputs, 1, activation_fn=None, scope='project')
        if stride == 1 and num_inputs == num_outputs:
            net += inputs
        return net, inside

    def extra_block(self, net: tf.Tensor, block: ssd.ExtraBlock) -> tf.Tensor:
        """See SSDNet.extra_block."""
        with tf.variable_scope(block.name):
            net = slim.conv2d(
                net, self.depth(block.bottleneck), 1, scope='conv1x1')
            net = layers.depthwise_conv2d(
                net, block.kernel, stride=block.stride, pad=block.pad,
                scope='conv3x3_depthwise')
            return slim.conv2d(
                net, self.depth(block.channels), 1, scope='conv3x3')

    def head_conv2d(self, net: tf.Tensor, num_outputs: int, scope: str,
                    weights_initializer: Callable) -> tf.Tensor:
        """See SSDNet.head_conv2d."""
        net = layers.depthwise_conv2d(
            net, self.params.head_kernel, scope=f'{scope}_depthwise')
        return slim.conv2d(
            net, num_outputs, 1, activation_fn=None, normalizer_fn=None,
            weights_initializer=weights_initializer, scope=scope)


class SSDLiteV2HalfNet(SSDLiteV2Net):
    """With half of the channels."""
    name = 'ssdlite_320_mobilenet_v2_half'
    default_params = SSDLiteV2Net.default_params._replace(depth_multiplier=.5)


class SSDLiteV2QuarterNet(SSDLiteV2Net):
    """With a quarter of the channels."""
    name = 'ssdlite_320_mobilenet_v2_quarter'
    default_params = SSDLiteV2Net.default_params._replace(depth_multiplier=.25)


def _divisible(channels: float) -> int:
    """Returns the nearest multiple of 8, and not less than 9/10."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= .9 * channels else rounded + 8


def _object_detection_names(names, params, trunk, last_layer):
    """Returns what the Object Detection API calls variables, by their names.

    There they are in the scope FeatureExtractor. Of other widths it has
    published none.
    """
    if params.depth_multiplier != 1:
        return {}
    scopes = {}
    for index, block in enumerate(params.extra_blocks, 2):
        first = f'{last_layer}_1_Conv2d_{index}_1x1_{block.bottleneck}'
        second = f'{last_layer}_2_Conv2d_{index}_3x3_s2_{block.channels}'
        scopes |= {f'{block.name}/conv1x1': first,
                   f'{block.name}/conv3x3': second,
                   f'{block.name}/conv3x3_depthwise': f'{second}_depthwise'}
    sources = {}
    for name in names:
        scope = '/'.join(name.split('/')[:2])
        sources[name] = (
            f'{trunk}/{name.replace(scope, scopes.get(scope, scope), 1)}')
    return sources
