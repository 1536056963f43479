"""A train_dir: its lock, and the checkpoint from which training goes on."""
import contextlib
import fcntl
import glob
import os
import re
import socket
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from engine import checkpoints

LOCK_NAME = 'train.lock'
CHECKPOINT_NAME = 'model.ckpt'


@contextlib.contextmanager
def locked(folder):
    """Keeps other trainings out of a folder while the context is open.

    The kernel gives the lock back when the process ends, however it ends.

    Raises:
      ValueError: another training has the lock.
      OSError: the folder cannot be written.
    """
    path = os.path.join(folder, LOCK_NAME)
    with open(path, 'a+', encoding='utf-8') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(
                f'{folder}: {file.read().strip() or "another process"} is '
                'training there. Wait until it has ended, or give another '
                '--train_dir.') from None
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        file.flush()
        yield


def recover(folder):
    """Returns the prefix of the last whole checkpoint, None without any.

    It is the one that the file `checkpoint` names. If that file or the
    checkpoint is damaged, it is the newest that is whole; the file then is
    written anew. What a save left behind that was killed is removed.

    Raises:
      ValueError: there are checkpoints, but all are damaged.
    """
    for path in glob.glob(glob.escape(
            os.path.join(folder, CHECKPOINT_NAME)) + '-*.tempstate*'):
        os.remove(path)
    named = _named(folder)
    prefixes = _prefixes(folder)
    if named is None and not prefixes:
        return None
    candidates = [named] if named is not None else []
    candidates += [prefix for prefix in prefixes if prefix != named]
    faults = []
    for prefix in candidates:
        fault = _fault(prefix)
        if fault is None:
            if prefix != named or faults:
                _point_to(folder, prefix, prefixes, faults)
            return prefix
        faults.append(fault)
    raise ValueError(
        f'{folder}: none of its {len(candidates)} checkpoints is whole: '
        f'{faults[0]} Give another --train_dir, or remove them to start '
        'anew.')


def last_finite(folder):
    """Returns the prefix of the newest checkpoint without NaN or infinity.

    None if there is none.
    """
    for prefix in _prefixes(folder):
        if _fault(prefix, must_be_finite=True) is None:
            return prefix
    return None


def describe_last(folder):
    """Returns a sentence about the checkpoint from which training goes on."""
    prefix = last_finite(folder)
    return ('There is no whole checkpoint.' if prefix is None
            else f'The last whole checkpoint is {prefix}.')


def check_saved(folder, step):
    """Raises OSError if the latest checkpoint is not of `step` or later.

    A session takes some errors of saving, such as that of a file that grows
    too large, for the end of the data.
    """
    latest = tf.train.latest_checkpoint(folder)
    saved = 0 if latest is None else checkpoints.reader.global_step(latest)
    if saved < step:
        raise OSError(
            f'{folder}: step {step} could not be saved; is the disk full, or '
            f'a limit on the size of files reached? {describe_last(folder)}')


def _named(folder):
    """Returns the prefix that the file `checkpoint` names, or None."""
    try:
        return tf.train.latest_checkpoint(folder)
    except (tf.errors.OpError, ValueError):  # It is cut, or no text.
        return None


def _prefixes(folder):
    """Returns the prefixes of a training's checkpoints, newest first."""
    steps = [re.fullmatch(re.escape(CHECKPOINT_NAME) + r'-(\d+)\.index', name)
             for name in os.listdir(folder)]
    return [
        os.path.join(folder, f'{CHECKPOINT_NAME}-{step}') for step in sorted(
            (int(match[1]) for match in steps if match), reverse=True)]


def _fault(prefix, must_be_finite=False):
    """Returns what is wrong with a checkpoint, None if it is whole.

    All values are read: TensorFlow compares their sums.
    """
    try:
        reader = checkpoints.reader.open_reader(prefix)
        for name in reader.get_variable_to_shape_map():
            values = reader.get_tensor(name)
            if (must_be_finite and isinstance(values, np.ndarray)
                    and not np.isfinite(values).all()):
                return f'{prefix}: {name} is not finite.'
    except ValueError as error:
        return str(error)
    except (tf.errors.OpError, RuntimeError) as error:
        return f'{prefix}: {str(error).splitlines()[0]}.'
    return None


def _point_to(folder, prefix, prefixes, faults):
    """Makes a checkpoint the latest one, for all that look for it."""
    reason = faults[0] if faults else (
        f'{os.path.join(folder, "checkpoint")} names no checkpoint.')
    print(f'{reason} The last whole checkpoint is {prefix}.',
          file=sys.stderr)
    names = [os.path.basename(older)
             for older in prefixes[prefixes.index(prefix):]]
    # Of an absolute folder names stay relative, and the folder can be moved.
    tf.train.update_checkpoint_state(
        os.path.abspath(folder), names[0],
        all_model_checkpoint_paths=names[::-1])


def explanation(error, folder):
    """Returns an OSError for an error of writing to a train_dir, else None.

    Args:
      error: of a session; that of an operation, or, without one, that of a
        writer of files.
      folder: the train_dir.
    """
    message = getattr(error, 'message', str(error))
    operation = getattr(error, 'op', None)
    if operation is None:
        is_about_saving = folder in message
    else:
        is_about_saving = operation.type in ('SaveV2', 'MergeV2Checkpoints')
    if not is_about_saving:
        return None
    # The message tells first where in the graph it was.
    cause = re.split(r'^Node: .*\n', message, flags=re.MULTILINE)[-1]
    return OSError(
        f'{folder}: cannot be written: {cause.splitlines()[0]}. '
        f'{describe_last(folder)}')
