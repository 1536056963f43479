"""Networks: variables, shapes and outputs of the original."""
import gc
import weakref
import zlib

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import layers
from nets import nets_factory
from tests import scripts


def build(name, batch_size=1, **kwargs):
    network = nets_factory.get_network(name)()
    images = tf.placeholder(
        tf.float32, [batch_size, *network.params.img_shape, 3])
    return network, images, network.net(images, is_training=False, **kwargs)


def reference_weights(name, shape):
    """The draw that tests/data/forward_*.npz was computed from."""
    values = np.random.RandomState(
        zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith('weights'):
        return values * np.sqrt(2 / np.prod(shape[:-1]))
    return values + 20 if name.endswith('gamma') else values * .1


@pytest.mark.parametrize('name, num_anchors', [
    ('ssd_300_vgg', 8732), ('ssd_300_vgg_quarter', 8732),
    ('ssd_512_vgg', 24564)])
def test_shapes_and_variables_are_the_originals(name, num_anchors):
    """tests/data/variables_*.tsv: listed from the original's graph."""
    with tf.Graph().as_default():
        network, _, (logits, localisations, end_points) = build(
            name, weight_decay=.1)
        variables = {variable.op.name: variable.shape.as_list()
                     for variable in slim.get_model_variables()}
        decayed = {loss.op.name.split('/Regularizer')[0]
                   for loss in tf.losses.get_regularization_losses()}
    params = network.params
    assert [tuple(end_points[layer].shape[1:3])
            for layer in params.feat_layers] == list(params.feat_shapes)
    assert len(network.anchors()) == num_anchors
    assert logits.shape == [1, num_anchors, 21]
    assert localisations.shape == [1, num_anchors, 4]
    # Weights and the scale are decayed, but not biases.
    assert len(decayed) == sum('biases' not in name for name in variables)
    if 'quarter' in name:
        assert [end_points[f'block{i}'].shape[-1] for i in (1, 4, 7, 8)] == [
            16, 128, 256, 128]
    else:
        lines = (scripts.DATA / f'variables_{name}.tsv').read_text()
        assert [f'{name}\t{"x".join(map(str, shape))}' for name, shape
                in sorted(variables.items())] == sorted(lines.splitlines())


@pytest.mark.parametrize('size', [300, 512])
def test_outputs_equal_the_originals(size):
    """tests/data/forward_*.npz: the original's graph, checked with Caffe."""
    expected = np.load(scripts.DATA / f'forward_{size}.npz')
    image = np.random.RandomState(size).uniform(
        0, 255, (1, size, size, 3)) - (123, 117, 104)
    with tf.Graph().as_default(), tf.Session() as session:
        _, images, (logits, localisations, _) = build(f'ssd_{size}_vgg')
        for variable in slim.get_model_variables():
            variable.load(reference_weights(
                variable.op.name, variable.shape.as_list()), session)
        got = session.run(
            [logits, localisations], {images: image.astype(np.float32)})
    for values, key in zip(got, ('logits', 'localisations'), strict=True):
        values = values[0, ::expected['stride']]
        error = np.abs(values - expected[key]).max()
        assert error <= 1e-4 * np.abs(expected[key]).max()


def test_atrous_convolution_and_its_gradients_equal_slims():
    image = np.random.RandomState(0).standard_normal((2, 9, 9, 3))
    with tf.Graph().as_default(), tf.Session() as session:
        image = tf.constant(image, tf.float32)
        ours = layers.atrous_conv2d(image, 4, 3, rate=6, scope='conv')
        with tf.variable_scope('', reuse=True):
            slims = slim.conv2d(image, 4, [3, 3], rate=6, scope='conv')
        inputs = [image, *slim.get_variables('conv')]
        assert len(inputs) == 3
        session.run(tf.global_variables_initializer())
        inputs[2].load(np.arange(4.), session)
        for got, expected in session.run(list(zip(
                [ours, *tf.gradients(ours ** 2, inputs)],
                [slims, *tf.gradients(slims ** 2, inputs)], strict=True))):
            np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize('dtype, tolerance', [
    ('bfloat16', .03), ('float16', .003)])
def test_outputs_in_lower_precision_are_near(dtype, tolerance):
    image = cv2.resize(np.random.RandomState(0).uniform(
        -128, 128, (6, 6, 3)).astype(np.float32), (300, 300))[None]
    network = nets_factory.get_network('ssd_300_vgg_quarter')()
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        image = tf.constant(image)
        exact = network.net(image, is_training=False, from_scratch=True)
        before = slim.get_model_variables() + tf.trainable_variables()
        logits, localisations, end_points = network.net(
            image, is_training=False, reuse=True, compute_dtype=dtype)
        assert {layer.dtype for layer in end_points.values()} == {
            tf.as_dtype(dtype)}
        assert slim.get_model_variables() + tf.trainable_variables() == before
        assert {variable.dtype.base_dtype for variable
                in tf.global_variables()} == {tf.float32}
        session.run(tf.global_variables_initializer())
        for got, expected in session.run(
                [(logits, exact[0]), (localisations, exact[1])]):
            assert got.dtype == np.float32
            np.testing.assert_allclose(
                got, expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize('dtype, tolerance', [
    ('bfloat16', .03), ('float16', .003)])
def test_gradients_in_lower_precision_are_float32_and_near(dtype, tolerance):
    image = np.random.RandomState(0).uniform(
        0, 1, (2, 60, 60, 4)).astype(np.float32)
    gradients = []
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        for compute_dtype in ('float32', dtype):
            with layers.mixed_precision(
                    compute_dtype), tf.variable_scope(
                        'net', reuse=tf.AUTO_REUSE,
                        custom_getter=layers.float32_variable):
                net = slim.conv2d(tf.cast(image, compute_dtype), 4, [3, 3],
                                  scope='conv')
                net = layers.atrous_conv2d(net, 4, 3, rate=6, scope='atrous')
            gradients.append(tf.gradients(
                tf.reduce_sum(tf.cast(net, tf.float32)),
                slim.get_model_variables()))
        session.run(tf.global_variables_initializer())
        for expected, got in session.run(list(zip(*gradients, strict=True))):
            assert got.dtype == np.float32
            np.testing.assert_allclose(
                got, expected, atol=tolerance * np.abs(expected).max())


def test_a_graph_that_is_left_is_freed():
    with tf.Graph().as_default() as graph:
        images = tf.zeros([1, 9, 9, 3])
        net = layers.atrous_conv2d(images, 4, 3, rate=6, scope='conv')
        assert tf.gradients(net, images) is not None
    graph = weakref.ref(graph)
    del images, net
    gc.collect()
    assert graph() is None


def test_l2_normalization_by_hand():
    with tf.Graph().as_default(), tf.Session() as session:
        normalized = layers.l2_normalization(
            tf.constant([[[[3., 4.], [0., 0.]]]]), 20)
        session.run(tf.global_variables_initializer())
        np.testing.assert_allclose(
            session.run(normalized), [[[[12., 16.], [0., 0.]]]], rtol=1e-6)


@pytest.mark.parametrize('from_scratch', [True, False])
def test_heads_start_near_0_and_the_signal_keeps_its_size(from_scratch):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        _, images, (logits, _, end_points) = build(
            'ssd_300_vgg_quarter', from_scratch=from_scratch)
        session.run(tf.global_variables_initializer())
        heads = session.run({
            variable.op.name: variable
            for variable in slim.get_model_variables()
            if '_box/conv_' in variable.op.name})
        deviations = session.run([tf.math.reduce_std(values) for values in (
            *(end_points[f'block{i}'] for i in (1, 7, 11)), logits)], {
                images: np.random.RandomState(0).uniform(
                    -128, 128, images.shape.as_list())})
    assert len(heads) == 6 * 2 * 2
    for name, values in heads.items():
        deviation = 0 if name.endswith('biases') else .01
        assert abs(values.std() - deviation) < .001, name
    if from_scratch:
        assert all(.1 < deviation < 10 for deviation in deviations), deviations


def test_unused_labels_and_clipped_bboxes_are_numbers_of_a_network():
    network = nets_factory.get_network('ssd_300_vgg')
    params = network.default_params._replace(
        num_classes=3, feat_shapes=((1, 1),), anchor_sizes=((300, 300),),
        anchor_ratios=((),), anchor_steps=(300,))
    # Two whole images, of which the second is as much again to the left.
    localisations = [[[0., 0, 0, 0], [-5, 0, np.log(2) / .2, 0]]]

    def detected(**changes):
        with tf.Graph().as_default(), tf.Session() as session:
            found = session.run(network(params._replace(**changes)).detect(
                tf.constant([[[0., 2, 5], [0, 1, 4]]]),
                tf.constant(localisations, tf.float32), nms_threshold=.6))
        return [values[0, :found.num[0]].tolist() for values in (
            found.classes, found.bboxes)]

    left = pytest.approx([0, -1, 1, 1], abs=1e-6)
    assert detected(unused_labels=(2,)) == [[1, 1], [[0, 0, 1, 1], left]]
    assert detected(clips_bboxes=True) == [[2, 1], [[0, 0, 1, 1]] * 2]


def test_errors_name_the_value_and_what_is_known():
    with pytest.raises(ValueError, match='inception_v3.*ssd_300_vgg'):
        nets_factory.get_network('inception_v3')
    network = nets_factory.get_network('ssd_300_vgg')
    with pytest.raises(ValueError, match='kitti.*coco, voc'):
        network.with_anchors(network.default_params, 'kitti')
    with tf.Graph().as_default(), pytest.raises(ValueError, match='512'):
        network().net(tf.zeros([1, 512, 512, 3]), is_training=False)
