"""What a training says of itself: a line every n steps, scalars, an end."""
import os
import time

import psutil
import tensorflow.compat.v1 as tf

from engine.training import graph
from engine.training import options


class TrainingLog:
    """Measures images per second and the wait for data."""

    def __init__(self, run: options.Run, start_step: int):
        """Starts at a step, after `start_step` that have been done."""
        self._every = run.log_every_n_steps
        self._images_per_step = run.images_per_step
        self._writer = None
        if run.is_chief:
            self._writer = tf.summary.FileWriterCache.get(run.train_dir)
        self.number = start_step
        self._since = None
        self._num_steps, self._waited = 0, 0.
        self._most_bytes = 0
        self.images_per_second = self.wait_share = None

    def line(self, values: graph.Step) -> str | None:
        """Returns the line of a step that has one, else None.

        Args:
          values: graph.Step of numbers.
        """
        last, self.number = self.number, int(values.number)
        is_due = self.number // self._every > last // self._every
        now = time.monotonic()
        if self._since is None:  # The first step sets things up.
            self._since = now
        else:
            self._num_steps += 1
            self._waited += values.waited
            if is_due:
                self._measure(now)
        if not is_due:
            return None
        self._look_at_memory()
        return self._format(values)

    def _measure(self, now):
        seconds = now - self._since
        self.images_per_second = (
            self._num_steps * self._images_per_step / seconds)
        self.wait_share = self._waited / seconds
        self._since, self._num_steps, self._waited = now, 0, 0.
        if self._writer is not None:
            self._writer.add_summary(tf.Summary(value=[
                tf.Summary.Value(tag=tag, simple_value=value)
                for tag, value in (
                    ('images_per_second', self.images_per_second),
                    ('share_of_time_waiting_for_data', self.wait_share))]),
                self.number)

    def _format(self, values):
        losses = values.losses
        parts = {'localization': losses.localisation,
                 'positives': losses.positives,
                 'negatives': losses.negatives,
                 'regularization': values.regularization}
        text = (f'step {self.number}: loss {values.total:.4f} ('
                + ', '.join(f'{name} {part:.4f}'
                            for name, part in parts.items())
                + f'), learning rate {values.rate:.3g}')
        if self.wait_share is None:
            return text
        return (f'{text}, {self.images_per_second:.1f} images/s, '
                f'{self.wait_share:.1%} of the time waiting for data')

    def memory(self) -> str:
        """Returns the most memory that was seen in use, as text."""
        self._look_at_memory()
        parts = [f'{self._most_bytes / 2 ** 30:.2f} GiB of the process']
        for device in tf.config.list_logical_devices('GPU'):
            name = device.name.rpartition('device:')[2]
            peak = tf.config.experimental.get_memory_info(name)['peak']
            parts.append(f'{peak / 2 ** 30:.2f} GiB of {name}')
        return ', '.join(parts)

    def _look_at_memory(self):
        # What a process took at the most, only some systems tell.
        self._most_bytes = max(
            self._most_bytes, psutil.Process().memory_info().rss)


def print_end(data: options.Data, run: options.Run):
    """Prints what was made, and what comes next."""
    latest = tf.train.latest_checkpoint(run.train_dir)
    print(f'Trained: {latest}. Next: python eval_ssd_network.py '
          f'--checkpoint_path={run.train_dir} '
          f'--dataset_dir={data.dataset_dir} '
          f'--dataset_name={data.dataset_name} '
          f'--dataset_split_name=test --eval_dir='
          f'{os.path.join(run.train_dir, "eval")}')
