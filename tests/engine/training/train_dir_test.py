"""The lock of a train_dir, and its last whole checkpoint."""
import os
import subprocess
import sys

import pytest
import tensorflow.compat.v1 as tf

from engine.training import train_dir
from tests import scripts

HOLD = ('import sys, time; from engine.training import train_dir\n'
        'with train_dir.locked(sys.argv[1]): print(1, flush=True); '
        'time.sleep(60)')


@pytest.fixture
def folder(tmp_path):
    """Has checkpoints of the steps 1, 2 and 10."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable('weights', [1000], initializer=tf.ones_initializer())
        saver = tf.train.Saver(save_relative_paths=True)
        session.run(tf.global_variables_initializer())
        for step in (1, 2, 10):
            saver.save(session, str(tmp_path / 'model.ckpt'), step)
    return tmp_path


def recovered(folder):
    return os.path.basename(train_dir.recover(str(folder)))


def test_the_latest_is_taken_as_it_is(folder, capsys):
    assert recovered(folder) == 'model.ckpt-10'
    assert capsys.readouterr().err == ''


def test_an_older_one_that_was_chosen_is_kept(folder):
    tf.train.update_checkpoint_state(str(folder), 'model.ckpt-2')
    assert recovered(folder) == 'model.ckpt-2'


@pytest.mark.parametrize('content', [
    None, '', 'model_checkpoint_path: "mod', '\0\xff',
    'model_checkpoint_path: "model.ckpt-11"\n'])
def test_file_of_the_latest_is_damaged(folder, capsys, content):
    path = folder / 'checkpoint'
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode('latin-1'))
    assert recovered(folder) == 'model.ckpt-10'
    # Without the file the steps tell, and there is nothing to say.
    fault = capsys.readouterr().err
    assert (f'{path} names no checkpoint; ' in fault
            or f'{folder}/model.ckpt-11: not a whole' in fault
            or content is None)
    assert content is None or fault.endswith(
        f'{folder}/model.ckpt-10 is used.\n')
    # Now all programs find it.
    state = tf.train.get_checkpoint_state(str(folder))
    assert [os.path.basename(prefix) for prefix
            in state.all_model_checkpoint_paths] == [
                'model.ckpt-1', 'model.ckpt-2', 'model.ckpt-10']


def damage(path, size):
    content = path.read_bytes()
    path.write_bytes(content[:size] + b'\1' * 9 + content[size + 9:])


@pytest.mark.parametrize('cut', [0, 100, 3999])
@pytest.mark.parametrize('ending', ['.index', '.data-00000-of-00001'])
def test_cut_checkpoint_is_passed_over(folder, capsys, ending, cut):
    path = folder / f'model.ckpt-10{ending}'
    path.write_bytes(path.read_bytes()[:min(cut, path.stat().st_size - 1)])
    assert recovered(folder) == 'model.ckpt-2'
    assert 'model.ckpt-2 is used' in capsys.readouterr().err
    assert tf.train.latest_checkpoint(str(folder)).endswith('ckpt-2')


def test_changed_values_are_noticed(folder):
    damage(folder / 'model.ckpt-10.data-00000-of-00001', 500)
    (folder / 'model.ckpt-2.data-00000-of-00001').unlink()
    assert recovered(folder) == 'model.ckpt-1'


def test_nothing_whole_is_not_a_new_start(folder):
    for path in folder.glob('*.data*'):
        path.write_bytes(b'')
    with pytest.raises(ValueError, match=(
            'model.ckpt-10: .* there is no whole checkpoint in .* Give an')):
        train_dir.recover(str(folder))


def test_rest_of_a_save_that_was_killed(folder):
    rest = folder / 'model.ckpt-11.data-00000-of-00001.tempstate123'
    rest.write_bytes(b'1')
    (folder / 'model.ckpt-11.data-00000-of-00001').write_bytes(b'1')
    assert recovered(folder) == 'model.ckpt-10'
    assert not rest.exists()


def test_empty_folder(tmp_path):
    assert train_dir.recover(str(tmp_path)) is None
    assert train_dir.last_finite(str(tmp_path)) is None


def test_last_finite(folder):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable('weights', initializer=[1., float('nan')])
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / 'model.ckpt'), 11)
    assert train_dir.last_finite(str(folder)).endswith('model.ckpt-10')


def test_lock_ends_with_its_process(tmp_path):
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(tmp_path)], cwd=scripts.ROOT,
        stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        with pytest.raises(ValueError, match=(
                f'{tmp_path}: process {process.pid} on .* is training there')):
            with train_dir.locked(str(tmp_path)):
                pass
    finally:
        process.kill()
        process.communicate()
    with train_dir.locked(str(tmp_path)):
        assert (tmp_path / 'train.owner').read_text().startswith(
            f'process {os.getpid()} ')


TRAINED = {'model_name': 'ssd_300_vgg', 'classes': ['cat', 'dog']}


def test_configuration_comes_back(tmp_path):
    assert train_dir.read_config(str(tmp_path)) is None
    train_dir.write_config(str(tmp_path), TRAINED, {'learning_rate': .5})
    config = train_dir.read_config(str(tmp_path))
    assert config == {'trained': TRAINED, 'flags': {'learning_rate': .5}}
    train_dir.check_config(str(tmp_path), TRAINED, config)
    train_dir.check_config(str(tmp_path), TRAINED, None)


def test_another_training_is_refused(tmp_path):
    with pytest.raises(ValueError, match=(
            f"{tmp_path}: holds another training: classes was "
            r"\['cat', 'dog'\], now \['cat'\]. Give another --train_dir")):
        train_dir.check_config(
            str(tmp_path), {**TRAINED, 'classes': ['cat']},
            {'trained': TRAINED, 'flags': {}})


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"trained": 1}'])
def test_damaged_configuration(tmp_path, text):
    (tmp_path / 'training_config.json').write_text(text)
    with pytest.raises(ValueError, match=(
            'training_config.json: not the configuration of a training')):
        train_dir.read_config(str(tmp_path))
