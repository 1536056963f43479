"""Losses and gradients of a global batch, computed part by part.

A batch is `--accumulate_steps` parts, which follow one another, of
`--num_clones` shares, one to a device. All divide by the matched anchors of
the whole, so losses and gradients add up to those of one big batch.
`options` holds the flags of train_ssd_network.py as attributes.
"""
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from detection import losses
from detection import targets
from engine.training import deployment
from engine.training import optimization
from nets import layers


class Gradients(NamedTuple):
    """What a step is made of."""
    losses: losses.Losses
    regularization: tf.Tensor  # The weights' decay, float32 scalar.
    variables: list[tf.Variable]  # Those that are trained, with a gradient.
    gradients: list[tf.Tensor]  # Of the loss, float32, in their order.
    decays: list[tf.Tensor | None]  # Of the decay; None where none is.
    statistics: list[layers.MovingStatistic]  # Of batch norm, of one share.


def of_batch(options, network, batch, loss_scale):
    """Builds the network over a batch, and its gradients.

    Args:
      options: the flags.
      network: SSDNet.
      batch: dict with image, target/labels and target/localisations, of
        accumulate_steps * num_clones * batch_size images.
      loss_scale: float32 scalar, by which the loss is multiplied and the
        gradients are divided: small ones do not fit in float16.

    Returns:
      Gradients.
    """
    batch_targets = targets.Targets(
        batch['target/labels'], batch['target/localisations'])
    num_positives = tf.reduce_sum(
        tf.cast(batch_targets.labels > 0, tf.float32))
    all_losses, sums = [], []
    for part in deployment.split(
            (batch['image'], batch_targets), options.accumulate_steps):
        # Only one part's activations are in memory: it waits for the
        # gradients of the one before.
        with tf.control_dependencies(sums):
            part = tf.nest.map_structure(tf.identity, part)
        all_losses.append(_clone_losses(
            options, network, *part, num_positives))
        variables, gradients = _gradients(
            tf.add_n(all_losses[-1][:3]) * loss_scale, options)
        sums = _add(sums, gradients) if sums else gradients
    # Once a step, in float32, however the batch is split: the losses of the
    # regularisers belong to the variables, which are made once.
    regularization = tf.add_n(
        [tf.constant(0.), *tf.losses.get_regularization_losses()])
    return Gradients(
        losses.Losses(*map(tf.add_n, zip(*all_losses, strict=True))),
        regularization, variables,
        [gradient / loss_scale for gradient in sums],
        tf.gradients(regularization, variables),
        _first_statistics())


def _gradients(loss, options):
    """Returns the variables that are trained, and the loss's gradients."""
    variables = optimization.trainable_variables(options.trainable_scopes)
    values = tf.gradients(loss, variables, colocate_gradients_with_ops=True)
    pairs = [(variable, value) for variable, value in zip(
        variables, values, strict=True) if value is not None]
    return tuple(map(list, zip(*pairs, strict=True)))


def _first_statistics():
    """Returns the MovingStatistics of the first share of the batch."""
    first = {}
    for statistic in tf.get_collection(layers.MOVING_STATISTICS):
        first.setdefault(statistic.variable.op.name, statistic)
    return list(first.values())


def _add(sums, gradients):
    total = []
    for value, gradient in zip(sums, gradients, strict=True):
        with tf.colocate_with(value):
            total.append(value + gradient)
    return total


def _clone_losses(options, network, images, batch_targets, num_positives):
    """Builds a clone per device; returns the sum of their Losses."""
    devices = deployment.clone_devices(
        options.num_clones, options.clone_on_cpu)
    clones = deployment.split((images, batch_targets), options.num_clones)
    clone_losses = []
    for device, (clone_images, clone_targets) in zip(
            devices, clones, strict=True):
        with tf.device(device):
            logits, localisations, _ = network.net(
                clone_images, is_training=True,
                weight_decay=options.weight_decay,
                from_scratch=options.checkpoint_path is None,
                reuse=tf.AUTO_REUSE, compute_dtype=options.compute_dtype)
            clone_losses.append(network.losses(
                logits, localisations, clone_targets,
                negative_ratio=options.negative_ratio,
                alpha=options.loss_alpha,
                label_smoothing=options.label_smoothing,
                negatives_per_empty_image=options.negatives_per_empty_image,
                normaliser=num_positives))
    return losses.Losses(
        *(tf.add_n(parts) for parts in zip(*clone_losses, strict=True)))
