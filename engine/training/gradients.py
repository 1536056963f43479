"""Losses and gradients of a global batch, computed part by part.

A batch is `--accumulate_steps` parts, which follow one another, of
`--num_clones` shares, one to a device. All divide by the matched anchors of
the whole, so losses and gradients add up to those of one big batch.
`options` holds the flags of train_ssd_network.py as attributes.
"""
import collections

import tensorflow.compat.v1 as tf
import tf_slim as slim

from detection import losses
from detection import targets
from engine.training import deployment
from engine.training import optimization

# losses: losses.Losses; regularization: the weights' decay, float32 scalar.
# variables: those that are trained and have a gradient; gradients: float32
# tensors in their order, of the loss; decays: those of the decay, None for a
# variable that does not decay.
Gradients = collections.namedtuple(
    'Gradients', 'losses regularization variables gradients decays')


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
    return Gradients(
        losses.Losses(*map(tf.add_n, zip(*all_losses, strict=True))),
        options.weight_decay * tf.add_n([
            tf.nn.l2_loss(variable) for variable in tf.trainable_variables()
            if _decays(variable)]),
        variables, [gradient / loss_scale for gradient in sums],
        [options.weight_decay * variable if _decays(variable) else None
         for variable in variables])


def _gradients(loss, options):
    """Returns the variables that are trained, and the loss's gradients."""
    variables = optimization.trainable_variables(options.trainable_scopes)
    values = tf.gradients(loss, variables, colocate_gradients_with_ops=True)
    pairs = [(variable, value) for variable, value in zip(
        variables, values, strict=True) if value is not None]
    return tuple(map(list, zip(*pairs, strict=True)))


def _decays(variable):
    """Whether it is a weight or the L2 scale; Caffe's biases do not decay."""
    return not variable.op.name.endswith('biases')


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
    # The decay is added to the gradients, in float32 and once.
    scope = network.arg_scope(
        weight_decay=0., from_scratch=options.checkpoint_path is None)
    clone_losses = []
    for device, (clone_images, clone_targets) in zip(
            devices, clones, strict=True):
        with tf.device(device), slim.arg_scope(scope):
            logits, localisations, _ = network.net(
                clone_images, reuse=tf.AUTO_REUSE,
                compute_dtype=tf.as_dtype(options.compute_dtype))
            clone_losses.append(network.losses(
                logits, localisations, clone_targets,
                negative_ratio=options.negative_ratio,
                alpha=options.loss_alpha,
                label_smoothing=options.label_smoothing,
                negatives_per_empty_image=options.negatives_per_empty_image,
                normaliser=num_positives))
    return losses.Losses(
        *(tf.add_n(parts) for parts in zip(*clone_losses, strict=True)))
