"""What is found, read and refused of checkpoints."""
import concurrent.futures
import os
import re
import shutil
import tempfile

import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from tests import scripts

DATA = '.data-00000-of-00001'


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


@pytest.mark.parametrize('ending', ['', '.index', '.meta', DATA])
def test_find_by_any_file(prefix, ending):
    assert checkpoints.paths.find(prefix + ending) == prefix


def test_find_in_a_folder(prefix, tmp_path, monkeypatch):
    assert checkpoints.paths.find(str(tmp_path)) == prefix
    assert checkpoints.paths.find(f'{tmp_path}/') == prefix
    assert checkpoints.paths.find(
        f'{tmp_path}//') == f'{tmp_path}//model.ckpt-7'
    monkeypatch.setenv('HOME', str(tmp_path))
    assert checkpoints.paths.find('~/model.ckpt-7') == prefix
    latest = save(tmp_path / 'model.ckpt-10')
    assert checkpoints.paths.find(str(tmp_path)) == latest
    # The file "checkpoint" may choose an older one; without it the steps do.
    tf.train.update_checkpoint_state(str(tmp_path), 'model.ckpt-7')
    assert checkpoints.paths.find(str(tmp_path)) == prefix
    (tmp_path / 'checkpoint').unlink()
    assert checkpoints.paths.find(str(tmp_path)) == latest


def test_find_what_is_not_there(tmp_path):
    with pytest.raises(ValueError, match='model.ckpt: no such checkpoint'):
        checkpoints.paths.find(str(tmp_path / 'model.ckpt'))
    (tmp_path / f'model.ckpt-1{DATA}.tempstate123').touch()
    (tmp_path / 'model.ckpt-1.index.tempstate123').touch()
    with pytest.raises(ValueError, match='the folder has no checkpoint'):
        checkpoints.paths.find(str(tmp_path))


@pytest.mark.parametrize('name', ['model.ckpt-9', 'model.ckpt-7'])
def test_a_copied_folder_means_its_own_files(prefix, tmp_path, capsys, name):
    """As the original writes it: with the absolute path of its first place."""
    first = save(tmp_path / 'first' / name, step=1)
    (tmp_path / 'checkpoint').write_text(f'model_checkpoint_path: "{first}"')
    assert checkpoints.paths.find(str(tmp_path)) == prefix
    assert checkpoints.paths.newest(str(tmp_path)) == prefix
    assert checkpoints.reader.global_step(prefix) == 7
    assert (f'{tmp_path}/model.ckpt-9: not a whole checkpoint' in
            capsys.readouterr().err) == (name == 'model.ckpt-9')


@pytest.mark.parametrize('content', [
    'model_checkpoint_path: "/first/model.ckpt-9"', 'model_chec'])
def test_a_copied_folder_without_what_is_named(tmp_path, content):
    with pytest.raises(ValueError, match='the folder has no checkpoint'):
        (tmp_path / 'checkpoint').write_text(content)
        checkpoints.paths.find(str(tmp_path))
    prefix = save(tmp_path / 'ssd.ckpt')
    (tmp_path / 'checkpoint').write_text(content)
    assert checkpoints.paths.find(str(tmp_path)) == prefix


def test_a_folder_that_was_copied_from_windows(prefix, tmp_path, capsys):
    save(tmp_path / 'model.ckpt-9')
    (tmp_path / 'checkpoint').write_text(
        r'model_checkpoint_path: "C:\\runs\\[1]\\model.ckpt-7"')
    assert checkpoints.paths.find(str(tmp_path)) == prefix
    assert capsys.readouterr().err == ''


def test_the_newest_that_is_there(prefix, tmp_path):
    assert checkpoints.paths.newest(str(tmp_path / 'none')) is None
    (tmp_path / 'checkpoint').unlink()
    assert checkpoints.paths.newest(str(tmp_path)) == prefix
    other = save(tmp_path / 'model.ckpt-3')
    assert checkpoints.paths.newest(str(tmp_path)) == other


# As a pattern "run [12]" means "run 1": its values must not be taken.
@pytest.mark.parametrize('version', [
    tf.train.SaverDef.V1, tf.train.SaverDef.V2])
@pytest.mark.parametrize('name', [
    'run [12]', 'run ?', 'run *', r'run\ 1', '[', '50% #2, ü 図 {a}'])
def test_folders_of_any_name(tmp_path, monkeypatch, name, version):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'links'))
    (tmp_path / 'links').mkdir()
    for folder, value in (name, 2.), ('run 1', 1.):
        with tf.Graph().as_default():
            weights = tf.get_variable('weights', initializer=[value])
            (tmp_path / folder).mkdir()
            scripts.save_graph(tmp_path / folder / 'a[b].ckpt', version)
    prefix = str(tmp_path / name / 'a[b].ckpt')
    assert checkpoints.paths.exists(prefix)
    assert checkpoints.paths.find(prefix) == prefix
    assert checkpoints.paths.find(str(tmp_path / name)) == prefix
    stored = checkpoints.reader.open_reader(prefix)
    assert checkpoints.reader.read(stored, prefix, 'weights') == 2
    del stored
    with weights.graph.as_default(), tf.Session() as session:
        checkpoints.reader.Saver().restore(session, prefix)
        assert session.run(weights) == 2
    shutil.rmtree(tmp_path / name)
    assert not checkpoints.paths.exists(prefix)
    with pytest.raises(ValueError, match='no such checkpoint'):
        checkpoints.paths.find(prefix)
    with pytest.raises(ValueError, match=re.escape(
            f'{prefix}: not a whole checkpoint: ')):
        checkpoints.reader.open_reader(prefix)
    assert not os.listdir(tmp_path / 'links')


@pytest.mark.parametrize('ending', ['.index', DATA])
def test_a_part_that_was_not_fetched(tmp_path, ending):
    prefix = save(tmp_path / 'model.ckpt-7', net=[100])
    with open(prefix + ending, 'w') as file:
        file.write('version https://git-lfs.github.com/spec/v1\n')
    with pytest.raises(ValueError, match=(
            f'ckpt-7: not a whole checkpoint: {prefix}{ending} is a pointer '
            'of Git LFS, which stands for the file; fetch that by git lfs')):
        checkpoints.reader.open_reader(prefix)


@pytest.mark.parametrize('ending', ['.index', DATA])
@pytest.mark.parametrize('size', [0, 20, -1])
def test_cut_files_are_refused(prefix, ending, size):
    os.truncate(prefix + ending, size % os.path.getsize(prefix + ending))
    with pytest.raises(ValueError, match='ckpt-7: not a whole checkpoint: '):
        checkpoints.reader.open_reader(prefix)


def test_missing_files_are_named(prefix):
    os.rename(prefix + DATA, prefix + '.data-00000-of-00002')
    with pytest.raises(ValueError, match='ckpt-7.data-00001-of-00002 is miss'):
        checkpoints.reader.open_reader(prefix)
    os.remove(prefix + '.data-00000-of-00002')
    with pytest.raises(ValueError, match=f'ckpt-7{DATA} is missing'):
        checkpoints.reader.open_reader(prefix)
    os.remove(prefix + '.index')
    with pytest.raises(ValueError, match='ckpt-7: not a whole checkpoint'):
        checkpoints.reader.open_reader(prefix)


def test_cut_strings_are_a_sentence(tmp_path):
    """Their length is in no shape: found when they are read."""
    prefix = save(tmp_path / 'a.ckpt', metadata='x' * 1000)
    os.truncate(prefix + DATA, 900)
    with pytest.raises(ValueError, match='a.ckpt: ssd_metadata cannot be read'):
        checkpoints.metadata.read(prefix)


def test_a_flipped_bit_of_a_size_is_noticed(prefix):
    """The last 48 bytes have two places and sizes, without a sum."""
    with open(prefix + '.index', 'r+b') as file:
        file.seek(-48, os.SEEK_END)
        file.write(b'\0\0\0' + b'\xff' * 8 + b'\x7f')
    with pytest.raises(ValueError, match='ckpt-7: not a whole checkpoint'):
        checkpoints.reader.open_reader(prefix)


def test_flipped_bits_are_noticed(prefix):
    with open(prefix + DATA, 'r+b') as file:
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
                'ckpt-7: global_step cannot be read: .*[Cc]hecksum')):
            checkpoints.reader.Saver().restore(session, prefix)


@pytest.mark.parametrize('content', [
    b'', b'model_checkpoint_path: "mod', b'\xff\xfe',
    b'model_checkpoint_path: "model.ckpt-99"',
    b'model_checkpoint_path: "\\000"'])
def test_state_file_that_is_damaged(prefix, tmp_path, content, capsys):
    save(tmp_path / 'model.ckpt-10', step=10)
    (tmp_path / 'checkpoint').write_bytes(content)
    os.truncate(prefix + '.index', 9)
    assert checkpoints.paths.find(str(tmp_path)).endswith('model.ckpt-10')
    line, = capsys.readouterr().err.splitlines()
    assert line.endswith('model.ckpt-10 is used.')
    assert str(tmp_path) in line
    os.truncate(tmp_path / 'model.ckpt-10.index', 9)
    with pytest.raises(ValueError, match='there is no whole checkpoint'):
        checkpoints.paths.find(str(tmp_path))


def test_global_step(prefix, tmp_path):
    assert checkpoints.reader.global_step(prefix) == 7
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable('net', initializer=1.)
        session.run(variable.initializer)
        without = tf.train.Saver().save(session, str(tmp_path / 'other'))
    assert checkpoints.reader.global_step(without) == 0


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
    assert checkpoints.paths.find(str(path)) == str(path)
    stored = checkpoints.reader.open_reader(str(path))
    assert stored.get_tensor('net').tolist() == [1, 2]
    for size in (path.stat().st_size - 1, 30):
        os.truncate(path, size)
        with pytest.raises(ValueError, match='old.ckpt: not a whole'):
            checkpoints.reader.open_reader(str(path))


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
                stored = prefix and checkpoints.reader.open_reader(prefix)
                if prefix is not None:
                    number = checkpoints.reader.global_step(prefix)
                    assert prefix.endswith(f'-{number}')
                    assert (checkpoints.reader.read(
                        stored, prefix, 'weights') == number).all()
                    seen.add(number)
            except (ValueError, OSError):
                assert not tf.train.checkpoint_exists(prefix)
        training.result()
