"""Steps whose loss or gradients are not finite: refused, then explained.

Such a step changes no variable: its operation fails. What it was like is
kept in this process, for the message.
"""
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from engine.training import gradients
from engine.training import options
from engine.training import train_dir

NOT_FINITE = 'The loss or a gradient is not finite'
MAX_SKIPPED_IN_A_ROW = 10
_MAX_LISTED = 8  # File names, and layers, in a message.

# Float16 ends at 65504 and its smallest number is 6e-8: gradients of the
# loss times this power of 2 lie in between. A step that overflows halves it
# and is skipped; after so many without, it is doubled.
FIRST_LOSS_SCALE, MAX_LOSS_SCALE = 2. ** 15, 2. ** 24
STEPS_TO_DOUBLE = 2000


class _Report(NamedTuple):
    """What a step was like that is not finite."""
    loss: float
    norms: np.ndarray  # Of the gradients, float32 [num_gradients].
    number: int
    rate: float
    filenames: list[bytes]  # Of the batch's images.


class Guard:
    """Runs steps, and decides what follows one that is not finite."""

    def __init__(self, compute_dtype: str, optimizer: options.Optimizer,
                 run: options.Run):
        self._optimizer, self._run = optimizer, run
        self._is_scaling = compute_dtype == 'float16'
        self._scale = FIRST_LOSS_SCALE if self._is_scaling else 1.
        self._num_finite = 0
        self._num_skipped = self._num_skipped_in_a_row = 0
        self._names = self._report = None
        # For gradients.of_batch, a float32 scalar.
        self.loss_scale = tf.placeholder_with_default(1., [], 'loss_scale')

    def checked(self, loss: tf.Tensor, step: gradients.Gradients,
                batch: dict[str, tf.Tensor], global_step: tf.Variable,
                rate: tf.Tensor) -> gradients.Gradients:
        """Returns Gradients that are computed only if they are finite.

        Loss and rate are float32 scalars; the batch has filename, string [n].
        """
        self._names = [variable.op.name for variable in step.variables]
        norms = tf.stack([tf.norm(gradient) for gradient in step.gradients])
        with tf.device('/device:CPU:0'):
            is_finite = tf.numpy_function(
                self._note, [loss, norms, global_step, rate,
                             batch['filename']], tf.bool)
            check = tf.debugging.Assert(is_finite, [NOT_FINITE])
            # The next step, of a batch that is skipped.
            self._skip = tf.assign_add(global_step, 1)
        passed = []
        for gradient in step.gradients:
            with tf.control_dependencies([check]), tf.colocate_with(gradient):
                passed.append(tf.identity(gradient))
        return step._replace(gradients=passed)

    def _note(self, loss, norms, number, rate, filenames):
        """Keeps what is not finite; returns whether all is."""
        is_finite = np.isfinite(loss) and np.isfinite(norms).all()
        if not is_finite:
            self._report = _Report(loss, norms, number + 1, rate, filenames)
        return np.bool_(is_finite)

    def run(self, session: tf.Session, step: tuple) -> tuple | None:
        """Returns the values of a step, None if it was skipped.

        Raises:
          ValueError: the step is not finite, and is not to be skipped.
        """
        try:
            values = session.run(step, {self.loss_scale: self._scale})
        except tf.errors.InvalidArgumentError as error:
            if NOT_FINITE not in error.message:
                raise
        else:
            self._num_skipped_in_a_row = 0
            self._num_finite += 1
            if self._is_scaling and self._num_finite % STEPS_TO_DOUBLE == 0:
                self._scale = min(2 * self._scale, MAX_LOSS_SCALE)
            return values
        if self._scale > 1 and np.isfinite(self._report.loss):
            self._scale /= 2
            self._num_finite = 0
        else:
            self._num_skipped_in_a_row += 1
            if (self._optimizer.on_nonfinite == 'stop'
                    or self._num_skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW):
                raise ValueError(self._explanation()) from None
            self._num_skipped += 1
        if not self._run.sync_replicas:  # There others make the step.
            session.run(self._skip)
        return None

    def note(self) -> str:
        """Returns what follows in a log line; nothing if all is well."""
        return '' if not self._num_skipped else (
            f', {self._num_skipped} steps skipped, which were not finite')

    def _explanation(self):
        report, optimizer = self._report, self._optimizer
        times = '' if self._num_skipped_in_a_row < 2 else (
            f', {self._num_skipped_in_a_row} times in a row')
        is_finite = np.isfinite(report.norms)
        # Those that are not finite first, then the largest.
        first = np.argsort(np.where(is_finite, -report.norms, -np.inf),
                           kind='stable')[:_MAX_LISTED]
        norms = ', '.join(f'{self._names[index]} {report.norms[index]:.3g}'
                          for index in first)
        names = [name.decode(errors='replace')
                 for name in report.filenames[:_MAX_LISTED]]
        if len(report.filenames) > _MAX_LISTED:
            names.append(f'and {len(report.filenames) - _MAX_LISTED} more')
        return (
            f'{NOT_FINITE} at step {report.number}{times}: loss '
            f'{report.loss:.4g}, learning rate {report.rate:.3g}, images '
            f'{", ".join(names)}; gradient norms, of which '
            f'{(~is_finite).sum()} of {len(is_finite)} are not finite: '
            f'{norms}. {train_dir.describe_last(self._run.train_dir)} Usual '
            'causes: a learning rate that is too high '
            f'(--learning_rate={optimizer.learning_rate}, --warmup_steps='
            f'{optimizer.warmup_steps}), wrong boxes in these images. '
            '--clip_gradient_norm limits a step; --on_nonfinite=skip goes on '
            f'until {MAX_SKIPPED_IN_A_ROW} such steps in a row.')
