"""SSD over ResNet-50 v1 (He et al. 2015); variables are called as in slim's.

Both start from slim's `resnet_v1_50`.
"""
from typing import NamedTuple

import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import layers
from nets import ssd
from nets import ssd_vgg_300

MEAN = (123.68, 116.78, 103.94)  # Of the pixels, RGB, as slim's was trained.


class Block(NamedTuple):
    """A stack of bottleneck units."""
    num_units: int
    channels: int  # Inside the units; their outputs have four times as many.
    stride: int    # In the last unit, as in slim's.


class _SSDResNet(ssd.SSDNet):
    """Trunk and norm of both networks."""
    blocks: tuple[Block, ...]
    batch_norm = {'epsilon': 1e-5}  # As slim's resnet_utils.

    def trunk(self, images: tf.Tensor,
              end_points: dict[str, tf.Tensor]) -> tf.Tensor:
        """See SSDNet.trunk.

        A block that predicts does so before its stride. What follows is the
        same as if its last unit had strided.
        """
        net = slim.conv2d(layers.pad2d(images, 3), self.depth(64), 7, stride=2,
                          padding='VALID', scope='conv1')
        net = slim.max_pool2d(net, 3, stride=2, scope='pool1')
        for index, block in enumerate(self.blocks, 1):
            name = f'block{index}'
            predicts = name in self.params.feat_layers
            with tf.variable_scope(name):
                for unit in range(1, block.num_units + 1):
                    is_last = unit == block.num_units
                    net = self._bottleneck(
                        net, self.depth(block.channels),
                        block.stride if is_last and not predicts else 1,
                        f'unit_{unit}/bottleneck_v1')
            end_points[name] = net
            if predicts:
                net = _subsample(net, block.stride)
        return net

    def _bottleneck(self, inputs, channels, stride, scope):
        """Returns a residual unit, of 4 * channels, over its inputs."""
        with tf.variable_scope(scope):
            if inputs.shape[-1] == 4 * channels:
                shortcut = _subsample(inputs, stride)
            else:
                shortcut = slim.conv2d(
                    inputs, 4 * channels, 1, stride=stride,
                    activation_fn=None, scope='shortcut')
            net = slim.conv2d(inputs, channels, 1, scope='conv1')
            # SAME, with a stride, would pad only the far side of even sizes.
            net = slim.conv2d(
                net if stride == 1 else layers.pad2d(net, 1), channels, 3,
                stride=stride, padding='SAME' if stride == 1 else 'VALID',
                scope='conv2')
            net = slim.conv2d(
                net, 4 * channels, 1, activation_fn=None, scope='conv3')
            return self.activation_fn(shortcut + net)


class SSD300Net(_SSDResNet):
    """NVIDIA's SSD300: 8732 anchors, Caffe's; for COCO by default.

    The trunk ends at its third block, which is 38 x 38: before it nothing
    strides (DeepLearningExamples, PyTorch/Detection/SSD).
    """
    name = 'ssd_300_resnet_50'
    blocks = (Block(3, 64, 2), Block(4, 128, 1), Block(6, 256, 1))
    anchor_presets = ssd_vgg_300.SSDNet.anchor_presets
    default_params = ssd_vgg_300.SSDNet.default_params._replace(
        feat_layers=('block3', 'block5', 'block6',
                     'block7', 'block8', 'block9'),
        extra_blocks=(
            ssd.ExtraBlock('block5', 256, 512, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block6', 256, 512, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block7', 128, 256, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block8', 128, 256, kernel=3, stride=1, pad=0),
            ssd.ExtraBlock('block9', 128, 256, kernel=3, stride=1, pad=0)),
        normalizations=(None,) * 6,
        mean=MEAN)


class SSD300HalfNet(SSD300Net):
    """With half of the channels."""
    name = 'ssd_300_resnet_50_half'
    default_params = SSD300Net.default_params._replace(depth_multiplier=.5)


class SSD300QuarterNet(SSD300Net):
    """With a quarter of the channels."""
    name = 'ssd_300_resnet_50_quarter'
    default_params = SSD300Net.default_params._replace(depth_multiplier=.25)


class SSD512Net(_SSDResNet):
    """gluon-cv's ssd_512_resnet50_v1: 6132 anchors, its sizes for VOC.

    The third block predicts at stride 16, the fourth at 32.
    """
    name = 'ssd_512_resnet_50'
    blocks = (Block(3, 64, 2), Block(4, 128, 2), Block(6, 256, 2),
              Block(3, 512, 1))
    anchor_presets = {
        'voc': ((51.2, 102.4), (102.4, 189.4), (189.4, 276.4),
                (276.4, 363.52), (363.52, 450.6), (450.6, 492.)),
        'coco': ((51.2, 133.12), (133.12, 215.04), (215.04, 296.96),
                 (296.96, 378.88), (378.88, 460.8), (460.8, 542.72)),
    }
    default_params = ssd.SSDParams(
        img_shape=(512, 512),
        num_classes=21,
        feat_layers=('block3', 'block4', 'block5',
                     'block6', 'block7', 'block8'),
        feat_shapes=((32, 32), (16, 16), (8, 8), (4, 4), (2, 2), (1, 1)),
        extra_blocks=(
            ssd.ExtraBlock('block5', 512, 512, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block6', 512, 512, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block7', 256, 256, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block8', 256, 256, kernel=3, stride=2, pad=1)),
        anchor_sizes=anchor_presets['voc'],
        anchor_ratios=((2, 1 / 2), (2, 1 / 2, 3, 1 / 3), (2, 1 / 2, 3, 1 / 3),
                       (2, 1 / 2, 3, 1 / 3), (2, 1 / 2), (2, 1 / 2)),
        anchor_steps=(16, 32, 64, 128, 256, 512),
        normalizations=(None,) * 6,
        mean=MEAN)


class SSD512HalfNet(SSD512Net):
    """With half of the channels."""
    name = 'ssd_512_resnet_50_half'
    default_params = SSD512Net.default_params._replace(depth_multiplier=.5)


class SSD512QuarterNet(SSD512Net):
    """With a quarter of the channels."""
    name = 'ssd_512_resnet_50_quarter'
    default_params = SSD512Net.default_params._replace(depth_multiplier=.25)


def _subsample(net, stride):
    """Returns every stride-th cell of each row and column."""
    return net if stride == 1 else net[:, ::stride, ::stride]
