"""What a network gets out of a checkpoint: plans, and constants."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim

from engine import checkpoints
from nets import ssd_vgg_300
from tests import scripts

VARIABLES = {
    'net/conv1/weights': [1, 1, 3, 2], 'net/conv1/biases': [2],
    'net/conv6/weights': [3, 3, 2, 4], 'net/conv6/biases': [4],
    'net/block4_box/conv_cls/weights': [3, 3, 2, 8],
}
DETECTOR = {name.replace('net/', 'ssd/'): shape
            for name, shape in VARIABLES.items()}
VGG = {
    'vgg_16/conv1/weights': [1, 1, 3, 2], 'vgg_16/conv1/biases': [2],
    'vgg_16/fc6/weights': [7, 7, 2, 16], 'vgg_16/fc6/biases': [16],
    'vgg_16/fc8/weights': [1, 1, 16, 1000],
}
HIKAPOK = {'ssd300/multibox_head/loc_0/kernel': [3, 3, 512, 16]}
NET = ssd_vgg_300.SSDNet()
NET.name = 'net'
WEIGHTS = 'net/conv1/weights'
HEAD = 'net/block4_box/conv_cls/weights'


def make_variables(shapes):
    return [tf.get_variable(
        name, shape, initializer=tf.random_uniform_initializer(seed=index))
        for index, (name, shape) in enumerate(shapes.items())]


def save(tmp_path, shapes):
    """Returns the prefix of a checkpoint with such variables."""
    with tf.Graph().as_default():
        make_variables(shapes)
        scripts.save_graph(tmp_path / 'model.ckpt')
    return str(tmp_path / 'model.ckpt')


def make_plan(tmp_path, shapes, **kwargs):
    """Returns {variable: (source, reason)} and the warnings."""
    prefix = save(tmp_path, shapes)
    with tf.Graph().as_default():
        entries, warnings = checkpoints.restore.plan(
            make_variables(VARIABLES), prefix, NET, **kwargs)
    return {entry.variable.op.name: (entry.source, entry.reason)
            for entry in entries}, warnings


def test_everything_is_restored(tmp_path):
    entries, warnings = make_plan(tmp_path, VARIABLES)
    assert entries == {name: (name, None) for name in VARIABLES}
    assert not warnings


@pytest.mark.parametrize('model_scope, expected', [
    ('ssd', []), (None, []), ('vgg_16', [
        '--checkpoint_model_scope=vgg_16: {} has no such scope; its own, '
        'ssd, is used.'])])
def test_scope_is_given_or_found(tmp_path, model_scope, expected):
    entries, warnings = make_plan(
        tmp_path, DETECTOR, model_scope=model_scope)
    assert entries[WEIGHTS] == ('ssd/conv1/weights', None)
    assert warnings == [
        text.format(tmp_path / 'model.ckpt') for text in expected]


def test_vgg_16(tmp_path):
    entries, _ = make_plan(tmp_path, VGG)
    assert entries == {
        WEIGHTS: ('vgg_16/conv1/weights', None),
        'net/conv1/biases': ('vgg_16/conv1/biases', None),
        'net/conv6/weights': ('vgg_16/fc6/weights', None),
        'net/conv6/biases': ('vgg_16/fc6/biases', None),
        HEAD: (None, 'not in the checkpoint')}


def test_excluded_scopes(tmp_path):
    entries, warnings = make_plan(tmp_path, VGG, exclude_scopes=[
        'net/conv6', ' net/block4_box', 'net/conv'])
    assert entries['net/conv6/weights'] == (None, 'excluded')
    assert entries[HEAD] == (None, 'excluded')
    assert entries[WEIGHTS][0] is not None
    assert warnings == ["--checkpoint_exclude_scopes: 'net/conv' holds no "
                        'variable of net.']


def test_other_shape_starts_anew(tmp_path):
    entries, _ = make_plan(tmp_path, {**VARIABLES, HEAD: [3, 3, 2, 84]})
    assert entries[HEAD] == (
        None, 'is [3, 3, 2, 8], in the checkpoint [3, 3, 2, 84]')


def test_variable_that_a_detector_lacks(tmp_path):
    shapes = {name: shape for name, shape in VARIABLES.items()
              if name != 'net/conv1/biases'}
    with pytest.raises(ValueError, match=(
            'lacks 1 variables of net, such as net/conv1/biases; '
            '--ignore_missing_vars=True')):
        make_plan(tmp_path, shapes)
    entries, _ = make_plan(tmp_path, shapes, ignore_missing=True)
    assert entries['net/conv1/biases'] == (None, 'not in the checkpoint')


@pytest.mark.parametrize('shapes, message', [
    ({'resnet/conv1/kernel': [1]}, 'nothing in it fits net; it holds'),
    (HIKAPOK, 'HiKapok.*; convert it first: python caffe_to_tensorflow.py '
     '--caffemodel_path=/.*model.ckpt$')])
def test_checkpoint_that_gives_nothing(tmp_path, shapes, message):
    with pytest.raises(ValueError, match=f'model.ckpt: .*{message}'):
        make_plan(tmp_path, shapes)


@pytest.mark.parametrize('source, classes, told', [
    ('s/block4_box/conv_cls/weights', ['cat', 'cow'],
     'are now those of cat, cow, in this order. If'),
    ('s/block4_box/conv_cls/weights', ['cat', 'dog'],
     'are put into the order of the data: cat, dog.'),
    ('s/block4_box/conv_cls/weights', ['dog', 'cat'], None),
    ('s/block4_box/conv_loc/weights', ['cat', 'dog'], None),
    (None, ['cat', 'dog'], None)])
def test_heads_of_other_classes_are_told(source, classes, told):
    _, lines = checkpoints.restore.of_classes(
        [checkpoints.restore.Entry(None, source, None)], 'dogs.ckpt',
        {'classes': ['dog', 'cat']}, classes)
    assert len(lines) == (told is not None)
    assert all(line.startswith(
        f'dogs.ckpt: its classes are dog, cat; their heads {told}')
        for line in lines)


def test_heads_go_to_the_classes_of_their_names(tmp_path):
    prefix = str(tmp_path / 'model.ckpt')
    stored = np.arange(8, dtype=np.float32)  # Two anchors of four classes.
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable(
            'net/block4_box/conv_cls/biases', initializer=stored)
        session.run(variable.initializer)
        tf.train.Saver().save(session, prefix)
        entries, _ = checkpoints.restore.of_classes(
            [checkpoints.restore.Entry(variable, variable.op.name, None)],
            prefix, {'classes': ['a', 'b', 'c']}, ['c', 'a', 'b'])
        checkpoints.restore.initializer(entries, prefix)(session)
        assert session.run(variable).tolist() == [0, 3, 1, 2, 4, 7, 5, 6]


def test_table():
    with tf.Graph().as_default():
        variables = make_variables(VARIABLES)
    entries = [
        checkpoints.restore.Entry(variables[0], 'net/conv1/weights', None),
        checkpoints.restore.Entry(variables[4], None, 'excluded')]
    assert checkpoints.restore.format_plan(entries, 'a.ckpt').splitlines() == [
        'a.ckpt: 1 of 2 variables restored.',
        '  new  net/block4_box/conv_cls/weights  excluded']


def test_subsample_takes_every_third_tap_and_every_fourth_output():
    taps = np.arange(49).reshape(7, 7)
    np.testing.assert_array_equal(
        checkpoints.restore.subsample(taps, [3, 3]),
        [[0, 3, 6], [21, 24, 27], [42, 45, 48]])
    np.testing.assert_array_equal(
        checkpoints.restore.subsample(np.arange(12), [3]), [0, 4, 8])


def save_vgg_16(tmp_path, **fully_connected):
    """Saves a VGG-16 with a quarter of the channels; returns its prefix."""
    shapes, inputs = {}, 3
    for block, (num_layers, channels) in enumerate(
            ((2, 16), (2, 32), (3, 64), (3, 128), (3, 128)), 1):
        for layer in range(1, num_layers + 1):
            shapes[f'conv{block}/conv{block}_{layer}'] = [
                3, 3, inputs, channels]
            inputs = channels
    return save(tmp_path, {
        f'vgg_16/{layer}/{name}': size
        for layer, shape in (shapes | fully_connected).items()
        for name, size in (('weights', shape), ('biases', shape[-1:]))})


def start(prefix):
    """Returns {variable: value} that a network starts with, and warnings."""
    net = ssd_vgg_300.SSDQuarterNet()
    with tf.Graph().as_default(), tf.Session() as session:
        net.net(tf.zeros([1, 300, 300, 3]), is_training=False)
        entries, warnings = checkpoints.restore.plan(
            slim.get_model_variables(), prefix, net)
        session.run(tf.global_variables_initializer())
        checkpoints.restore.initializer(entries, prefix)(session)
        values = session.run({
            entry.variable.op.name.removeprefix(f'{net.name}/'):
            entry.variable for entry in entries})
    assert '30 of 71 variables' in checkpoints.restore.format_plan(entries, '')
    return values, warnings


def test_a_network_starts_from_vgg_16(tmp_path):
    prefix = save_vgg_16(tmp_path, fc6=[7, 7, 128, 1024],
                         fc7=[1, 1, 1024, 1024], fc8=[1, 1, 1024, 10])
    values, warnings = start(prefix)
    assert not warnings
    stored = checkpoints.reader.open_reader(prefix)
    for name, source, slices in (
            ('conv1/conv1_1/weights', 'conv1/conv1_1/weights', np.s_[:]),
            ('conv5/conv5_3/weights', 'conv5/conv5_3/weights', np.s_[:]),
            # Taps 0, 3 and 6 of seven; one of four outputs, and for fc7 the
            # inputs that those are.
            ('conv6/weights', 'fc6/weights', np.s_[::3, ::3, :, ::4]),
            ('conv6/biases', 'fc6/biases', np.s_[::4]),
            ('conv7/weights', 'fc7/weights', np.s_[:, :, ::4, ::4]),
            ('conv7/biases', 'fc7/biases', np.s_[::4])):
        np.testing.assert_array_equal(
            values[name], stored.get_tensor(f'vgg_16/{source}')[slices])


def test_a_reduced_vgg_16_with_the_same_names_takes_bgr(tmp_path):
    prefix = save_vgg_16(
        tmp_path, fc6=[3, 3, 128, 256], fc7=[1, 1, 256, 256])
    values, warnings = start(prefix)
    assert warnings == [
        f'{prefix}: a reduced VGG-16 for BGR images, as HiKapok/SSD.TensorFlow '
        'has it; its first layer is turned to RGB.']
    stored = checkpoints.reader.open_reader(prefix)
    for name, source, order in (
            ('conv1/conv1_1/weights', 'conv1/conv1_1/weights', [2, 1, 0]),
            ('conv1/conv1_1/biases', 'conv1/conv1_1/biases', None),
            ('conv1/conv1_2/weights', 'conv1/conv1_2/weights', None),
            ('conv6/weights', 'fc6/weights', None)):
        expected = stored.get_tensor(f'vgg_16/{source}')
        np.testing.assert_array_equal(
            values[name],
            expected if order is None else expected[:, :, order])


@pytest.fixture
def averages(tmp_path):
    with tf.Graph().as_default():
        tf.get_variable('net/a', initializer=1.)
        tf.get_variable('net/a/ExponentialMovingAverage', initializer=2.)
        tf.get_variable('net/half', initializer=tf.constant(3., tf.float16))
        scripts.save_graph(tmp_path / 'a.ckpt')
    return str(tmp_path / 'a.ckpt')


@pytest.mark.parametrize('decay, expected', [(None, 1), (0.9, 2)])
def test_weights_or_their_moving_averages_as_constants(
        averages, decay, expected):
    with tf.Graph().as_default(), tf.Session() as session:
        with (checkpoints.restore.weights_of(averages, decay),
              tf.variable_scope('net')):
            weight = tf.get_variable('a', [])
        assert session.run(weight) == expected
        assert not tf.global_variables()


@pytest.mark.parametrize('name, shape, decay, fault', [
    ('b', [2], None, 'net/b is missing'),
    ('half', [], 0.9, 'net/half/ExponentialMovingAverage is missing'),
    ('a', [2], None, r'net/a is \[\], not \[2\]'),
    ('half', [], None, 'net/half is float16, not float32')])
def test_weights_that_do_not_fit_are_refused(
        averages, name, shape, decay, fault):
    with tf.Graph().as_default(), pytest.raises(
            ValueError, match=f'a.ckpt: does not fit the network: {fault}'):
        with (checkpoints.restore.weights_of(averages, decay),
              tf.variable_scope('net')):
            tf.get_variable(name, shape)


@pytest.mark.parametrize('shapes, decay, message', [
    (VARIABLES, .9, 'has no moving averages; leave --moving_average_decay'),
    (HIKAPOK, None, 'a checkpoint of HiKapok')])
def test_weights_that_cannot_be_used(tmp_path, shapes, decay, message):
    prefix = save(tmp_path, shapes)
    with pytest.raises(ValueError, match=f'model.ckpt: {message}'):
        with checkpoints.restore.weights_of(prefix, decay):
            pass
