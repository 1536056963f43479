"""What a training says of itself: a line every n steps, scalars, an end.

`options` holds the flags of train_ssd_network.py as attributes.
"""
import os
import resource
import time

import tensorflow.compat.v1 as tf

from engine.training import deployment


class TrainingLog:
    """Measures images per second and the wait for data."""

    def __init__(self, options, start_step, is_writer=True):
        """Starts at a step.

        Args:
          options: log_every_n_steps, train_dir, those of the batch.
          start_step: steps that have been done.
          is_writer: whether this process writes the scalars.
        """
        self._every = options.log_every_n_steps
        self._images_per_step = deployment.images_per_step(options)
        self._writer = None
        if is_writer:
            self._writer = tf.summary.FileWriterCache.get(options.train_dir)
        self.number = start_step
        self._since = None
        self._num_steps, self._waited = 0, 0.
        self.images_per_second = self.wait_share = None

    def line(self, values):
        """Returns the line of a step that has one, else None.

        Args:
          values: training_graph.Step of numbers.
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
        return self._format(values) if is_due else None

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
        text = (f'step {self.number}: loss {values.total:.4f} (localization '
                f'{losses.localisation:.4f}, positives '
                f'{losses.positives:.4f}, negatives {losses.negatives:.4f}), '
                f'learning rate {values.rate:.3g}')
        if self.wait_share is None:
            return text
        return (f'{text}, {self.images_per_second:.1f} images/s, '
                f'{self.wait_share:.1%} of the time waiting for data')


def print_end(options):
    """Prints what was made, the memory it took, and what comes next."""
    latest = tf.train.latest_checkpoint(options.train_dir)
    print(f'Peak memory: {_peak_memory()}.')
    print(f'Trained: {latest}. Next: python eval_ssd_network.py '
          f'--checkpoint_path={options.train_dir} '
          f'--dataset_dir={options.dataset_dir} '
          f'--dataset_name={options.dataset_name} '
          f'--dataset_split_name=test --eval_dir='
          f'{os.path.join(options.train_dir, "eval")}')


def _peak_memory():
    # The kernel counts in KiB on Linux.
    peaks = [f'{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f}'
             ' GiB of the process']
    for device in tf.config.list_logical_devices('GPU'):
        name = device.name.rpartition('device:')[2]
        peak = tf.config.experimental.get_memory_info(name)['peak']
        peaks.append(f'{peak / 2 ** 30:.2f} GiB of {name}')
    return ', '.join(peaks)
