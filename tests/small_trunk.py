"""A network as CONTRIBUTING describes it: one file, one line of registry.

64 x 64 pixels, batch norm, depthwise convolutions, an input of its own.
"""
import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import layers
from nets import ssd


class SSDNet(ssd.SSDNet):
    """Two feature layers of 8 x 8 and 4 x 4 cells, and one after the trunk."""
    name = 'ssd_64_small'
    anchor_presets = {'voc': ((16, 32), (28, 40), (40, 56))}
    default_params = ssd.SSDParams(
        img_shape=(64, 64),
        num_classes=21,
        feat_layers=('block2', 'block3', 'block4'),
        feat_shapes=((8, 8), (4, 4), (2, 2)),
        extra_blocks=(
            ssd.ExtraBlock('block4', 16, 32, kernel=3, stride=2, pad=1),),
        anchor_sizes=anchor_presets['voc'],
        anchor_ratios=((2, 1 / 2),) * 3,
        anchor_steps=(8, 16, 32),
        normalizations=(None,) * 3,
        mean=(127.5,) * 3,
        scale=1 / 127.5)
    activation_fn = staticmethod(tf.nn.relu6)

    def arg_scope(self, is_training, weight_decay, from_scratch):
        """See ssd.SSDNet.arg_scope; every layer has batch norm."""
        with slim.arg_scope(super().arg_scope(
                is_training, weight_decay, from_scratch)), slim.arg_scope(
                [slim.conv2d, slim.separable_conv2d],
                normalizer_fn=layers.batch_norm), slim.arg_scope(
                [layers.batch_norm], decay=0.9) as scope:
            return scope

    def trunk(self, images, end_points):
        """See ssd.SSDNet.trunk."""
        net = slim.conv2d(images, 16, [3, 3], stride=2, scope='block0')
        for index, channels in enumerate((24, 32, 48), 1):
            with tf.variable_scope(f'block{index}'):
                net = slim.separable_conv2d(
                    net, None, [3, 3], depth_multiplier=1, stride=2,
                    scope='depthwise')
                net = slim.conv2d(net, channels, [1, 1], scope='pointwise')
            end_points[f'block{index}'] = net
        return net

    def pretrained_source(self, names):
        """See ssd.SSDNet.pretrained_source: as slim's MobileNet has it."""
        return {name: name.replace('block0/', 'Conv2d_0/', 1)
                for name in names if name.startswith('block0/')}
