"""Multiply-adds by hand, and those that others published."""
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import flops
from nets import layers
from nets import nets_factory


def test_convolutions_by_hand():
    with tf.Graph().as_default() as graph:
        images = tf.zeros([2, 10, 10, 3])
        # 5 x 5 cells x 4 outputs, each over 3 x 3 x 3 values; 2 images.
        net = slim.conv2d(images, 4, [3, 3], stride=2, scope='a')
        assert flops.multiply_adds(graph) == 2 * 25 * 4 * 27
        # Only the nine values of one channel.
        net = slim.separable_conv2d(net, None, [3, 3], scope='b')
        assert flops.multiply_adds(graph) == 2 * 25 * 4 * (27 + 9)
        layers.atrous_conv2d(net, 5, 3, rate=6, scope='c')
        assert flops.multiply_adds(graph) == 2 * 25 * (4 * 36 + 5 * 36)


# From papers and from models of others, all with VOC's 21 classes.
@pytest.mark.parametrize('name, num_parameters, giga', [
    ('ssd_300_vgg', 26.3, 31.4), ('ssd_512_vgg', 27.2, 90.2)])
def test_published(name, num_parameters, giga):
    cost = flops.of_network(nets_factory.get_network(name)())
    assert round(cost.num_parameters / 1e6, 1) == num_parameters
    assert round(cost.multiply_adds / 1e9, 1) == giga
