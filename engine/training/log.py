"""What a training says of itself: a line every n steps, and scalars."""
import time

import psutil
import tensorflow.compat.v1 as tf

from engine.training import graph
from engine.training import options


class TrainingLog:
    """Measures images per second and the wait for data."""

    def __init__(self, run: options.Run, start_step: int):
        self._run = run
        self.number = start_step  # Of the last step that was done.
        self._since, self._num_steps, self._waited = None, 0, 0.
        # Of all steps that were measured: what is left goes by these.
        self._total_steps, self._total_seconds = 0, 0.
        self._most_bytes = 0
        self._speed = ''  # What a line says of it.

    def line(self, values: graph.Step) -> str | None:
        """Returns the line of a step, of numbers, if it has one."""
        last, self.number = self.number, int(values.number)
        every = self._run.log_every_n_steps
        is_due = self.number // every > last // every
        if self._since is None:  # The first step sets things up.
            self._since = time.monotonic()
        else:
            self._num_steps += 1
            self._waited += values.waited
        if not is_due:
            return None
        if self._num_steps:
            self._measure()
        self._look_at_memory()
        losses = values.losses
        return (
            f'step {self.number}: loss {values.total:.4f} '
            f'(localization {losses.localisation:.4f}, '
            f'positives {losses.positives:.4f}, '
            f'negatives {losses.negatives:.4f}, '
            f'regularization {values.regularization:.4f}), '
            f'learning rate {values.rate:.3g}{self._speed}')

    def pause(self):
        """Leaves out of the next line the time that goes by until a step."""
        self._since, self._num_steps, self._waited = None, 0, 0.

    def _measure(self):
        now = time.monotonic()
        seconds = now - self._since
        self._total_steps += self._num_steps
        self._total_seconds += seconds
        images_per_second = (
            self._num_steps / seconds * self._run.images_per_step)
        wait_share = self._waited / seconds
        self._since, self._num_steps, self._waited = now, 0, 0.
        self._speed = (f', {images_per_second:.1f} images/s, '
                       f'{wait_share:.1%} of the time waiting for data')
        if self._run.max_number_of_steps is not None:
            num_left = self._run.max_number_of_steps - self.number
            seconds_left = num_left * self._total_seconds / self._total_steps
            self._speed += f', {duration(seconds_left)} left'
        if self._run.is_chief:
            tf.summary.FileWriterCache.get(self._run.train_dir).add_summary(
                tf.Summary(value=[
                    tf.Summary.Value(tag=tag, simple_value=value)
                    for tag, value in (
                        ('images_per_second', images_per_second),
                        ('share_of_time_waiting_for_data', wait_share))]),
                self.number)

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


def duration(seconds: float) -> str:
    """Returns 12 s, 5 min or 3 h 20 min."""
    if seconds < 100:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes} min' if minutes < 100 else (
        f'{minutes // 60} h {minutes % 60} min')
