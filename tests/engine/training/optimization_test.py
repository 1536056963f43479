"""Learning rates, optimisers, and what one step does to which variable."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from engine.training import gradients
from engine.training import optimization
from nets import layers
from tests import scripts

WORKERS = {'worker_hosts': ['a:1', 'b:1'], 'ps_hosts': ['c:1']}


def options(**changes):
    return scripts.training_options(**{
        'warmup_steps': 0, 'batch_size': 10, 'learning_rate': .1,
        **changes})[3:]


@pytest.mark.parametrize('expected, changes', [
    ({0: .1, 1000: .1}, {'learning_rate_decay_type': 'fixed'}),
    # Stairs of two epochs of 10 steps; bigger steps make shorter epochs.
    ({0: .1, 19: .1, 20: .05, 39: .05, 40: .025}, {}),
    ({9: .1, 10: .05}, {'num_clones': 2}),
    ({4: .1, 5: .05}, {'num_clones': 2, 'accumulate_steps': 2}),
    # Workers in turns make a step each; together they make one.
    ({19: .1, 20: .05}, WORKERS),
    ({9: .1, 10: .05}, {'sync_replicas': True, **WORKERS}),
    ({19: .1, 20: .05}, {
        'sync_replicas': True, 'replicas_to_aggregate': 1, **WORKERS}),
    ({0: .1, 10: .06, 20: .02, 100: .02}, {
        'learning_rate_decay_type': 'polynomial', 'end_learning_rate': .02}),
    ({0: .1, 5: .1, 6: .05, 9: .05, 10: .01}, {
        'learning_rate_decay_type': 'piecewise',
        'decay_boundaries': ['5', '9'],
        'lr_decay_factors': ['1', '0.5', '0.1']}),
    ({0: .025, 1: .05, 3: .1, 4: .1}, {
        'learning_rate_decay_type': 'fixed', 'warmup_steps': 4})])
def test_learning_rates(expected, changes):
    optimizer, run = options(
        **{'learning_rate_decay_factor': .5, **changes})
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = optimization.learning_rate(
            optimizer, run.global_batch_size, 100, step)
        assert rate.dtype == tf.float32
        np.testing.assert_allclose(
            [session.run(rate, {step: value}) for value in expected],
            list(expected.values()), rtol=1e-6)


@pytest.mark.parametrize('changes, message', [
    ({'learning_rate_decay_type': 'cosine'},
     'decay_type=cosine: unknown; known: fixed, exponential'),
    ({'lr_decay_factors': ['1', '0.1']},
     '--lr_decay_factors=1,0.1: 2 boundaries need 3 factors, not 2'),
    ({'decay_boundaries': ['5', 'x']}, '--decay_boundaries=5,x: takes numb'),
    ({'lr_decay_factors': ['1', '', '2']}, '--lr_decay_factors=1,,2: takes'),
    ({'decay_boundaries': ['9', '5']}, '--decay_boundaries=9,5: .* ascend')])
def test_schedules_that_do_not_fit(changes, message):
    optimizer, _ = options(
        **{'learning_rate_decay_type': 'piecewise', **changes})
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        optimization.learning_rate(optimizer, 1, 1, tf.constant(0))


def minimize(num_steps, decay=0., **changes):
    """Returns the losses of steps on squares, and the variables.

    Weights decay by a constant and are the trunk; a batch gives 7 to the
    statistic.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        weights = tf.get_variable('a/weights', initializer=[3.])
        biases = tf.get_variable('a/biases', initializer=[3.])
        mean = tf.get_variable('a/mean', initializer=1., trainable=False)
        tf.add_to_collection(tf.GraphKeys.MOVING_AVERAGE_VARIABLES, mean)
        loss = tf.reduce_sum(weights ** 2 + biases ** 2)
        trained = gradients.trainable_variables(
            changes.get('trainable_scopes'))
        step = gradients.Gradients(
            None, None, trained, tf.gradients(loss, trained),
            [decay if variable is weights else None for variable in trained],
            [layers.MovingStatistic(mean, tf.constant(7.), .5)],
            [variable is weights for variable in trained])
        optimizer, _ = options(**changes)
        train_op = optimization.train_op(
            step, optimizer, tf.constant(optimizer.learning_rate),
            tf.train.get_or_create_global_step())
        session.run(tf.global_variables_initializer())
        losses = [session.run(loss)]
        for _ in range(num_steps):
            session.run(train_op)
            losses.append(session.run(loss))
        return losses, {variable.op.name: session.run(variable)
                        for variable in tf.global_variables()}


@pytest.mark.parametrize('optimizer', [
    'adadelta', 'adagrad', 'adam', 'ftrl', 'momentum', 'rmsprop', 'sgd'])
def test_optimizers_go_down(optimizer):
    losses, values = minimize(5, optimizer=optimizer, learning_rate=.05)
    assert losses[5] < losses[1] < losses[0] == 18
    assert values['global_step'] == 5


@pytest.mark.parametrize('decay, limit, weights, biases', [
    # The gradients are 2 * 3; biases learn at twice the rate.
    (0., None, 3 - .1 * 6, 3 - .1 * 2 * 6),
    (10., None, 3 - .1 * (6 + 10), 3 - .1 * 2 * 6),
    # Of (6 + 2, 6) the norm is 10.
    (2., 2., 3 - .1 * 8 * 2 / 10, 3 - .1 * 2 * 6 * 2 / 10),
    (2., 11., 3 - .1 * 8, 3 - .1 * 2 * 6)])
def test_weights_decay_gradients_are_clipped_biases_learn_faster(
        decay, limit, weights, biases):
    _, values = minimize(
        1, optimizer='sgd', decay=decay, clip_gradient_norm=limit)
    np.testing.assert_allclose(values['a/weights'], [weights], rtol=1e-6)
    np.testing.assert_allclose(values['a/biases'], [biases], rtol=1e-6)


def test_moving_averages_follow_the_weights_and_statistics_of_the_step():
    _, values = minimize(1, optimizer='sgd', moving_average_decay=.999)
    # At step 1 the decay is (1 + 1) / (10 + 1), tf.train's for a start.
    for name, before, after in (('weights', 3, 2.4), ('mean', 1, 4)):
        np.testing.assert_allclose(values[f'a/{name}'], after, rtol=1e-6)
        np.testing.assert_allclose(
            values[f'a/{name}/ExponentialMovingAverage'],
            before * 2 / 11 + after * 9 / 11, rtol=1e-6)


@pytest.mark.parametrize('optimizer, step', [
    # Of the gradient, 6, and the decay, 2.
    ('sgd', .1 * 8), ('momentum', .1 * 8),
    ('adam', .1),  # Its first step is as long as the rate.
    ('adagrad', .1 * 8 / (8 ** 2 + .1) ** .5)])
def test_the_trunk_learns_slower(optimizer, step):
    _, values = minimize(1, optimizer=optimizer, decay=2.)
    _, slower = minimize(1, optimizer=optimizer, decay=2.,
                         backbone_learning_rate_factor=.25)
    np.testing.assert_allclose(values['a/weights'], [3 - step], rtol=1e-6)
    np.testing.assert_allclose(slower['a/weights'], [3 - step / 4], rtol=1e-6)
    assert slower['a/biases'] == values['a/biases'] != 3
    assert slower['global_step'] == 1


def test_the_trunks_momentum_is_not_slower():
    _, values = minimize(2, optimizer='momentum', decay=2., momentum=.9,
                         backbone_learning_rate_factor=.25)
    # The weights go to 2.8, where the gradient is 2 * 2.8 + 2 = 7.6.
    np.testing.assert_allclose(
        values['a/weights'], [2.8 - .025 * (.9 * 8 + 7.6)], rtol=1e-6)


def test_a_trunk_that_is_not_trained_has_no_rate():
    _, values = minimize(
        1, optimizer='sgd', trainable_scopes=['a/biases'],
        backbone_learning_rate_factor=.25)
    assert values['a/weights'] == 3 and values['global_step'] == 1
    np.testing.assert_allclose(values['a/biases'], [1.8], rtol=1e-6)


def test_trainable_scopes():
    _, values = minimize(
        1, optimizer='momentum', trainable_scopes=['a/weights'])
    assert values['a/weights'] != 3 and values['a/biases'] == 3
    assert 'a/biases/Momentum' not in values


@pytest.mark.parametrize('changes, message', [
    ({'optimizer': 'adamw'},
     '--optimizer=adamw: unknown; known: adadelta, adagrad, adam'),
    ({'trainable_scopes': ['a', 'conv6']},
     "--trainable_scopes: 'conv6' holds no variable .* like 'a'")])
def test_flags_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        minimize(1, **changes)
