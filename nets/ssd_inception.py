"""SSD over Inception v2 (Ioffe and Szegedy 2015), called as in slim's.

Starts from slim's `inception_v2`.
"""
from collections.abc import Callable
from typing import NamedTuple

import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import ssd
from nets import ssd_mobilenet


class Module(NamedTuple):
    """Branches over the same inputs, side by side in the outputs."""
    name: str
    # Of each branch, channels of its 1x1 convolution and of the 3x3 ones
    # after it.
    branches: tuple[tuple[int, ...], ...]
    pool_channels: int | None  # Of the 1x1 after the pool; None: it strides.
    pool_fn: Callable = slim.max_pool2d


_avg = slim.avg_pool2d
MODULES = (
    Module('Mixed_3b', ((64,), (64, 64), (64, 96, 96)), 32, _avg),
    Module('Mixed_3c', ((64,), (64, 96), (64, 96, 96)), 64, _avg),
    Module('Mixed_4a', ((128, 160), (64, 96, 96)), None),
    Module('Mixed_4b', ((224,), (64, 96), (96, 128, 128)), 128, _avg),
    Module('Mixed_4c', ((192,), (96, 128), (96, 128, 128)), 128, _avg),
    Module('Mixed_4d', ((160,), (128, 160), (128, 160, 160)), 96, _avg),
    Module('Mixed_4e', ((96,), (128, 192), (160, 192, 192)), 96, _avg),
    Module('Mixed_5a', ((128, 192), (192, 256, 256)), None),
    Module('Mixed_5b', ((352,), (192, 320), (160, 224, 224)), 128, _avg),
    Module('Mixed_5c', ((352,), (192, 320), (192, 224, 224)), 128))


class SSDNet(ssd.SSDNet):
    """Layers as in the Object Detection API, anchors of MobileNet-SSD: 1917.

    The trunk is slim's: ReLU, norms without gamma, none after the first
    layer. In the API's own checkpoints it has ReLU6, gammas and that norm.
    """
    name = 'ssd_300_inception_v2'
    anchor_presets = ssd_mobilenet.SSDV1Net.anchor_presets
    default_params = ssd_mobilenet.SSDV1Net.default_params._replace(
        feat_layers=('Mixed_4c', 'Mixed_5c', 'block6',
                     'block7', 'block8', 'block9'),
        # TensorFlow's SAME.
        extra_blocks=(
            ssd.ExtraBlock('block6', 256, 512, 3, stride=2, pad=(0, 1)),
            ssd.ExtraBlock('block7', 128, 256, 3, stride=2, pad=1),
            ssd.ExtraBlock('block8', 128, 256, 3, stride=2, pad=1),
            ssd.ExtraBlock('block9', 64, 128, 3, stride=2, pad=(0, 1))),
        scale=1 / 127.5,
        head_kernel=3)
    batch_norm = {'has_scale': False}

    def depth(self, channels: int) -> int:
        """See SSDNet.depth; at least 16, as in slim."""
        return max(super().depth(channels), 16)

    def trunk(self, images: tf.Tensor,
              end_points: dict[str, tf.Tensor]) -> tf.Tensor:
        """See SSDNet.trunk."""
        num_outputs = self.depth(64)
        net = slim.separable_conv2d(
            images, num_outputs, 7, depth_multiplier=min(num_outputs // 3, 8),
            stride=2, normalizer_fn=None, scope='Conv2d_1a_7x7')
        net = slim.max_pool2d(net, 3, stride=2, scope='MaxPool_2a_3x3')
        net = slim.conv2d(net, num_outputs, 1, scope='Conv2d_2b_1x1')
        net = slim.conv2d(net, self.depth(192), 3, scope='Conv2d_2c_3x3')
        net = slim.max_pool2d(net, 3, stride=2, scope='MaxPool_3a_3x3')
        for module in MODULES:
            with tf.variable_scope(module.name):
                net = end_points[module.name] = self._module(net, module)
        return net

    def _module(self, inputs, module):
        """Returns the branches of a module, concatenated."""
        strides = module.pool_channels is None
        outputs = []
        for index, channels in enumerate(module.branches):
            with tf.variable_scope(f'Branch_{index}'):
                outputs.append(self._branch(inputs, channels, strides))
        with tf.variable_scope(f'Branch_{len(module.branches)}'):
            net = module.pool_fn(
                inputs, 3, stride=2 if strides else 1, padding='SAME')
            if not strides:
                net = slim.conv2d(net, self.depth(module.pool_channels), 1,
                                  scope='Conv2d_0b_1x1')
        return tf.concat([*outputs, net], axis=3)

    def _branch(self, inputs, channels, strides):
        """Returns the convolutions of a branch, of which the last strides."""
        net = slim.conv2d(
            inputs, self.depth(channels[0]), 1, scope='Conv2d_0a_1x1')
        for index in range(1, len(channels)):
            is_strided = strides and index == len(channels) - 1
            net = slim.conv2d(
                net, self.depth(channels[index]), 3,
                stride=2 if is_strided else 1,
                scope='Conv2d_1a_3x3' if is_strided
                else f'Conv2d_0{"abc"[index]}_3x3')
        return net


class SSDHalfNet(SSDNet):
    """With half of the channels."""
    name = 'ssd_300_inception_v2_half'
    default_params = SSDNet.default_params._replace(depth_multiplier=.5)


class SSDQuarterNet(SSDNet):
    """With a quarter of the channels."""
    name = 'ssd_300_inception_v2_quarter'
    default_params = SSDNet.default_params._replace(depth_multiplier=.25)
