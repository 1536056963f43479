"""Learning rate, optimiser and training operation."""
import tensorflow.compat.v1 as tf

from engine.training import distributed
from engine.training import gradients
from engine.training import options

# Caffe's lr_mult of biases (examples/ssd/ssd_pascal.py).
BIAS_GRADIENT_SCALE = 2.


def learning_rate(optimizer: options.Optimizer, batch_size: int,
                  num_samples: int, global_step: tf.Tensor) -> tf.Tensor:
    """Returns the learning rate at global_step, int64 [], a float32 scalar.

    Epochs are of num_samples images, steps of batch_size.

    Raises:
      ValueError: for an unknown type, or lists that do not fit together.
    """
    base = optimizer.learning_rate
    decay_steps = max(1, int(
        num_samples / batch_size * optimizer.num_epochs_per_decay))
    rate = _chosen({
        'fixed': lambda: tf.constant(base, tf.float32),
        'exponential': lambda: tf.train.exponential_decay(
            base, global_step, decay_steps,
            optimizer.learning_rate_decay_factor, staircase=True),
        'polynomial': lambda: tf.train.polynomial_decay(
            base, global_step, decay_steps, optimizer.end_learning_rate),
        'piecewise': lambda: tf.train.piecewise_constant(
            global_step, *_pieces(optimizer)),
    }, 'learning_rate_decay_type', optimizer.learning_rate_decay_type)
    if optimizer.warmup_steps:
        rate *= tf.minimum(1., tf.cast(global_step + 1, tf.float32)
                           / optimizer.warmup_steps)
    return rate


def _chosen(makers, flag, name):
    """Returns what the maker of a name makes."""
    if name not in makers:
        raise ValueError(f'--{flag}={name}: unknown; known: '
                         f'{", ".join(makers)}.')
    return makers[name]()


def _pieces(optimizer):
    """Returns the boundaries and rates of the piecewise schedule."""
    def fault(flag, rule):
        items = ','.join(map(str, getattr(optimizer, flag)))
        return ValueError(f'--{flag}={items}: {rule}')

    numbers = []
    for flag in 'decay_boundaries', 'lr_decay_factors':
        try:
            numbers.append([float(item) for item in getattr(optimizer, flag)])
        except ValueError:
            raise fault(
                flag, 'takes numbers, with commas between them.') from None
    boundaries, factors = numbers
    if sorted(set(boundaries)) != boundaries:
        raise fault('decay_boundaries', 'the steps must ascend.')
    if len(factors) != len(boundaries) + 1:
        raise fault('lr_decay_factors', f'{len(boundaries)} boundaries need '
                    f'{len(boundaries) + 1} factors, not {len(factors)}.')
    return ([int(boundary) for boundary in boundaries],
            [optimizer.learning_rate * factor for factor in factors])


def make_optimizer(optimizer: options.Optimizer,
                   rate: tf.Tensor) -> tf.train.Optimizer:
    """Returns what --optimizer names; raises ValueError if that is unknown."""
    return _chosen({
        'adadelta': lambda: tf.train.AdadeltaOptimizer(
            rate, rho=optimizer.adadelta_rho, epsilon=optimizer.opt_epsilon),
        'adagrad': lambda: tf.train.AdagradOptimizer(
            rate, optimizer.adagrad_initial_accumulator_value),
        'adam': lambda: tf.train.AdamOptimizer(
            rate, optimizer.adam_beta1, optimizer.adam_beta2,
            optimizer.opt_epsilon),
        'ftrl': lambda: tf.train.FtrlOptimizer(
            rate, optimizer.ftrl_learning_rate_power,
            optimizer.ftrl_initial_accumulator_value,
            optimizer.ftrl_l1, optimizer.ftrl_l2),
        'momentum': lambda: tf.train.MomentumOptimizer(
            rate, optimizer.momentum),
        'rmsprop': lambda: tf.train.RMSPropOptimizer(
            rate, optimizer.rmsprop_decay, optimizer.rmsprop_momentum,
            optimizer.opt_epsilon),
        'sgd': lambda: tf.train.GradientDescentOptimizer(rate),
    }, 'optimizer', optimizer.optimizer)


def train_op(step: gradients.Gradients, optimizer: options.Optimizer,
             rate: tf.Tensor, global_step: tf.Variable,
             aggregator: distributed.Aggregator | None = None) -> tf.Operation:
    """Returns the operation of one training step.

    Weights decay; gradients whose norm over all variables is above
    --clip_gradient_norm are scaled down to it; biases learn at twice the
    rate, as in Caffe, for optimisers that are not indifferent to the scale
    of a gradient. The trunk learns at --backbone_learning_rate_factor times
    the rate, for all of them. Batch norm's statistics follow the step, and
    moving averages, if asked for, follow both.

    Args:
      step: Gradients; nothing is done if they fail.
      rate: float32 scalar.
      global_step: int64 variable, which the step increases.
      aggregator: of several workers, or None.
    """
    with tf.control_dependencies(step.gradients):
        updates = [statistic.update() for statistic in step.statistics]

    def apply(loss_gradients, updates=()):
        applied = tf.group(_apply(_complete(
            loss_gradients, step, optimizer.clip_gradient_norm),
            step.in_trunk, optimizer, rate, global_step), *updates)
        if optimizer.moving_average_decay is None:
            return applied
        average = tf.train.ExponentialMovingAverage(
            optimizer.moving_average_decay, global_step)
        with tf.control_dependencies([applied]):
            # Weights, and statistics of batch norm.
            return average.apply(
                tf.trainable_variables() + tf.moving_average_variables())

    if aggregator is None:
        return apply(step.gradients, updates)
    # There the gradients are applied apart from the batch they are of.
    return tf.group(aggregator.train_op(apply, step, global_step), *updates)


def _apply(pairs, in_trunk, optimizer, rate, global_step):
    """Returns what applies pairs of gradient and variable, at their rates."""
    factor = optimizer.backbone_learning_rate_factor
    by_factor = {}
    for pair, is_trunk in zip(pairs, in_trunk, strict=True):
        by_factor.setdefault(factor if is_trunk else 1., []).append(pair)
    applied = [
        make_optimizer(optimizer, rate * part).apply_gradients(by_factor[part])
        for part in sorted(by_factor, key=lambda part: part != 1)]
    with tf.control_dependencies(applied):
        return tf.assign_add(global_step, 1).op


def _complete(loss_gradients, step, clip_gradient_norm):
    """Returns the pairs of gradient and variable that an optimiser takes."""
    totals = [
        gradient if decay is None else gradient + decay
        for gradient, decay in zip(loss_gradients, step.decays, strict=True)]
    if clip_gradient_norm is not None:
        totals, _ = tf.clip_by_global_norm(totals, clip_gradient_norm)
    return [
        (total * BIAS_GRADIENT_SCALE
         if variable.op.name.endswith('biases') else total, variable)
        for total, variable in zip(totals, step.variables, strict=True)]
