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


# Published for the first three: 26.3 million parameters and 31.4 GMAC; 90.2;
# 1.15 (2.3 GFLOP, Caffe's MobileNet-SSD). With 20 classes.
@pytest.mark.parametrize('name, num_variables, millions, giga', [
    ('ssd_300_vgg', 71, 26.285, 31.374),
    ('ssd_512_vgg', 79, 27.189, 90.208),
    ('ssd_300_mobilenet_v1', 199, 5.796, 1.148),
    ('ssd_300_vgg_bn_quarter', 175, 2.275, 2.223),
    ('ssd_300_resnet_50_quarter', 289, 1.557, 1.339),
    ('ssd_300_inception_v2_quarter', 331, 1.610, .323)])
def test_cost(name, num_variables, millions, giga):
    cost = flops.of_network(nets_factory.get_network(name)())
    assert cost.num_variables == num_variables
    assert round(cost.num_parameters / 1e6, 3) == millions
    assert round(cost.multiply_adds / 1e9, 3) == giga
