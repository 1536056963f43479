"""VGG with batch norm beside VGG without."""
import zlib

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import ssd_vgg_300
from nets import ssd_vgg_bn
from tests import slim_trunks

EPSILON = .001


def weights(variable):
    """Returns a draw by name; a norm that does nothing but add its beta."""
    name, shape = variable.op.name, variable.shape.as_list()
    if name.endswith('moving_mean'):
        return np.zeros(shape)
    if name.endswith('moving_variance'):
        return np.full(shape, 1 - EPSILON)
    if name.endswith('gamma'):
        return np.ones(shape)
    name = name.partition('/')[2].replace('BatchNorm/beta', 'biases')
    values = np.random.default_rng(
        zlib.crc32(name.encode())).standard_normal(shape)
    return values * (.1 if name.endswith('biases')
                     else np.sqrt(2 / np.prod(shape[:-1])))


def predictions(network, image):
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, image.shape)
        logits, localisations, _ = network.net(images, is_training=False)
        variables = slim.get_model_variables()
        session.run([variable.initializer for variable in variables], {
            variable.initializer.inputs[1]: weights(variable)
            for variable in variables})
        return session.run([logits, localisations], {images: image})


def test_a_norm_is_in_the_place_of_every_bias():
    with_norm = ssd_vgg_bn.SSDQuarterNet()
    without = ssd_vgg_300.SSDQuarterNet(with_norm.params)
    image = np.random.default_rng(0).uniform(
        -128, 128, (1, 300, 300, 3)).astype(np.float32)
    for got, expected in zip(
            predictions(with_norm, image), predictions(without, image),
            strict=True):
        slim_trunks.assert_near(got, expected)


def test_variables():
    network = ssd_vgg_bn.SSDNet()
    with tf.Graph().as_default():
        network.net(tf.zeros([1, 300, 300, 3]), is_training=False)
        shapes = {variable.op.name: variable.shape.as_list()
                  for variable in slim.get_model_variables()}
    slim_trunks.assert_recorded(network, shapes)
    assert not [name for name in shapes if name.endswith('biases')]
    assert len(network.anchors()) == 8732
