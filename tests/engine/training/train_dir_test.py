"""Where training goes on in a train_dir, and of what it must be."""
import os

import pytest
import tensorflow.compat.v1 as tf

from engine.training import train_dir


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


def test_the_chosen_one_is_taken(folder, capsys):
    # What a save that was killed left behind.
    rest = folder / 'model.ckpt-11.data-00000-of-00001.tempstate123'
    rest.write_bytes(b'1')
    (folder / 'model.ckpt-11.data-00000-of-00001').write_bytes(b'1')
    assert recovered(folder) == 'model.ckpt-10'
    assert not rest.exists()
    tf.train.update_checkpoint_state(str(folder), 'model.ckpt-2')
    assert recovered(folder) == 'model.ckpt-2'
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize('content', [None, '', '\0\xff'])
def test_file_of_the_latest_is_written_anew(folder, content):
    (folder / 'checkpoint').unlink()
    if content is not None:
        (folder / 'checkpoint').write_bytes(content.encode('latin-1'))
    assert recovered(folder) == 'model.ckpt-10'
    state = tf.train.get_checkpoint_state(str(folder))
    assert [os.path.basename(prefix) for prefix
            in state.all_model_checkpoint_paths] == [
                'model.ckpt-1', 'model.ckpt-2', 'model.ckpt-10']


def test_damaged_checkpoints_are_passed_over(folder, capsys):
    path = folder / 'model.ckpt-10.data-00000-of-00001'
    content = path.read_bytes()
    path.write_bytes(content[:500] + b'\1' * 9 + content[509:])
    assert recovered(folder) == 'model.ckpt-2'
    assert 'model.ckpt-2 is used' in capsys.readouterr().err
    assert tf.train.latest_checkpoint(str(folder)).endswith('ckpt-2')
    (folder / 'model.ckpt-2.data-00000-of-00001').write_bytes(content[:3999])
    assert recovered(folder) == 'model.ckpt-1'
    (folder / 'model.ckpt-1.index').write_bytes(b'')
    with pytest.raises(ValueError, match=(
            'model.ckpt-1: .* there is no whole checkpoint in .* Give an')):
        train_dir.recover(str(folder))


def test_last_of_finite_numbers(folder):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable('weights', initializer=[1., float('nan')])
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / 'model.ckpt'), 11)
    assert train_dir.describe_last(str(folder)).endswith('model.ckpt-10.')


def test_configuration_comes_back(tmp_path):
    folder = str(tmp_path)
    trained = {'model_name': 'ssd_300_vgg', 'classes': ['cat', 'dog']}
    assert train_dir.recover(folder) is None
    assert train_dir.read_config(folder) is None
    train_dir.write_config(
        folder, None, trained, {'learning_rate': .5}, {'batch_size': 8})
    config = train_dir.read_config(folder)
    assert config == {'trained': trained, 'flags': {'learning_rate': .5},
                      'chosen': {'batch_size': 8}}
    train_dir.write_config(folder, config, trained, {}, {})
    with pytest.raises(ValueError, match=(
            f"{folder}: holds another training: classes was "
            r"\['cat', 'dog'\], now \['cat'\]. Give another --train_dir")):
        train_dir.write_config(
            folder, config, {**trained, 'classes': ['cat']}, {}, {})
    assert train_dir.read_config(folder)['trained'] == trained


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"trained": 1}'])
def test_damaged_configuration(tmp_path, text):
    (tmp_path / 'training_config.json').write_text(text)
    with pytest.raises(ValueError, match=(
            'training_config.json: not the configuration of a training')):
        train_dir.read_config(str(tmp_path))
