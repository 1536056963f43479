"""Steps that are not finite: refused, skipped, explained."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from engine.training import divergence
from engine.training import gradients
from engine.training import optimization
from nets import layers
from tests import scripts

NAN = float('nan')


class Training:
    """A variable whose gradients are the given ones, at a rate of 1.

    A step gives 1 to a statistic, which moves by half of the way.
    """

    def __init__(self, tmp_path, values, **changes):
        _, model, _, optimizer, run = scripts.training_options(
            train_dir=str(tmp_path), optimizer='sgd', **changes)
        with tf.Graph().as_default():
            self.guard = divergence.Guard(
                model.compute_dtype, optimizer, run)
            self.number = tf.train.get_or_create_global_step()
            iterator = tf.data.make_initializable_iterator(
                tf.data.Dataset.from_tensor_slices(
                    np.array(values, np.float32)))
            value = iterator.get_next()
            self.weights = tf.get_variable('weights', initializer=[0.])
            self.mean = tf.get_variable(
                'mean', initializer=0., trainable=False)
            scale = self.guard.loss_scale
            gradient = tf.cast(tf.cast(
                [value * scale], model.compute_dtype), tf.float32) / scale
            loss = tf.where(tf.math.is_nan(value), value, 1.)
            self.train_op = optimization.train_op(
                self.guard.checked(loss, gradients.Gradients(
                    None, None, [self.weights], [gradient], [None],
                    [layers.MovingStatistic(self.mean, tf.constant(1.), .5)],
                    [True]),
                    {'filename': tf.constant(['a.jpg'])}, self.number, 1.),
                optimizer, 1., self.number)
            self.session = tf.Session()
            self.session.run(
                [tf.global_variables_initializer(), iterator.initializer])

    def run(self):
        """Returns whether a step was done, the variable and the step."""
        values = self.guard.run(self.session, (self.train_op,))
        weights, number = self.session.run([self.weights, self.number])
        return values is not None, weights[0], number


def test_stop_changes_nothing_and_says_where(tmp_path):
    training = Training(tmp_path, [1, NAN])
    assert training.run() == (True, -1, 1)
    with pytest.raises(ValueError, match=(
            'is not finite at step 2: loss nan, learning rate 1, images '
            'a.jpg; gradient norms, of which 1 of 1 are not finite: weights '
            'nan. There is no whole checkpoint. Usual causes: ')):
        training.run()
    assert training.session.run(training.weights) == -1


def test_skipped_steps_count_and_change_nothing_until_ten_in_a_row(tmp_path):
    training = Training(
        tmp_path, [1, NAN, np.inf, 2] + [NAN] * 10, on_nonfinite='skip')
    assert training.guard.note() == ''
    assert [training.run() for _ in range(4)] == [
        (True, -1, 1), (False, -1, 2), (False, -1, 3), (True, -3, 4)]
    assert training.guard.note() == (
        ', 2 steps skipped, which were not finite')
    assert training.session.run(training.mean) == .75  # Moved twice.
    for _ in range(9):
        training.run()
    with pytest.raises(ValueError, match='at step 14, 10 times in a row'):
        training.run()


def test_float16_finds_its_scale_and_doubles_it(tmp_path, monkeypatch):
    monkeypatch.setattr(divergence, 'STEPS_TO_DOUBLE', 2)
    # 2 ** 9 times 100 is the first below 65504.
    training = Training(tmp_path, [100] * 9, compute_dtype='float16')
    done, weights, _ = zip(*[training.run() for _ in range(9)], strict=True)
    assert done == (False,) * 6 + (True, True, False)
    np.testing.assert_allclose(weights[-3:], [-100, -200, -200], rtol=1e-3)


def test_float16_that_diverges_stops(tmp_path):
    training = Training(tmp_path, [NAN], compute_dtype='float16')
    with pytest.raises(ValueError, match='not finite at step 1: loss nan'):
        training.run()
