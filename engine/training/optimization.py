"""Learning rate, optimiser and training operation, from the flags.

`options` holds the flags of train_ssd_network.py as attributes.
"""
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.training import deployment

# Caffe's lr_mult of biases (examples/ssd/ssd_pascal.py).
BIAS_GRADIENT_SCALE = 2.


def learning_rate(options, num_samples, global_step):
    """Returns the learning rate at global_step, a float32 scalar.

    Args:
      options: learning_rate, learning_rate_decay_type and what goes with it.
      num_samples: images of an epoch.
      global_step: int64 scalar.

    Raises:
      ValueError: for an unknown type, or lists that do not fit together.
    """
    decay_steps = max(1, int(
        num_samples / deployment.global_batch_size(options)
        * options.num_epochs_per_decay))
    base, decay_type = (
        options.learning_rate, options.learning_rate_decay_type)
    if decay_type == 'fixed':
        rate = tf.constant(base, tf.float32)
    elif decay_type == 'exponential':
        rate = tf.train.exponential_decay(
            base, global_step, decay_steps,
            options.learning_rate_decay_factor, staircase=True)
    elif decay_type == 'polynomial':
        rate = tf.train.polynomial_decay(
            base, global_step, decay_steps, options.end_learning_rate)
    elif decay_type == 'piecewise':
        rate = tf.train.piecewise_constant(
            global_step, *_pieces(options))
    else:
        raise ValueError(
            f'--learning_rate_decay_type={decay_type}: unknown; known: '
            'fixed, exponential, polynomial, piecewise.')
    if options.warmup_steps:
        rate *= tf.minimum(1., tf.cast(global_step + 1, tf.float32)
                           / options.warmup_steps)
    return rate


def _pieces(options):
    """Returns the boundaries and rates of the piecewise schedule."""
    boundaries = _numbers('decay_boundaries', options.decay_boundaries)
    factors = _numbers('lr_decay_factors', options.lr_decay_factors)
    if any(later <= earlier
           for earlier, later in zip(boundaries, boundaries[1:])):
        raise ValueError(
            f'--decay_boundaries={",".join(options.decay_boundaries)}: the '
            'steps must ascend.')
    if len(factors) != len(boundaries) + 1:
        raise ValueError(
            f'--lr_decay_factors={",".join(options.lr_decay_factors)}: '
            f'{len(boundaries)} boundaries need {len(boundaries) + 1} '
            f'factors, not {len(factors)}.')
    return ([int(boundary) for boundary in boundaries],
            [options.learning_rate * factor for factor in factors])


def _numbers(flag, texts):
    """Returns the items of a list flag as floats."""
    try:
        return [float(text) for text in texts]
    except ValueError:
        raise ValueError(
            f'--{flag}={",".join(texts)}: takes numbers, with commas '
            'between them.') from None


def optimizer(options, rate):
    """Returns the tf.train.Optimizer that the flags name.

    Raises:
      ValueError: for an unknown one; it lists the known ones.
    """
    makers = {
        'adadelta': lambda: tf.train.AdadeltaOptimizer(
            rate, rho=options.adadelta_rho, epsilon=options.opt_epsilon),
        'adagrad': lambda: tf.train.AdagradOptimizer(
            rate, options.adagrad_initial_accumulator_value),
        'adam': lambda: tf.train.AdamOptimizer(
            rate, options.adam_beta1, options.adam_beta2,
            options.opt_epsilon),
        'ftrl': lambda: tf.train.FtrlOptimizer(
            rate, options.ftrl_learning_rate_power,
            options.ftrl_initial_accumulator_value,
            options.ftrl_l1, options.ftrl_l2),
        'momentum': lambda: tf.train.MomentumOptimizer(
            rate, options.momentum),
        'rmsprop': lambda: tf.train.RMSPropOptimizer(
            rate, options.rmsprop_decay, options.rmsprop_momentum,
            options.opt_epsilon),
        'sgd': lambda: tf.train.GradientDescentOptimizer(rate),
    }
    if options.optimizer not in makers:
        raise ValueError(
            f'--optimizer={options.optimizer}: unknown; known: '
            f'{", ".join(sorted(makers))}.')
    return makers[options.optimizer]()


def trainable_variables(scopes):
    """Returns the variables to train: all, or those in any of the scopes.

    Args:
      scopes: list of scopes, or None for all.

    Raises:
      ValueError: if a scope holds no trainable variable.
    """
    variables = tf.trainable_variables()
    if not scopes:
        return variables
    for scope in scopes:
        if not any(checkpoints.restore.in_scope(variable.op.name, scope)
                   for variable in variables):
            raise ValueError(
                f'--trainable_scopes: {scope!r} holds no variable of the '
                f'network; scopes look like '
                f'{variables[0].op.name.rsplit("/", 1)[0]!r}.')
    return [variable for variable in variables if any(
        checkpoints.restore.in_scope(variable.op.name, scope)
        for scope in scopes)]


def train_op(gradients, options, rate, global_step, aggregator=None):
    """Returns the operation of one training step.

    Weights decay; gradients whose norm over all variables is above
    --clip_gradient_norm are scaled down to it; biases learn at twice the
    rate, as in Caffe, for optimisers that are not indifferent to the scale
    of a gradient. Moving averages, if asked for, follow the step.

    Args:
      gradients: gradients.Gradients.
      options: optimizer and what goes with it, clip_gradient_norm,
        moving_average_decay.
      rate: float32 scalar, the learning rate.
      global_step: int64 variable, which the step increases.
      aggregator: aggregation.Aggregator of several workers, or None.
    """
    opt = optimizer(options, rate)

    def apply(loss_gradients, updates=()):
        step = tf.group(opt.apply_gradients(_complete(
            loss_gradients, gradients, options), global_step), *updates)
        if options.moving_average_decay is None:
            return step
        average = tf.train.ExponentialMovingAverage(
            options.moving_average_decay, global_step)
        with tf.control_dependencies([step]):
            return average.apply(averaged_variables())

    # Nothing is changed by a batch whose gradients are refused.
    with tf.control_dependencies(gradients.gradients):
        updates = [statistic.update() for statistic in gradients.statistics]
    if aggregator is None:
        return apply(gradients.gradients, updates)
    if options.task:  # The chief's batches move the statistics.
        updates = []
    return tf.group(
        aggregator.train_op(apply, gradients, global_step), *updates)


def averaged_variables() -> list[tf.Variable]:
    """Returns what has moving averages: weights, statistics of batch norm."""
    return tf.trainable_variables() + tf.moving_average_variables()


def _complete(loss_gradients, gradients, options):
    """Returns the pairs of gradient and variable that an optimiser takes."""
    totals = [
        gradient if decay is None else gradient + decay
        for gradient, decay in zip(
            loss_gradients, gradients.decays, strict=True)]
    if options.clip_gradient_norm is not None:
        totals, _ = tf.clip_by_global_norm(
            totals, options.clip_gradient_norm)
    return [
        (total * BIAS_GRADIENT_SCALE
         if variable.op.name.endswith('biases') else total, variable)
        for total, variable in zip(
            totals, gradients.variables, strict=True)]
