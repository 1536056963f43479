"""Depthwise convolutions and batch norm: by hand, in any precision, folded."""
import zlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import layers

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def run(session, tensors):
    session.run(tf.global_variables_initializer())
    return session.run(tensors)


def ones(*shape):
    return tf.constant(np.ones(shape, np.float32))


@pytest.mark.parametrize('pad, expected', [
    (1, [[4, 6], [6, 9]]), (None, [[9, 6], [6, 4]]), ((0, 1), [[9, 6], [6, 4]]),
    (0, [[9]])])
def test_depthwise_convolution_pads_as_caffe_or_as_tensorflow(
        session, pad, expected):
    # Each channel for itself: the second is ten times the first.
    outputs = layers.depthwise_conv2d(
        ones(1, 4, 4, 2) * [1., 10.], 3, stride=2, pad=pad, scope='depthwise',
        activation_fn=None)
    weights, biases = slim.get_model_variables()
    assert weights.op.name == 'depthwise/depthwise_weights'
    assert weights.shape == [3, 3, 2, 1] and biases.shape == [2]
    run(session, [])
    weights.load(np.ones([3, 3, 2, 1]), session)
    first, second = np.moveaxis(session.run(outputs)[0], 2, 0)
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(second, 10 * first)


def test_depthwise_weights_start_at_the_size_of_what_they_see(session):
    layers.depthwise_conv2d(ones(1, 4, 4, 512), 3, scope='depthwise')
    weights, _ = run(session, slim.get_model_variables())
    assert abs(weights.std() - np.sqrt(2 / 9)) < .02


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('dtype, tolerance', [
    ('bfloat16', .01), ('float16', .002)])
def test_depthwise_gradients_in_lower_precision_are_near(
        session, dtype, tolerance, stride):
    images = tf.constant(RNG.uniform(0, 1, (2, 90, 90, 4)), tf.float32)
    slope = tf.constant(RNG.uniform(
        0, 1, (2, 90 // stride, 90 // stride, 4)), tf.float32)
    gradients = []
    for compute_dtype in 'float32', dtype:
        with layers.mixed_precision(compute_dtype), tf.variable_scope(
                'net', reuse=tf.AUTO_REUSE,
                custom_getter=layers.float32_variable):
            outputs = layers.depthwise_conv2d(
                tf.cast(images, compute_dtype), 3, stride=stride,
                scope='depthwise', activation_fn=None)
        gradients.append(tf.gradients(
            outputs, [images, *slim.get_model_variables()],
            tf.cast(slope, compute_dtype)))
    for expected, got in run(session, list(zip(*gradients, strict=True))):
        assert got.dtype == np.float32
        np.testing.assert_allclose(
            got, expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_gradients_of_biases_are_added_up_in_float32(session, dtype):
    # 90,000 times 2 ** -7: bfloat16 counts to 2 and no further.
    with layers.mixed_precision(dtype):
        outputs = tf.nn.bias_add(tf.zeros([1, 300, 300, 2], dtype),
                                 tf.zeros([2], dtype))
        bias = outputs.op.inputs[1]
    slope = tf.fill(outputs.shape, tf.constant(2. ** -7, dtype))
    gradient, = tf.gradients(outputs, bias, slope)
    assert gradient.dtype == dtype
    np.testing.assert_allclose(
        session.run(tf.cast(gradient, tf.float32)), 2 * [90000 / 128],
        rtol=.01)


def test_atrous_convolution_takes_a_norm_in_place_of_biases(session):
    images = tf.constant(RNG.normal(size=(2, 9, 9, 3)), tf.float32)
    with slim.arg_scope([layers.batch_norm], is_training=True):
        ours = layers.atrous_conv2d(
            images, 4, 3, rate=6, scope='conv',
            normalizer_fn=layers.batch_norm)
        names = [one.op.name for one in slim.get_model_variables()]
        with tf.variable_scope('', reuse=True):
            slims = slim.conv2d(images, 4, [3, 3], rate=6, scope='conv',
                                normalizer_fn=layers.batch_norm)
    assert names == ['conv/weights', *(f'conv/BatchNorm/{name}' for name in (
        'beta', 'gamma', 'moving_mean', 'moving_variance'))]
    got, expected = run(session, [ours, slims])
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize('dtype, tolerance', [
    ('float32', 1e-5), ('bfloat16', 1e-3), ('float16', 1e-3)])
def test_statistics_are_those_of_the_data_in_any_precision(
        session, dtype, tolerance):
    images = RNG.normal(3, 2, (4, 32, 32, 3))
    layers.batch_norm(tf.constant(images, dtype), is_training=True, decay=.9)
    statistics = tf.get_collection(layers.MOVING_STATISTICS)
    run(session, [])
    session.run([statistic.update() for statistic in statistics])
    mean, variance = session.run([one.variable for one in statistics])
    assert mean.dtype == variance.dtype == np.float32
    np.testing.assert_allclose(
        mean, .1 * images.mean((0, 1, 2)), rtol=tolerance)
    np.testing.assert_allclose(
        variance, .9 + .1 * images.var((0, 1, 2), ddof=1), rtol=tolerance)


def test_a_frozen_norm_keeps_its_statistics_and_trains_the_rest(session):
    layers.batch_norm(ones(4, 2, 2, 3), is_training=False, has_scale=False,
                      scope='no_scale')
    outputs = layers.batch_norm(
        ones(4, 2, 2, 3), is_training=False, epsilon=3.)
    assert not tf.get_collection(layers.MOVING_STATISTICS)
    assert [one.op.name for one in tf.trainable_variables()] == [
        'no_scale/beta', 'BatchNorm/beta', 'BatchNorm/gamma']
    # Of the untouched statistics, 0 and 1: 1 / sqrt(1 + 3) in 16 cells.
    outputs, beta, gamma = run(session, [outputs, *tf.gradients(
        outputs, tf.trainable_variables('BatchNorm'))])
    np.testing.assert_allclose(outputs, np.full((4, 2, 2, 3), .5), rtol=1e-6)
    np.testing.assert_allclose(beta, [16] * 3)
    np.testing.assert_allclose(gamma, [8] * 3, rtol=1e-6)


def test_one_cell_of_one_image_is_refused():
    with tf.variable_scope('net/block17'):
        layers.batch_norm(ones(2, 1, 1, 3), is_training=True)
        layers.batch_norm(ones(1, 1, 2, 3), is_training=True, scope='two')
        layers.batch_norm(ones(1, 1, 1, 3), is_training=False, scope='frozen')
        with pytest.raises(ValueError, match=(
                '^net/block17/one: .*one cell of one image.*'
                '--batch_size=2.*--freeze_batch_norm.$')):
            layers.batch_norm(ones(1, 1, 1, 3), is_training=True, scope='one')


def drawn(name, shape):
    values = np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape)
    return .1 + values ** 2 if 'variance' in name else values


def constant(getter, name, shape, dtype, **kwargs):
    """A custom_getter of tf.variable_scope, as restore.weights_of has it."""
    del getter, kwargs
    return tf.constant(drawn(name, shape), dtype)


LAYERS = {
    'conv2d': lambda images: slim.conv2d(images, 4, 3, 2, scope='conv'),
    'depthwise': lambda images: layers.depthwise_conv2d(
        images, 3, stride=2, pad=1, scope='conv'),
    'separable': lambda images: slim.separable_conv2d(
        images, None, 3, depth_multiplier=2, scope='conv'),
    'atrous': lambda images: layers.atrous_conv2d(
        images, 4, 3, rate=2, scope='conv')}


@pytest.mark.parametrize('kind, dtype, has_scale, tolerance', [
    *((kind, 'float32', True, 1e-5) for kind in LAYERS),
    ('conv2d', 'float32', False, 1e-5), ('depthwise', 'bfloat16', True, .02)])
def test_a_norm_of_constants_is_folded_into_its_convolution(
        session, kind, dtype, has_scale, tolerance):
    images = tf.constant(RNG.normal(size=(1, 9, 9, 3)), tf.float32)

    def build(images):
        with slim.arg_scope(
                [slim.conv2d, slim.separable_conv2d, layers.atrous_conv2d],
                normalizer_fn=layers.batch_norm, activation_fn=tf.identity,
                ), slim.arg_scope([layers.batch_norm], is_training=False,
                                  has_scale=has_scale):
            return LAYERS[kind](images)

    expected = build(images)
    assert expected.op.inputs[0].op.type == 'FusedBatchNormV3'
    with tf.variable_scope('', custom_getter=constant), tf.variable_scope(
            '', custom_getter=layers.float32_variable):
        folded = build(tf.cast(images, dtype))
    assert folded.op.inputs[0].op.type == 'BiasAdd'
    assert folded.dtype == dtype
    run(session, [])
    for variable in slim.get_model_variables():
        variable.load(drawn(
            variable.op.name, variable.shape.as_list()), session)
    got, expected = session.run([tf.cast(folded, tf.float32), expected])
    np.testing.assert_allclose(
        got, expected, atol=tolerance * np.abs(expected).max())


def test_a_norm_of_something_else_is_not_folded(session):
    with tf.variable_scope('', custom_getter=constant):
        outputs = layers.batch_norm(
            tf.nn.relu(ones(1, 2, 2, 3)), is_training=False)
    mean, variance, beta, gamma = (
        drawn(f'BatchNorm/{name}', [3]) for name in (
            'moving_mean', 'moving_variance', 'beta', 'gamma'))
    np.testing.assert_allclose(
        session.run(outputs)[0, 0, 0],
        (1 - mean) / np.sqrt(variance + .001) * gamma + beta, rtol=1e-5)
