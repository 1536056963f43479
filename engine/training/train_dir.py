"""A train_dir: its lock, its configuration, and where training goes on.

training_config.json says what is trained there, by which flags, and which of
them the training chose itself. A training that is resumed must be of the same
thing; how it is trained (learning rate, batch size, ...) may change.
"""
import contextlib
import glob
import json
import ntpath
import os
import socket
from collections.abc import Iterator

import filelock
import tensorflow.compat.v1 as tf

from common import files
from engine import checkpoints
from engine.training import saver

_CONFIG_NAME = 'training_config.json'


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keeps other trainings out of a folder while the context is open.

    The system gives the lock back when the process ends, however it ends.
    Raises ValueError if another training has it.
    """
    # Beside the lock, which some systems let no other process read.
    owner_path = os.path.join(folder, 'train.owner')
    lock = filelock.FileLock(os.path.join(folder, 'train.lock'), timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        owner = ''
        with contextlib.suppress(OSError), open(
                owner_path, encoding='utf-8') as file:
            owner = file.read().strip()
        raise ValueError(
            f'{folder}: {owner or "another process"} is training there. Wait '
            'until it has ended, or give another --train_dir.') from None
    try:
        files.write_whole(owner_path, [
            f'process {os.getpid()} on {socket.gethostname()}\n'])
        yield
    finally:
        lock.release()


def recover(folder: str) -> str | None:
    """Returns the prefix of the checkpoint to go on from, None without any.

    It is checkpoints.paths.latest. If the file "checkpoint" names another
    one, or those of another folder, it is written anew. What a save left
    behind that was killed is removed. Raises ValueError if all checkpoints
    are damaged.
    """
    for prefix in 'model.ckpt-*', checkpoints.paths.BEST:
        for path in glob.glob(os.path.join(
                glob.escape(folder), f'{prefix}.*tempstate*')):
            os.remove(path)
    try:
        prefix = checkpoints.paths.latest(folder)
    except ValueError as error:
        raise ValueError(f'{error} Give another --train_dir, or remove them '
                         'to start anew.') from None
    if prefix is not None:
        _correct_state(folder, prefix)
    return prefix


def _correct_state(folder, latest):
    """Makes the file "checkpoint" name `latest`, and only what is here.

    What it did not name, such as one that is kept of an hour, stays unnamed:
    it will not be removed.
    """
    state = None
    with contextlib.suppress(ValueError):  # It is no text.
        state = tf.train.get_checkpoint_state(folder)
    paths = [] if state is None else state.all_model_checkpoint_paths
    names = {ntpath.basename(path) for path in paths}
    if state is None or state.model_checkpoint_path != latest or any(
            path != os.path.join(folder, name)
            for path, name in zip(paths, map(ntpath.basename, paths))):
        numbered = checkpoints.paths.numbered(folder)
        saver.write_state([
            prefix for prefix in numbered[numbered.index(latest):][::-1]
            if state is None or prefix == latest
            or os.path.basename(prefix) in names])


def describe_last(folder: str) -> str:
    """Returns a sentence about the newest checkpoint of finite numbers."""
    for prefix in checkpoints.paths.numbered(folder):
        if checkpoints.reader.fault(prefix, must_be_finite=True) is None:
            return f'The last whole checkpoint is {prefix}.'
    return 'There is no whole checkpoint.'


def check_saved(folder: str, step: int):
    """Raises OSError if the latest checkpoint is not of `step` or later.

    A session takes some errors of saving, such as that of a file that grows
    too large, for the end of the data.
    """
    latest = checkpoints.paths.newest(folder)
    saved = 0 if latest is None else checkpoints.reader.global_step(latest)
    if saved < step:
        raise OSError(
            f'{folder}: step {step} could not be saved; is the disk full, or '
            f'a limit on the size of files reached? {describe_last(folder)}')


def read_config(folder: str) -> dict | None:
    """Returns what training_config.json says, None if there is none.

    A dict with `trained`, what must not change, `flags`, and those of them
    that were `chosen`, not given. Raises ValueError if the file is damaged.
    """
    path = os.path.join(folder, _CONFIG_NAME)
    try:
        with open(path, encoding='utf-8') as file:
            config = json.load(file)
        return {'trained': dict(config['trained']),
                'flags': dict(config.get('flags', {})),
                'chosen': dict(config.get('chosen', {}))}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path}: not the configuration of a training ({error!r}); '
            'remove it to go on without the check.') from None


def write_config(folder: str, before: dict | None, trained: dict,
                 flags: dict, chosen: dict):
    """Writes training_config.json; `before` is what read_config returned.

    Raises:
      ValueError: the folder holds another training.
    """
    differences = [f'{key} was {before["trained"].get(key)!r}, now {value!r}'
                   for key, value in trained.items()
                   if before and before['trained'].get(key) != value]
    if differences:
        raise ValueError(
            f'{folder}: holds another training: {"; ".join(differences)}. '
            'Give another --train_dir, or the flags of that training.')
    files.write_whole(os.path.join(folder, _CONFIG_NAME), [json.dumps(
        {'trained': trained, 'flags': dict(sorted(flags.items())),
         'chosen': chosen}, indent=2), '\n'])
