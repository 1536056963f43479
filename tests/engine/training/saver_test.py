"""Which checkpoints of a training are kept, in folders of any name."""
import contextlib
import time
import types

import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.training import saver
from engine.training import train_dir


@contextlib.contextmanager
def training():
    """Yields a session and a Saver."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable('global_step', initializer=tf.constant(0, tf.int64))
        session.run(tf.global_variables_initializer())
        yield session, saver.Saver()


def save(folder, *steps):
    folder.mkdir(exist_ok=True)
    with training() as (session, the_saver):
        for step in steps:
            the_saver.save(session, str(folder / 'model.ckpt'), step)


def steps(folder):
    """Returns the steps that are there, and those that "checkpoint" names."""
    state = tf.train.get_checkpoint_state(str(folder))
    parts = {}
    for path in folder.glob('model.ckpt-*'):
        parts.setdefault(checkpoints.paths.prefix_of(path.name), []).append(
            path.suffix)
    assert all(sorted(suffixes) == ['.data-00000-of-00001', '.index', '.meta']
               for suffixes in parts.values())
    assert state.model_checkpoint_path == state.all_model_checkpoint_paths[-1]
    return [sorted(int(name.rpartition('-')[2]) for name in names)
            for names in (parts, state.all_model_checkpoint_paths)]


def resume(folder, *more):
    """Saves on as a session does that goes on from a folder."""
    prefix = train_dir.recover(str(folder))
    state = tf.train.get_checkpoint_state(str(folder))
    assert state.model_checkpoint_path == prefix
    with training() as (session, the_saver):
        the_saver.restore(session, prefix)
        the_saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        for step in more:
            the_saver.save(session, str(folder / 'model.ckpt'), step)


# As a pattern "run [12]" means "run 1".
@pytest.mark.parametrize('name', ['run', 'run [12]', 'run ?', 'run *'])
def test_five_are_kept_of_this_folder(tmp_path, name):
    save(tmp_path / 'run 1', 1, 2)
    folder = tmp_path / name
    save(folder, 1, 2, 3, 4, 5, 5)
    assert steps(folder) == [[1, 2, 3, 4, 5]] * 2
    resume(folder, 6, 7)
    assert steps(folder) == [[3, 4, 5, 6, 7]] * 2
    assert steps(tmp_path / 'run 1') == [[1, 2]] * 2


@pytest.mark.parametrize('is_there', [True, False])
@pytest.mark.parametrize('names', ['2', '12', '3', ''])
def test_a_copy_keeps_to_its_own(tmp_path, names, is_there):
    """Its "checkpoint" names the first folder's, maybe one not copied."""
    first, copy = tmp_path / 'first', tmp_path / 'copy'
    save(copy, 1, 2)
    if is_there:
        save(first, 1, 2, 3)
    lines = [f'all_model_checkpoint_paths: "{first}/model.ckpt-{step}"\n'
             for step in names]
    if names:
        lines.insert(0, f'model_checkpoint_path: "{first}/model.ckpt-'
                     f'{names[-1]}"\n')
    (copy / 'checkpoint').write_text(''.join(lines))
    resume(copy, 4, 5, 6, 7)
    # What was not named is not removed.
    assert steps(copy) == [
        [2, 4, 5, 6, 7] if names in ('12', '') else [1, 2, 4, 5, 6, 7],
        [2, 4, 5, 6, 7]]
    if is_there:
        assert steps(first) == [[1, 2, 3]] * 2


def test_one_of_every_hour_is_kept(tmp_path, monkeypatch):
    now = [time.time()]
    monkeypatch.setattr(
        saver, 'time', types.SimpleNamespace(time=lambda: now[0]))
    with training() as (session, the_saver):
        for step in range(12):  # Every 20 minutes.
            the_saver.save(session, str(tmp_path / 'model.ckpt'), step)
            now[0] += 20 * 60
    # 4: 80 minutes after the start, the first above 60.
    assert steps(tmp_path) == [[4, 7, 8, 9, 10, 11], [7, 8, 9, 10, 11]]
