import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.training import gradients
from engine.training import optimization
from tests import scripts

NUM_SAMPLES = 100


def options(**changes):
    changes = {'warmup_steps': 0, 'batch_size': 10, 'learning_rate': 0.1,
               **changes}
    return scripts.training_options(**changes)[3:]


def rates(steps, **changes):
    """Returns the learning rates at some steps, with epochs of 10 steps."""
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        optimizer, run = options(**changes)
        rate = optimization.learning_rate(
            optimizer, run.global_batch_size, NUM_SAMPLES, step)
        assert rate.dtype == tf.float32
        return [session.run(rate, {step: value}) for value in steps]


def test_fixed():
    np.testing.assert_allclose(
        rates([0, 1000], learning_rate_decay_type='fixed'), [0.1, 0.1])


def test_exponential_falls_in_stairs():
    np.testing.assert_allclose(
        rates([0, 19, 20, 39, 40], learning_rate_decay_factor=0.5),
        [0.1, 0.1, 0.05, 0.05, 0.025])


def test_epochs_are_shorter_with_more_clones():
    np.testing.assert_allclose(
        rates([9, 10], learning_rate_decay_factor=0.5, num_clones=2),
        [0.1, 0.05])


def test_epochs_are_shorter_with_bigger_steps():
    np.testing.assert_allclose(
        rates([4, 5], learning_rate_decay_factor=0.5, num_clones=2,
              accumulate_steps=2), [0.1, 0.05])
    # Workers in turns make a step each; together they make one.
    workers = {'worker_hosts': ['a:1', 'b:1'], 'ps_hosts': ['c:1']}
    np.testing.assert_allclose(
        rates([19, 20], learning_rate_decay_factor=0.5, **workers),
        [0.1, 0.05])
    np.testing.assert_allclose(
        rates([9, 10], learning_rate_decay_factor=0.5, sync_replicas=True,
              **workers), [0.1, 0.05])


def test_polynomial():
    np.testing.assert_allclose(
        rates([0, 10, 20, 100], learning_rate_decay_type='polynomial',
              end_learning_rate=0.02), [0.1, 0.06, 0.02, 0.02], rtol=1e-6)


def test_piecewise():
    np.testing.assert_allclose(
        rates([0, 5, 6, 9, 10], learning_rate_decay_type='piecewise',
              decay_boundaries=['5', '9'],
              lr_decay_factors=['1', '0.5', '0.1']),
        [0.1, 0.1, 0.05, 0.05, 0.01], rtol=1e-6)


def test_warmup_rises_in_a_line():
    np.testing.assert_allclose(
        rates([0, 1, 3, 4], learning_rate_decay_type='fixed',
              warmup_steps=4), [0.025, 0.05, 0.1, 0.1], rtol=1e-6)


def test_unknown_schedule():
    with pytest.raises(ValueError, match=(
            'decay_type=cosine: unknown; known: fixed, exponential')):
        rates([0], learning_rate_decay_type='cosine')


@pytest.mark.parametrize('changes, message', [
    ({'lr_decay_factors': ['1', '0.1']},
     '2 boundaries need 3 factors, not 2'),
    ({'decay_boundaries': ['5', 'x']}, '--decay_boundaries=5,x: takes numb'),
    ({'lr_decay_factors': ['1', '', '2']}, '--lr_decay_factors=1,,2: takes'),
    ({'decay_boundaries': ['9', '5']}, '--decay_boundaries=9,5: .* ascend'),
])
def test_pieces_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        rates([0], learning_rate_decay_type='piecewise', **changes)


def gradients_of(loss, decay, scopes):
    """Returns Gradients of a loss; weights decay by a constant."""
    variables = gradients.trainable_variables(scopes)
    return gradients.Gradients(
        None, None, variables, tf.gradients(loss, variables),
        [decay if variable.op.name.endswith('weights') else None
         for variable in variables], [])


def minimize(num_steps, initial=3., decay=0., **changes):
    """Returns the losses of steps on the square of a variable, and graph."""
    with tf.Graph().as_default() as graph:
        weights = tf.get_variable('a/weights', initializer=[initial])
        biases = tf.get_variable('a/biases', initializer=[initial])
        loss = tf.reduce_sum(weights ** 2 + biases ** 2)
        step = tf.train.get_or_create_global_step()
        train_op = optimization.train_op(
            gradients_of(loss, decay, changes.get('trainable_scopes')),
            options(**changes)[0], tf.constant(changes.get(
                'learning_rate', 0.1)), step)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            values = [session.run(loss)]
            for _ in range(num_steps):
                session.run(train_op)
                values.append(session.run(loss))
            variables = {variable.op.name: session.run(variable)
                      for variable in graph.get_collection(
                          tf.GraphKeys.GLOBAL_VARIABLES)}
    return values, variables


@pytest.mark.parametrize('optimizer', [
    'adadelta', 'adagrad', 'adam', 'ftrl', 'momentum', 'rmsprop', 'sgd'])
def test_optimizers_go_down(optimizer):
    losses, values = minimize(5, optimizer=optimizer, learning_rate=0.05)
    assert losses[5] < losses[1] < losses[0] == 18
    assert values['global_step'] == 5


def test_unknown_optimizer():
    with pytest.raises(ValueError, match=(
            '--optimizer=adamw: unknown; known: adadelta, adagrad, adam')):
        minimize(1, optimizer='adamw')


def test_biases_learn_at_double_rate():
    # The gradient is 2 * 3.
    _, values = minimize(1, optimizer='sgd')
    np.testing.assert_allclose(values['a/weights'], [3 - 0.1 * 6])
    np.testing.assert_allclose(values['a/biases'], [3 - 0.1 * 2 * 6])


def test_weights_decay():
    # The gradients are 2 * 3 + 10 and, of the biases, 2 * 3.
    _, values = minimize(1, optimizer='sgd', decay=10.)
    np.testing.assert_allclose(values['a/weights'], [3 - 0.1 * 16])
    np.testing.assert_allclose(values['a/biases'], [3 - 0.1 * 2 * 6])


@pytest.mark.parametrize('limit, factor', [(2., 2 / 10), (11., 1.)])
def test_gradients_are_clipped_together(limit, factor):
    # Of (6 + 2, 6) the norm is 10.
    _, values = minimize(
        1, optimizer='sgd', decay=2., clip_gradient_norm=limit)
    np.testing.assert_allclose(
        values['a/weights'], [3 - 0.1 * 8 * factor], rtol=1e-6)
    np.testing.assert_allclose(
        values['a/biases'], [3 - 0.1 * 2 * 6 * factor], rtol=1e-6)


def test_moving_averages_follow():
    _, values = minimize(1, optimizer='sgd', moving_average_decay=0.999)
    # At step 1 the decay is (1 + 1) / (10 + 1), tf.train's for a start.
    np.testing.assert_allclose(
        values['a/weights/ExponentialMovingAverage'],
        [3 * 2 / 11 + 2.4 * 9 / 11], rtol=1e-6)


def test_trainable_scopes():
    _, values = minimize(
        1, optimizer='momentum', trainable_scopes=['a/weights'])
    assert values['a/weights'] != 3 and values['a/biases'] == 3
    assert 'a/biases/Momentum' not in values


def test_trainable_scope_that_is_not_there():
    with pytest.raises(ValueError, match=(
            "--trainable_scopes: 'conv6' holds no variable .* like 'a'")):
        minimize(1, trainable_scopes=['a', 'conv6'])


def test_scopes_end_at_slashes():
    assert checkpoints.restore.in_scope('net/conv1/weights', 'net/conv1')
    assert checkpoints.restore.in_scope('net/conv1/weights', 'net/conv1/')
    assert not checkpoints.restore.in_scope('net/conv10/weights', 'net/conv1')
