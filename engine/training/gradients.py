"""Losses and gradients of a global batch, computed part by part.

A batch is `--accumulate_steps` parts, which follow one another, of
`--num_clones` shares, one to a device. All divide by the matched anchors of
the whole, so losses and gradients add up to those of one big batch.
"""
from typing import Any
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from detection import losses
from detection import targets
from engine import checkpoints
from engine.training import options
from nets import layers
from nets import ssd


class Gradients(NamedTuple):
    """What a step is made of."""
    losses: losses.Losses
    regularization: tf.Tensor  # The weights' decay, float32 scalar.
    variables: list[tf.Variable]  # Those that are trained, with a gradient.
    gradients: list[tf.Tensor]  # Of the loss, float32, in their order.
    decays: list[tf.Tensor | None]  # Of the decay; None where none is.
    statistics: list[layers.MovingStatistic]  # Of the chief's first share.
    in_trunk: list[bool]  # Whether each of the variables is the trunk's.


def of_batch(model: options.Model, loss: options.Loss, run: options.Run,
             network: ssd.SSDNet, batch: dict[str, tf.Tensor],
             loss_scale: tf.Tensor) -> Gradients:
    """Builds the network over a batch, and its gradients.

    The batch is of run.images_per_step images, as graph.batches gives it.
    The loss is multiplied by loss_scale, a float32 scalar, and the gradients
    are divided by it: small ones do not fit in float16.
    """
    batch_targets = targets.Targets(
        batch['target/labels'], batch['target/localisations'])
    num_positives = tf.reduce_sum(
        tf.cast(batch_targets.labels > 0, tf.float32))
    all_losses, sums = [], []
    for part in split((batch['image'], batch_targets), run.accumulate_steps):
        # Only one part's activations are in memory: it waits for the
        # gradients of the one before.
        with tf.control_dependencies(sums):
            part = tf.nest.map_structure(tf.identity, part)
        clones = _clone_losses(model, loss, run, network, part, num_positives)
        variables, gradients = _gradients(loss_scale * tf.add_n(
            [value for clone in clones for value in clone[:3]]),
            model.trainable_scopes)
        sums = _add(sums, gradients) if sums else gradients
        all_losses += clones
    # Once a step, in float32, however the batch is split: the losses of the
    # regularisers belong to the variables, which are made once.
    regularization = tf.add_n(
        [tf.constant(0.), *tf.losses.get_regularization_losses()])
    statistics = {}
    for statistic in tf.get_collection(layers.MOVING_STATISTICS):
        statistics.setdefault(statistic.variable.op.name, statistic)
    return Gradients(
        losses.Losses(*map(tf.add_n, zip(*all_losses, strict=True))),
        regularization, variables, [gradient / loss_scale for gradient in sums],
        tf.gradients(regularization, variables),
        list(statistics.values()) if run.is_chief else [],
        [network.in_trunk(variable.op.name) for variable in variables])


def split(structure: Any, num_parts: int) -> list:
    """Splits tensors [num_parts * n, ...] of a structure: a list of them."""
    flat = tf.nest.flatten(structure)
    parts = [tf.split(tensor, num_parts) for tensor in flat]
    return [tf.nest.pack_sequence_as(structure, part)
            for part in zip(*parts, strict=True)]


def trainable_variables(scopes: list[str] | None) -> list[tf.Variable]:
    """Returns the variables to train: all, or those in any of the scopes.

    Raises:
      ValueError: a scope holds no trainable variable.
    """
    variables = tf.trainable_variables()
    if not scopes:
        return variables
    in_scope = checkpoints.restore.in_scope
    for scope in scopes:
        if not any(in_scope(one.op.name, scope) for one in variables):
            raise ValueError(
                f'--trainable_scopes: {scope!r} holds no variable of the '
                f'network; scopes look like '
                f'{variables[0].op.name.rsplit("/", 1)[0]!r}.')
    return [one for one in variables
            if any(in_scope(one.op.name, scope) for scope in scopes)]


def _clone_losses(model, loss, run, network, part, num_positives):
    """Builds a clone per device; returns their Losses."""
    clone_losses = []
    for index, (images, batch_targets) in enumerate(
            split(part, run.num_clones)):
        kind = 'CPU' if run.clone_on_cpu else 'GPU'  # Virtual CPUs.
        with tf.device(f'/device:{kind}:{index}'):
            logits, localisations, _ = network.net(
                images, is_training=not model.freeze_batch_norm,
                weight_decay=loss.weight_decay,
                from_scratch=model.checkpoint_path is None,
                reuse=tf.AUTO_REUSE, compute_dtype=model.compute_dtype)
            clone_losses.append(network.losses(
                logits, localisations, batch_targets,
                negative_ratio=loss.negative_ratio, alpha=loss.loss_alpha,
                label_smoothing=loss.label_smoothing,
                negatives_per_empty_image=loss.negatives_per_empty_image,
                normaliser=num_positives))
    return clone_losses


def _gradients(loss, scopes):
    """Returns the variables that are trained, and the loss's gradients."""
    variables = trainable_variables(scopes)
    values = tf.gradients(loss, variables, colocate_gradients_with_ops=True)
    pairs = [pair for pair in zip(variables, values, strict=True)
             if pair[1] is not None]
    return tuple(map(list, zip(*pairs, strict=True)))


def _add(sums, gradients):
    """Returns the sums of two lists, each where its first summand is."""
    total = []
    for value, gradient in zip(sums, gradients, strict=True):
        with tf.colocate_with(value):
            total.append(value + gradient)
    return total
