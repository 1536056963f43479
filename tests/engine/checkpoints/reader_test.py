"""What engine.checkpoints finds, reads and refuses."""
import concurrent.futures
import json
import math
import os

import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from nets import ssd_vgg_300
from tests import scripts

CLASSES = ('cat', 'dög')


def save(path, metadata=None, step=0, **shapes):
    """Saves variables of zeros, and metadata as text."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable(
            'global_step', initializer=tf.constant(step, tf.int64))
        for name, shape in shapes.items():
            tf.get_variable(name, shape, initializer=tf.zeros_initializer())
        if metadata is not None:
            tf.get_variable('ssd_metadata', initializer=metadata)
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(path))


@pytest.fixture
def prefix(tmp_path):
    return save(tmp_path / 'model.ckpt-7', step=7, net=[2, 3])


@pytest.mark.parametrize('ending', [
    '', '.index', '.meta', '.data-00000-of-00001'])
def test_find_by_any_file(prefix, ending):
    assert checkpoints.paths.find(prefix + ending) == prefix


def test_find_in_a_folder(prefix):
    assert checkpoints.paths.find(os.path.dirname(prefix)) == prefix
    assert checkpoints.paths.find(os.path.dirname(prefix) + '/') == prefix


def test_find_takes_the_latest(prefix, tmp_path):
    latest = save(tmp_path / 'model.ckpt-9')
    assert checkpoints.paths.find(str(tmp_path)) == latest


def test_find_in_the_home_folder(prefix, monkeypatch):
    monkeypatch.setenv('HOME', os.path.dirname(prefix))
    assert checkpoints.paths.find('~/model.ckpt-7') == prefix


def test_find_what_is_not_there(tmp_path):
    with pytest.raises(ValueError, match='model.ckpt: no such checkpoint'):
        checkpoints.paths.find(str(tmp_path / 'model.ckpt'))
    with pytest.raises(ValueError, match='the folder has no checkpoint'):
        checkpoints.paths.find(str(tmp_path))


def test_damaged_file(prefix):
    with open(prefix + '.index', 'r+b') as file:
        file.truncate(10)
    with pytest.raises(ValueError, match='index: a damaged checkpoint'):
        checkpoints.reader.open_reader(prefix)


@pytest.mark.parametrize('ending, size, message', [
    ('.index', 100, r'index: a damaged checkpoint: its end is missing'),
    ('.data-00000-of-00001', 20, r"index: .*data-00000-of-00001 is cut off: "
     r"it has 20 bytes, 'net' ends at 32\."),
    ('.data-00000-of-00001', None, 'data-00000-of-00001 is missing'),
    ('.index', None, 'No such file or directory.*ckpt-7'),
])
def test_cut_and_missing_files(prefix, ending, size, message):
    if size is None:
        os.remove(prefix + ending)
    else:
        os.truncate(prefix + ending, size)
    with pytest.raises((ValueError, OSError), match=message):
        checkpoints.reader.open_reader(prefix)


def test_flipped_bits_are_noticed(prefix):
    path = prefix + '.data-00000-of-00001'
    with open(path, 'r+b') as file:
        content = bytearray(file.read())
        content[1] ^= 1  # global_step is the first by name.
        file.seek(0)
        file.write(content)
    with pytest.raises(ValueError, match=(
            'ckpt-7: global_step cannot be read: .*[Cc]hecksum')):
        checkpoints.reader.global_step(prefix)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable('global_step', initializer=tf.constant(0, tf.int64))
        with pytest.raises(ValueError, match=(
                'ckpt-7: cannot be restored: .*[Cc]hecksum')):
            checkpoints.reader.Saver().restore(session, prefix)


@pytest.mark.parametrize('value', [1.5, [1, 2], 'one'])
def test_a_step_that_is_none(tmp_path, value):
    with tf.Graph().as_default():
        tf.get_variable('global_step', initializer=tf.constant(value))
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            prefix = tf.train.Saver().save(session, str(tmp_path / 'a.ckpt'))
    with pytest.raises(ValueError, match='a.ckpt: global_step is not a whole'):
        checkpoints.reader.global_step(prefix)


@pytest.mark.parametrize('content', [
    b'', b'model_checkpoint_path: "mod', b'\xff\xfe',
    b'model_checkpoint_path: "model.ckpt-99"',
    b'model_checkpoint_path: "\\000"'])
def test_state_file_that_is_damaged(prefix, tmp_path, content, capsys):
    save(tmp_path / 'model.ckpt-10', step=10)
    (tmp_path / 'checkpoint').write_bytes(content)
    (tmp_path / 'model.ckpt-11.index.tempstate123').touch()
    os.truncate(prefix + '.index', 9)
    assert checkpoints.paths.find(str(tmp_path)).endswith('model.ckpt-10')
    line, = capsys.readouterr().err.splitlines()
    assert line.endswith('model.ckpt-10 is used.')
    assert str(tmp_path) in line
    os.truncate(tmp_path / 'model.ckpt-10.index', 9)
    with pytest.raises(ValueError, match='there is no whole checkpoint'):
        checkpoints.paths.find(str(tmp_path))


def test_a_save_that_was_broken_off_is_no_checkpoint(tmp_path):
    for ending in ('data-00000-of-00001', 'index'):
        (tmp_path / f'model.ckpt-1.{ending}.tempstate123').touch()
    with pytest.raises(ValueError, match='the folder has no checkpoint'):
        checkpoints.paths.find(str(tmp_path))


def test_global_step(prefix, tmp_path):
    assert checkpoints.reader.global_step(prefix) == 7
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable('net', initializer=1.)
        session.run(variable.initializer)
        without = tf.train.Saver().save(session, str(tmp_path / 'other'))
    assert checkpoints.reader.global_step(without) == 0


def test_metadata_comes_back(tmp_path):
    params = ssd_vgg_300.SSDNet.with_anchors(
        ssd_vgg_300.SSDNet.default_params, 'voc')._replace(num_classes=3)
    network = ssd_vgg_300.SSDNet(params)
    metadata = checkpoints.metadata.make(network, CLASSES)
    with tf.Graph().as_default(), tf.Session() as session:
        checkpoints.metadata.variable(metadata)
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver().save(session, str(tmp_path / 'model'))
    read = checkpoints.metadata.read(prefix)
    assert read == metadata
    assert read['model_name'] == 'ssd_300_vgg'
    assert read['classes'] == ['cat', 'dög']
    assert read['mean_pixel'] == [123, 117, 104]
    assert read['image_shape'] == [300, 300]
    assert read['format_version'] == 1
    assert checkpoints.metadata.apply(
        ssd_vgg_300.SSDNet.default_params, read) == params


def test_checkpoint_of_the_original_has_no_metadata(prefix):
    assert checkpoints.metadata.read(prefix) is None


@pytest.mark.parametrize('text, message', [
    ('{', 'ssd_metadata is damaged'),
    ('[]', 'ssd_metadata is damaged'),
    ('[' * 100000, 'ssd_metadata is damaged: RecursionError'),
    (' ' * (1 << 24) + '{}', 'a text of at most'),
    ('{}', "ssd_metadata is damaged: KeyError.'format_version'"),
    ('{"format_version": 2}', 'is of version 2; .* reads version 1'),
    ('{"format_version": 1, "classes": []}',
     'lacks anchor_offset, anchor_ratios, anchor_sizes'),
], ids=range(7))
def test_damaged_metadata(tmp_path, text, message):
    prefix = save(tmp_path / 'model.ckpt', metadata=text)
    with pytest.raises(ValueError, match=f'model.ckpt: .*{message}'):
        checkpoints.metadata.read(prefix)


@pytest.mark.parametrize('key, value, message', [
    ('model_name', 7, "model_name is '7'; it must be a name"),
    ('model_name', 'resnet', 'resnet: unknown network'),
    ('classes', 'cat', 'a list of names'),
    ('classes', [], 'a list of names'),
    ('classes', ['cat', 1], 'printable characters'),
    ('classes', ['\x1b[2J'], 'printable characters'),
    ('classes', ['a', 'b', 'b'], "classes is 'b'; it must be there once"),
    ('anchor_sizes', [[30, 60]], '6 lists of positive numbers'),
    ('anchor_sizes', [[30, math.nan]] * 6, '6 lists of positive numbers'),
    ('anchor_sizes', [[]] * 6, 'one or two sizes per layer'),
    ('anchor_ratios', [[2] * 101] * 6, '6 lists of positive numbers'),
    ('anchor_ratios', [[10 ** 400]] * 6, '6 lists of positive numbers'),
    ('anchor_ratios', {'a': [[[1]]]}, '6 lists of positive numbers'),
    ('anchor_steps', ['8'] * 6, '6 positive numbers'),
    ('anchor_offset', True, 'a positive number'),
    ('prior_scaling', [.1, .1, .2, 0], '4 positive numbers'),
])
def test_metadata_with_a_wrong_value(key, value, message):
    metadata = checkpoints.metadata.make(ssd_vgg_300.SSDNet(), CLASSES)
    checkpoints.metadata.parse(json.dumps(metadata).encode())
    metadata[key] = value
    with pytest.raises(ValueError, match=f'^ssd_metadata: .*{message}'):
        checkpoints.metadata.parse(json.dumps(metadata).encode())


def test_metadata_is_json_that_others_can_read():
    metadata = checkpoints.metadata.make(ssd_vgg_300.SSDNet(), CLASSES)
    assert json.loads(json.dumps(metadata)) == metadata


def test_variables_to_restore():
    with tf.Graph().as_default():
        variable = tf.get_variable('net/weights', [1])
        assert checkpoints.reader.variables_to_restore([variable]) == {
            'net/weights': variable}


def test_check_complete(prefix):
    with tf.Graph().as_default():
        fits = {'net': tf.get_variable('net', [2, 3])}
        checkpoints.reader.check_complete(prefix, fits)
        with pytest.raises(ValueError, match=(
                'ckpt-7: does not fit the network: other is missing; '
                r'net is \[2, 3\], not \[4\]\. Check --model_name')):
            checkpoints.reader.check_complete(prefix, {
                'other': tf.get_variable('other', [1]),
                'net': tf.get_variable('net_of_4', [4])})
        doubles = tf.get_variable('doubles', [2, 3], tf.float64)
        with pytest.raises(ValueError, match='net is float32, not float64'):
            checkpoints.reader.check_complete(prefix, {'net': doubles})
        with pytest.raises(ValueError, match='c is missing, and 2 more'):
            checkpoints.reader.check_complete(
                prefix, {name: fits['net'] for name in 'abcde'})


def test_format_of_version_1(tmp_path):
    path = tmp_path / 'old.ckpt'
    with tf.Graph().as_default():
        tf.get_variable('net', initializer=[1., 2.])
        scripts.save_graph(path, tf.train.SaverDef.V1)
    assert path.is_file()
    prefix = checkpoints.paths.find(str(path))
    assert prefix == str(path)
    reader = checkpoints.reader.open_reader(prefix)
    assert reader.get_tensor('net').tolist() == [1, 2]


def test_reading_beside_a_training_never_sees_half_a_checkpoint(tmp_path):
    steps = range(1, 61)

    def train():
        with tf.Graph().as_default(), tf.Session() as session:
            step = tf.get_variable('global_step', [], tf.int64)
            weights = tf.get_variable('weights', [200, 200])
            value = tf.placeholder(tf.int64, [])
            assign = [step.assign(value), weights.assign(
                tf.fill([200, 200], tf.cast(value, tf.float32)))]
            saver = tf.train.Saver(max_to_keep=1)
            for number in steps:
                session.run(assign, {value: number})
                saver.save(session, str(tmp_path / 'model.ckpt'),
                           global_step=number, write_meta_graph=False)

    seen = set()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        training = pool.submit(train)
        while not training.done() or steps[-1] not in seen:
            prefix = tf.train.latest_checkpoint(str(tmp_path))
            try:
                reader = prefix and checkpoints.reader.open_reader(prefix)
                if prefix is not None:
                    number = checkpoints.reader.global_step(prefix)
                    assert prefix.endswith(f'-{number}')
                    assert (checkpoints.reader.read(
                        reader, prefix, 'weights') == number).all()
                    seen.add(number)
            except (ValueError, OSError):
                assert not tf.train.checkpoint_exists(prefix)
        training.result()
    assert len(seen) > 3
