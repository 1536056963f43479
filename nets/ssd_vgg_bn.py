"""SSD300 over VGG-16 with batch norm, to be trained from nothing.

Norm in trunk, extra blocks and heads is what lets an SSD do without ImageNet
(Zhu et al. 2019, ScratchDet).
"""
from collections.abc import Callable

import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import ssd_vgg_300


class SSDNet(ssd_vgg_300.SSDNet):
    """ssd_300_vgg with a norm after every convolution; no L2 norm."""
    name = 'ssd_300_vgg_bn'
    default_params = ssd_vgg_300.SSDNet.default_params._replace(
        normalizations=(None,) * 6)
    batch_norm = {}

    def head_conv2d(self, net: tf.Tensor, num_outputs: int, scope: str,
                    weights_initializer: Callable) -> tf.Tensor:
        """See SSDNet.head_conv2d; a norm is last, as Caffe's use_batchnorm."""
        return slim.conv2d(
            net, num_outputs, self.params.head_kernel, scope=scope,
            activation_fn=None, weights_initializer=weights_initializer)


class SSDHalfNet(SSDNet):
    """With half of the channels."""
    name = 'ssd_300_vgg_bn_half'
    default_params = SSDNet.default_params._replace(depth_multiplier=.5)


class SSDQuarterNet(SSDNet):
    """With a quarter of the channels."""
    name = 'ssd_300_vgg_bn_quarter'
    default_params = SSDNet.default_params._replace(depth_multiplier=.25)
