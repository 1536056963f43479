"""Saves a training's checkpoints, in a folder of any name.

TensorFlow's own Saver looks for those to remove by a pattern: in "run [1]" it
finds none of its own, but those of "run 1". Of a folder that was copied it
removes those of the first.
"""
import contextlib
import os
import time

import tensorflow.compat.v1 as tf

from engine import checkpoints

_NUM_KEPT = 5
_HOURS_KEPT = 1


class Saver(checkpoints.reader.Saver):
    """Keeps the last checkpoints, and one of every hour."""

    def __init__(self):
        super().__init__(max_to_keep=_NUM_KEPT,
                         keep_checkpoint_every_n_hours=_HOURS_KEPT)
        self._saved = []  # Prefixes and their times, the oldest first.
        self._keep_next_after = time.time() + _HOURS_KEPT * 3600

    def recover_last_checkpoints(self, checkpoint_paths: list[str]):
        """As tf.train.Saver's: a session calls it after it restored."""
        self._saved = [
            (prefix, os.path.getmtime(f'{prefix}.index'))
            for prefix in checkpoint_paths if os.path.exists(f'{prefix}.index')]

    def save(self, sess, save_path, global_step=None, **options) -> str:
        """As tf.train.Saver's; names in the file "checkpoint" are relative.

        So the folder can be moved.
        """
        prefix = super().save(
            sess, save_path, global_step, write_state=False, **options)
        self._saved = [(other, seconds) for other, seconds in self._saved
                       if other != prefix] + [(prefix, time.time())]
        old, self._saved = self._saved[:-_NUM_KEPT], self._saved[-_NUM_KEPT:]
        write_state([other for other, _ in self._saved])
        for other, seconds in old:
            if seconds > self._keep_next_after:
                self._keep_next_after += _HOURS_KEPT * 3600
            else:
                _remove(other)
        return prefix


def write_state(prefixes: list[str]):
    """Writes the file "checkpoint" of prefixes in one folder, latest last."""
    names = [os.path.basename(prefix) for prefix in prefixes]
    # Of an absolute folder names stay relative.
    tf.train.update_checkpoint_state(
        os.path.abspath(os.path.dirname(prefixes[-1])), names[-1],
        all_model_checkpoint_paths=names)


def _remove(prefix):
    folder, name = os.path.split(prefix)
    # Without its .index no file is taken for a checkpoint's.
    for file_name in sorted(os.listdir(folder or '.'),
                            key=lambda name: not name.endswith('.index')):
        if checkpoints.paths.prefix_of(file_name) == name:
            with contextlib.suppress(OSError):
                os.remove(os.path.join(folder, file_name))
