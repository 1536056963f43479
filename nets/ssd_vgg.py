"""The reduced VGG-16 trunk of SSD, conv1_1 to conv7 (fc7).

Caffe model_libs.py, VGGNetBody(fully_conv, reduced, dilated); paper 3.
"""
import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import layers
from nets import ssd

# Convolutions of each block and their channels.
VGG_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
DEVIATION = 64.  # Of pixels from their mean, about.


class SSDVGGNet(ssd.SSDNet):
    """SSD over VGG-16; no dropout, as in Caffe."""

    def arg_scope(self, is_training: bool, weight_decay: float,
                  from_scratch: bool) -> dict:
        """See SSDNet.arg_scope; a new first layer scales the pixels down."""
        scope = super().arg_scope(is_training, weight_decay, from_scratch)
        if not from_scratch:
            return scope
        initializer = tf.initializers.variance_scaling(2 / DEVIATION ** 2)
        with slim.arg_scope(scope), slim.arg_scope(
                [first_conv2d], weights_initializer=initializer) as scope:
            return scope

    def pretrained_source(self, names: list[str]) -> dict[str, str]:
        """See SSDNet.pretrained_source: VGG's fully connected layers.

        Every third tap of fc6's 7x7 and every fourth output are taken, as in
        DeepLab-LargeFOV (paper, section 3).
        """
        return {name: name.replace('conv', 'fc', 1) for name in names
                if name.startswith(('conv6/', 'conv7/'))}

    def trunk(self, images: tf.Tensor,
              end_points: dict[str, tf.Tensor]) -> tf.Tensor:
        """See SSDNet.trunk: block1 to block5 are taken before the pool."""
        net = images
        for index, (repetitions, channels) in enumerate(VGG_BLOCKS, 1):
            with tf.variable_scope(f'conv{index}'):
                for repetition in range(1, repetitions + 1):
                    conv2d = first_conv2d if net is images else slim.conv2d
                    net = conv2d(net, self.depth(channels), [3, 3],
                                 scope=f'conv{index}_{repetition}')
            end_points[f'block{index}'] = net
            if index < 5:
                net = slim.max_pool2d(net, [2, 2], scope=f'pool{index}')
        net = slim.max_pool2d(net, [3, 3], stride=1, scope='pool5')
        end_points['block6'] = layers.atrous_conv2d(
            net, self.depth(1024), 3, rate=6, scope='conv6')
        end_points['block7'] = slim.conv2d(
            end_points['block6'], self.depth(1024), [1, 1], scope='conv7')
        return end_points['block7']


@slim.add_arg_scope
def first_conv2d(*args, **kwargs) -> tf.Tensor:
    """slim.conv2d, as a name of its own for arg_scope."""
    return slim.conv2d(*args, **kwargs)
