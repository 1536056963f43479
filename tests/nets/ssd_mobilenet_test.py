"""MobileNets: names and shapes of slim's, outputs of Keras', their starts."""
import zlib

import numpy as np
import pytest
import tensorflow as tf2
import tensorflow.compat.v1 as tf
import tf_slim as slim

from engine import checkpoints
from nets import nets_factory
from tests import scripts

V1, V2 = 'ssd_300_mobilenet_v1', 'ssdlite_320_mobilenet_v2'
NORM = 'gamma', 'beta', 'moving_mean', 'moving_variance'


def make(name):
    return nets_factory.get_network(name)()


def build(net, **kwargs):
    return net.net(tf.zeros([1, *net.params.img_shape, 3]),
                   **{'is_training': False, **kwargs})


def drawn(name, shape):
    values = np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape)
    if name.endswith('variance'):
        return .5 + values ** 2
    if 'weights' in name:
        num_inputs = 9 if 'depthwise_w' in name else np.prod(shape[:-1])
        return values / np.sqrt(num_inputs)
    return values * .1 + name.endswith('gamma')


def load(session, variables, values):
    """Initialises variables with values, in one run."""
    session.run([variable.initializer for variable in variables],
                {variable.initializer.inputs[1]: value
                 for variable, value in zip(variables, values, strict=True)})


def norm(scope, channels):
    return {f'{scope}/BatchNorm/{name}': [channels] for name in NORM}


def slims_v1():
    """Variables of mobilenet_v1_1.0_224 before its classifier."""
    shapes = {'Conv2d_0/weights': [3, 3, 3, 32], **norm('Conv2d_0', 32)}
    widths = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    for i in range(1, 14):
        inputs, outputs = widths[i - 1:i + 1]
        shapes |= {
            f'Conv2d_{i}_depthwise/depthwise_weights': [3, 3, inputs, 1],
            **norm(f'Conv2d_{i}_depthwise', inputs),
            f'Conv2d_{i}_pointwise/weights': [1, 1, inputs, outputs],
            **norm(f'Conv2d_{i}_pointwise', outputs)}
    return shapes


def slims_v2():
    """Variables of mobilenet_v2_1.0_224 before its classifier."""
    shapes = {'Conv/weights': [3, 3, 3, 32], **norm('Conv', 32),
              'Conv_1/weights': [1, 1, 320, 1280], **norm('Conv_1', 1280)}
    widths = [32, 16, 24, 24, *[32] * 3, *[64] * 4, *[96] * 3, *[160] * 3, 320]
    for i, (inputs, outputs) in enumerate(zip(
            widths[:-1], widths[1:], strict=True)):
        scope = f'expanded_conv_{i}' if i else 'expanded_conv'
        inside = 6 * inputs if i else 32
        if i:
            shapes |= {f'{scope}/expand/weights': [1, 1, inputs, inside],
                       **norm(f'{scope}/expand', inside)}
        shapes |= {
            f'{scope}/depthwise/depthwise_weights': [3, 3, inside, 1],
            **norm(f'{scope}/depthwise', inside),
            f'{scope}/project/weights': [1, 1, inside, outputs],
            **norm(f'{scope}/project', outputs)}
    return shapes


def extras(last_layer, last_channels, is_depthwise):
    """Variables of the Object Detection API's extra blocks."""
    shapes, inputs = {}, last_channels
    for i, outputs in enumerate((512, 256, 256, 128), 2):
        inside = outputs // 2
        first = f'{last_layer}_1_Conv2d_{i}_1x1_{inside}'
        second = f'{last_layer}_2_Conv2d_{i}_3x3_s2_{outputs}'
        side = 1 if is_depthwise else 3
        shapes |= {f'{first}/weights': [1, 1, inputs, inside],
                   **norm(first, inside),
                   f'{second}/weights': [side, side, inside, outputs],
                   **norm(second, outputs)}
        if is_depthwise:
            shapes |= {
                f'{second}_depthwise/depthwise_weights': [3, 3, inside, 1],
                **norm(f'{second}_depthwise', inside)}
        inputs = outputs
    return shapes


# Published: 4.2 million weights and 3.4 of the classifiers' 1.0 and 1.3;
# SSDLite 4.3 with COCO's 81 classes; Caffe's file of 23 MB.
@pytest.mark.parametrize('name, num_anchors, num_weights, num_in_trunk', [
    (V1, 1917, 5796089, 3206976),
    (V1 + '_half', 1917, 1558553, 818592),
    (V1 + '_quarter', 1917, 444713, 213072),
    (V2, 2034, 3355833, 2223872),
    (V2 + '_half', 2034, 1284281, 687680),
    (V2 + '_quarter', 2034, 626937, 238112)])
def test_variables_and_shapes(name, num_anchors, num_weights, num_in_trunk):
    with tf.Graph().as_default():
        net = make(name)
        logits, localisations, end_points = build(net, weight_decay=.1)
        weights = {one.op.name: one.shape.as_list()
                   for one in tf.trainable_variables()}
        shapes = {one.op.name: one.shape.as_list()
                  for one in slim.get_model_variables()}
        decayed = {loss.op.name.partition('/kernel')[0]
                   for loss in tf.losses.get_regularization_losses()}
    assert logits.shape == [1, num_anchors, 21]
    assert localisations.shape == [1, num_anchors, 4]
    assert net.anchors().shape == (num_anchors, 4)
    assert [tuple(end_points[layer].shape[1:3]) for layer
            in net.params.feat_layers] == list(net.params.feat_shapes)
    assert sum(map(np.prod, weights.values())) == num_weights
    assert sum(np.prod(shape) for variable, shape in weights.items()
               if net.in_trunk(variable)) == num_in_trunk
    assert decayed == {one.removesuffix('/weights') for one in weights
                       if one.endswith('/weights')}
    assert {one.split('/')[1] for one in shapes if not net.in_trunk(one)} == {
        *(block.name for block in net.params.extra_blocks),
        *(f'{layer}_box' for layer in net.params.feat_layers)}
    if name in (V1, V2):
        lines = (scripts.DATA / f'variables_{name}.tsv').read_text()
        assert [f'{variable}\t{"x".join(map(str, shape))}' for variable, shape
                in sorted(shapes.items())] == lines.splitlines()


def test_sizes_of_anchors():
    presets = {name: make(name).anchor_presets for name in (V1, V2)}
    assert presets[V1]['voc'] == (
        (60,), (105, 150), (150, 195), (195, 240), (240, 285), (285, 300))
    for name in V1, V2:
        side = make(name).params.img_shape[0]
        for preset, least, most in ('voc', .2, .95), ('coco', .15, .9):
            np.testing.assert_allclose(
                [sizes[0] / side for sizes in presets[name][preset]],
                np.linspace(least, most, 6))
    # Caffe's priors of the first cell, of the last one: a square in between.
    anchors = make(V1).anchors() * 300
    np.testing.assert_allclose(
        anchors[0], [300 / 38, 300 / 38, 60, 60], rtol=1e-6)
    np.testing.assert_allclose(
        anchors[-5], [150, 150, *[np.sqrt(285 * 300)] * 2], rtol=1e-6)


def test_v2_equals_keras():
    net = make(V2)
    images = np.random.default_rng(0).uniform(
        -1, 1, (2, 96, 96, 3)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        end_points = {}
        with slim.arg_scope(net.arg_scope(False, 0., False)), slim.arg_scope(
                [slim.conv2d, slim.separable_conv2d],
                activation_fn=net.activation_fn):
            net.trunk(tf.constant(images), end_points)
        keras = tf2.keras.applications.MobileNetV2(
            input_shape=(96, 96, 3), weights=None, include_top=False)
        expected = tf2.keras.Model(keras.inputs, [
            keras.get_layer(layer).output
            for layer in ('block_13_expand_relu', 'out_relu')])(
                tf.constant(images), training=False)
        variables = slim.get_model_variables()
        values = {variable.op.name: drawn(
            variable.op.name, variable.shape.as_list())
            for variable in variables}
        theirs = {keras_name(name): value for name, value in values.items()}
        assert len(theirs) == len(keras.weights) == 260
        load(session, variables, values.values())
        load(session, [weight.value for weight in keras.weights],
             [theirs[weight.path] for weight in keras.weights])
        got, expected = session.run([
            [end_points[layer] for layer in ('block15', 'block19')], expected])
    for ours, keras_values in zip(got, expected, strict=True):
        np.testing.assert_allclose(
            ours, keras_values, atol=1e-5 * np.abs(keras_values).max())


def keras_name(name):
    """Returns what Keras calls a variable of the trunk."""
    *scopes, norm_scope, name = ['', *name.split('/')]
    if norm_scope != 'BatchNorm':
        scopes.append(norm_scope)
    layer = '_'.join(scopes[1:]).replace('expanded_conv_', 'block_')
    if len(scopes) == 2:
        layer = {'Conv': 'Conv1'}.get(layer, layer)
    for kind in 'depthwise', 'project':
        layer = layer.replace(f'block_{kind}', f'expanded_conv_{kind}')
    if norm_scope != 'BatchNorm':
        return f'{layer}/kernel'
    layer = {'Conv1': 'bn_Conv1', 'Conv_1': 'Conv_1_bn'}.get(
        layer, f'{layer}_BN')
    return f'{layer}/{name}'


@pytest.mark.parametrize('name, trunk, slims, last', [
    (V1, 'MobilenetV1', slims_v1, ('Conv2d_13_pointwise', 1024, False)),
    (V2, 'MobilenetV2', slims_v2, ('layer_19', 1280, True))])
def test_a_trunk_starts_from_slims_and_the_object_detection_apis(
        tmp_path, name, trunk, slims, last):
    net = make(name)
    with tf.Graph().as_default():
        build(net)
        variables = slim.get_model_variables()

    def check_start(scope, shapes, others, is_new):
        """Checks that all of shapes are taken, and what is not in them."""
        path = str(tmp_path / 'trunk.ckpt')
        write(path, others | {
            f'{scope}/{one}': shape for one, shape in shapes.items()})
        entries, warnings = checkpoints.restore.plan(variables, path, net)
        assert not warnings
        assert {entry.source for entry in entries if entry.source} == {
            f'{scope}/{one}' for one in shapes}
        assert all(is_new(entry.variable.op.name) for entry in entries
                   if entry.source is None)

    check_start(trunk, slims(), {
        f'{trunk}/Logits/Conv2d_1c_1x1/weights': [1, 1, last[1], 1001],
        f'{trunk}/Conv2d_0/weights/ExponentialMovingAverage': [1]},
        lambda variable: not net.in_trunk(variable))
    check_start(f'FeatureExtractor/{trunk}', slims() | extras(*last), {
        'BoxPredictor_0/ClassPredictor/weights': [1, 1, 576, 273]},
        lambda variable: '_box/' in variable)


def write(path, shapes):
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(tf.raw_ops.SaveV2(
            prefix=path, tensor_names=list(shapes),
            shape_and_slices=[''] * len(shapes),
            tensors=[np.zeros(shape, 'f') for shape in shapes.values()]))


@pytest.mark.parametrize('name, shapes', [
    (V1, {f'MobilenetV2/{name}': shape for name, shape in slims_v2().items()}),
    (V1, {'vgg_16/conv1/conv1_1/weights': [3, 3, 3, 64]}),
    # Of another width: no channel is taken for another.
    (V1 + '_quarter', {f'FeatureExtractor/MobilenetV1/{name}': shape
                       for name, shape in slims_v1().items()})])
def test_the_checkpoint_of_another_trunk_is_refused(tmp_path, name, shapes):
    path = str(tmp_path / 'other.ckpt')
    write(path, shapes)
    net = make(name)
    with tf.Graph().as_default():
        build(net)
        with pytest.raises(ValueError, match=(
                f'other.ckpt: nothing in it fits {name}; it holds '
                f'{len(shapes)} tensors such as')):
            checkpoints.restore.plan(slim.get_model_variables(), path, net)


def test_input_of_another_size_is_refused():
    with tf.Graph().as_default(), pytest.raises(
            ValueError, match=rf'{V1} takes images of .*, not \[224, 224\]'):
        make(V1).net(tf.zeros([1, 224, 224, 3]), is_training=False)
    net = type(make(V1))(make(V1).params._replace(img_shape=(64, 64)))
    with tf.Graph().as_default(), pytest.raises(ValueError, match=(
            rf'{V1}: block11 has \[4, 4\] cells of images of \(64, 64\), not '
            r'\(19, 19\); img_shape, feat_shapes and anchor_steps')):
        build(net)


def test_one_image_is_no_batch_to_be_normalised():
    with tf.Graph().as_default(), pytest.raises(ValueError, match=(
            f'^{V1}/block17.*one cell of one image.*--freeze_batch_norm')):
        build(make(V1), is_training=True)


def test_it_detects_with_its_norm_folded():
    net = make(V1 + '_quarter')
    images = np.random.default_rng(0).uniform(
        -1, 1, (1, 300, 300, 3)).astype(np.float32)

    def constant(getter, name, shape, dtype, **kwargs):
        del getter, kwargs
        return tf.constant(drawn(name, shape), dtype)

    with tf.Graph().as_default(), tf.Session() as session:
        expected = net.net(tf.constant(images), is_training=False)[:2]
        variables = slim.get_model_variables()
        with tf.variable_scope('', custom_getter=constant):
            outputs = net.net(tf.constant(images), is_training=False)[:2]
        load(session, variables, [drawn(
            variable.op.name, variable.shape.as_list())
            for variable in variables])
        for got, values in zip(
                *session.run([outputs, expected]), strict=True):
            np.testing.assert_allclose(
                got, values, atol=1e-5 * np.abs(values).max())
