"""What a network costs: its parameters, and the work for one image.

The work is counted in multiply-adds (MAC) of the convolutions, as papers do;
a FLOP counter that takes multiplication and addition apart says twice that.
"""
import math
from typing import NamedTuple

import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import ssd

# Axes of a kernel that each output adds up over; NHWC, without groups.
_SUMMED_AXES = {'Conv2D': slice(3), 'DepthwiseConv2dNative': slice(2)}


class Cost(NamedTuple):
    """What a network costs."""
    num_variables: int  # All that its checkpoint holds of it.
    num_parameters: int  # Numbers that are trained; no moving averages.
    multiply_adds: int  # For one image.


def of_network(network: ssd.SSDNet) -> Cost:
    """Returns the cost of a network, whose graph is built for it."""
    with tf.Graph().as_default() as graph:
        network.net(tf.zeros([1, *network.params.img_shape, 3]),
                    is_training=False)
        return Cost(
            len(slim.get_model_variables()),
            sum(variable.shape.num_elements()
                for variable in tf.trainable_variables()),
            multiply_adds(graph))


def multiply_adds(graph: tf.Graph) -> int:
    """Returns the multiply-adds of a graph's convolutions, of all images."""
    return sum(
        operation.outputs[0].shape.num_elements()
        * math.prod(operation.inputs[1].shape.as_list()[
            _SUMMED_AXES[operation.type]])
        for operation in graph.get_operations()
        if operation.type in _SUMMED_AXES)
