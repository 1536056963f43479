"""What a network gets out of a checkpoint: plans, and constants."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

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
NET = ssd_vgg_300.SSDNet()
NET.name = 'net'
WEIGHTS = 'net/conv1/weights'
HEAD = 'net/block4_box/conv_cls/weights'


def without(shapes, *names):
    return {name: shape for name, shape in shapes.items()
            if name not in names}


def make_variables(shapes):
    return [tf.get_variable(
        name, shape, initializer=tf.random_uniform_initializer(seed=index))
        for index, (name, shape) in enumerate(shapes.items())]


def make_plan(tmp_path, shapes, **kwargs):
    """Returns {variable: (source, reason)} and the warnings."""
    with tf.Graph().as_default():
        make_variables(shapes)
        scripts.save_graph(tmp_path / 'model.ckpt')
    with tf.Graph().as_default():
        entries, warnings = checkpoints.restore.plan(
            make_variables(VARIABLES), str(tmp_path / 'model.ckpt'), NET,
            **kwargs)
    return {entry.variable.op.name: (entry.source, entry.reason)
            for entry in entries}, warnings


def test_everything_is_restored(tmp_path):
    entries, warnings = make_plan(tmp_path, VARIABLES)
    assert entries == {name: (name, None) for name in VARIABLES}
    assert not warnings


def test_scope_that_is_given(tmp_path):
    entries, warnings = make_plan(tmp_path, DETECTOR, model_scope='ssd')
    assert entries[WEIGHTS] == ('ssd/conv1/weights', None)
    assert not warnings


def test_scope_that_is_found(tmp_path):
    entries, warnings = make_plan(tmp_path, DETECTOR)
    assert entries[WEIGHTS] == ('ssd/conv1/weights', None)
    assert not warnings


def test_wrong_scope_is_replaced_with_a_warning(tmp_path):
    entries, warnings = make_plan(tmp_path, DETECTOR, model_scope='vgg_16')
    assert entries[WEIGHTS] == ('ssd/conv1/weights', None)
    warning, = warnings
    assert '--checkpoint_model_scope=vgg_16' in warning
    assert 'its own, ssd, is used' in warning


def test_vgg_16(tmp_path):
    entries, _ = make_plan(tmp_path, VGG)
    assert entries == {
        WEIGHTS: ('vgg_16/conv1/weights', None),
        'net/conv1/biases': ('vgg_16/conv1/biases', None),
        'net/conv6/weights': ('vgg_16/fc6/weights', None),
        'net/conv6/biases': ('vgg_16/fc6/biases', None),
        HEAD: (None, 'not in the checkpoint')}


def test_excluded_scopes(tmp_path):
    entries, _ = make_plan(
        tmp_path, VGG, exclude_scopes=['net/conv6', ' net/block4_box'])
    assert entries['net/conv6/weights'] == (None, 'excluded')
    assert entries[HEAD] == (None, 'excluded')
    assert entries[WEIGHTS][0] is not None


def test_excluded_scope_that_is_not_there(tmp_path):
    _, warnings = make_plan(
        tmp_path, VGG, exclude_scopes=['net/conv1', 'net/conv16'])
    assert warnings == ["--checkpoint_exclude_scopes: 'net/conv16' holds no "
                        'variable of net.']


def test_other_shape_starts_anew(tmp_path):
    entries, _ = make_plan(tmp_path, {**VARIABLES, HEAD: [3, 3, 2, 84]})
    assert entries[HEAD] == (
        None, 'is [3, 3, 2, 8], in the checkpoint [3, 3, 2, 84]')


def test_variable_that_a_detector_lacks(tmp_path):
    shapes = without(VARIABLES, 'net/conv1/biases')
    with pytest.raises(ValueError, match=(
            'lacks 1 variables of net, such as net/conv1/biases; '
            '--ignore_missing_vars=True')):
        make_plan(tmp_path, shapes)
    entries, _ = make_plan(tmp_path, shapes, ignore_missing=True)
    assert entries['net/conv1/biases'] == (None, 'not in the checkpoint')


def test_checkpoint_that_gives_nothing(tmp_path):
    with pytest.raises(ValueError, match='nothing in it fits net; it holds'):
        make_plan(tmp_path, {'resnet/conv1/kernel': [1]})


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


def test_initializer_loads_what_the_plan_says(tmp_path):
    prefix = str(tmp_path / 'vgg.ckpt')
    with tf.Graph().as_default():
        make_variables(VGG)
        scripts.save_graph(prefix)
    reader = tf.train.NewCheckpointReader(prefix)
    with tf.Graph().as_default(), tf.Session() as session:
        variables = make_variables(VARIABLES)
        session.run(tf.global_variables_initializer())
        before = dict(zip(VARIABLES, session.run(variables), strict=True))
        entries, _ = checkpoints.restore.plan(variables, prefix, NET)
        checkpoints.restore.initializer(entries, prefix)(session)
        after = dict(zip(VARIABLES, session.run(variables), strict=True))
    np.testing.assert_array_equal(
        after[WEIGHTS], reader.get_tensor('vgg_16/conv1/weights'))
    np.testing.assert_array_equal(
        after['net/conv6/weights'],
        reader.get_tensor('vgg_16/fc6/weights')[::3, ::3, :, ::4])
    np.testing.assert_array_equal(after[HEAD], before[HEAD])


@pytest.fixture
def averages(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable('net/a', initializer=1.)
        tf.get_variable('net/a/ExponentialMovingAverage', initializer=2.)
        tf.get_variable('net/half', initializer=tf.constant(3., tf.float16))
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(tmp_path / 'a.ckpt'))


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


def test_averages_that_the_checkpoint_does_not_have(tmp_path):
    with tf.Graph().as_default():
        make_variables(VARIABLES)
        scripts.save_graph(tmp_path / 'a.ckpt')
    with pytest.raises(ValueError, match=(
            'a.ckpt: has no moving averages; leave --moving_average_decay')):
        with checkpoints.restore.weights_of(str(tmp_path / 'a.ckpt'), .9):
            pass
