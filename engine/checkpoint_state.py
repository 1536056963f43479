"""The file "checkpoint" of a folder: which checkpoint is the latest."""
import os
import re
import sys

import tensorflow.compat.v1 as tf

from engine import checkpoint_files
from engine import published


def latest(folder):
    """Returns the prefix of a training's latest whole checkpoint, or None.

    None if the folder has no file named "checkpoint", which names it. Where
    that is damaged, or what it names is, the one of the highest step is
    taken that is whole; stderr says so.

    Raises:
      ValueError: if there is that file, but no whole checkpoint.
    """
    if not os.path.exists(os.path.join(folder, 'checkpoint')):
        return None
    named = _named_latest(folder)
    prefixes = sorted(
        (os.path.join(folder, name)
         for name in published.prefixes(os.listdir(folder))),
        key=_step_in_name, reverse=True)
    faults = []
    if named is None:
        faults.append(f'{folder}/checkpoint: a damaged file; it should name '
                      'the latest checkpoint')
    for prefix in dict.fromkeys([named, *prefixes] if named else prefixes):
        try:
            checkpoint_files.open_reader(prefix)
        except (ValueError, OSError) as error:
            faults.append(str(error))
            continue
        if faults:
            print(f'{"; ".join(faults)}; {prefix} is used.', file=sys.stderr)
        return prefix
    raise ValueError(f'{"; ".join(faults)}; there is no whole checkpoint.')


def _named_latest(folder):
    """Returns the prefix that the file "checkpoint" names, None if damaged."""
    try:
        state = tf.train.get_checkpoint_state(folder)
    except ValueError:  # Not UTF-8.
        return None
    prefix = None if state is None else state.model_checkpoint_path
    return None if not prefix or '\0' in prefix else prefix


def _step_in_name(prefix):
    step = re.search(r'-(\d+)$', prefix)
    return -1 if step is None else int(step[1])
