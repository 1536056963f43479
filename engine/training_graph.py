"""The graph of a training: batches, clones, loss, summaries.

`options` holds the flags of train_ssd_network.py as attributes.
"""
import collections
import random

import tensorflow.compat.v1 as tf
import tf_slim as slim

from datasets import data_provider
from detection import boxes
from detection import losses
from detection import targets
from engine import checkpoints
from engine import deployment
from engine import optimization
from preprocessing import preprocessing_factory

# Images of a batch that TensorBoard shows.
NUM_SUMMARY_IMAGES = 4

# What a step computes, for the log; tensors, or their values.
#   losses: losses.Losses; total: with the weights' decay; rate: learning
#   rate; train_op: the step's operation.
Step = collections.namedtuple('Step', 'losses total rate train_op')


def build(options, dataset, network, start_step):
    """Builds the training graph.

    Args:
      options: the flags.
      dataset: slim Dataset.
      network: SSDNet.
      start_step: step from which the batches are counted.

    Returns:
      Step, of tensors.
    """
    seed = options.random_seed
    if seed is None:
        seed = random.SystemRandom().randrange(2 ** 31)
    with tf.device('/device:CPU:0'):
        global_step = tf.train.get_or_create_global_step()
        batch = _batches(options, dataset, network, seed, start_step)
        rate = optimization.learning_rate(
            options, dataset.num_samples, global_step)
    parts = clone_losses(options, network, batch)
    regularization = tf.losses.get_regularization_loss()
    total = (parts.localisation + parts.positives + parts.negatives
             + regularization)
    checkpoints.metadata_variable(
        checkpoints.make_metadata(network, dataset.labels))
    train_op = optimization.train_op(total, options, rate, global_step)
    _summarize(parts, regularization, total, rate,
               options.batch_size * options.num_clones)
    _summarize_images(network, batch)
    return Step(parts, total, rate, train_op)


def _batches(options, dataset, network, seed, start_step):
    """Returns tensors of the next global batch, on the CPU: a dict."""
    preprocessing = preprocessing_factory.get_preprocessing(
        options.preprocessing_name or network.name)

    def transform(sample, sample_seed):
        labels, bboxes = sample['object/label'], sample['object/bbox']
        if options.remove_difficult:
            is_easy = tf.equal(sample['object/difficult'], 0)
            labels = tf.boolean_mask(labels, is_easy)
            bboxes = tf.boolean_mask(bboxes, is_easy)
        image, labels, bboxes = preprocessing.preprocess_for_train(
            sample['image/encoded'], labels, bboxes,
            network.params.img_shape, sample_seed)
        encoded = network.encode(labels, bboxes, options.match_threshold)
        return {'image': image, 'filename': sample['filename'],
                'target/labels': encoded.labels,
                'target/localisations': encoded.localisations}

    batch_size = options.batch_size * options.num_clones
    provider = data_provider.train_batches(
        dataset, transform, batch_size, seed, start_step * batch_size,
        options.num_readers, options.num_preprocessing_threads)
    items = list(provider.list_items())
    return dict(zip(items, provider.get(items), strict=True))


def clone_losses(options, network, batch):
    """Builds a clone per device; returns the sum of their Losses."""
    batch_targets = targets.Targets(
        batch['target/labels'], batch['target/localisations'])
    num_positives = tf.reduce_sum(
        tf.cast(batch_targets.labels > 0, tf.float32))
    devices = deployment.clone_devices(
        options.num_clones, options.clone_on_cpu)
    clones = deployment.split(
        (batch['image'], batch_targets), options.num_clones)
    scope = network.arg_scope(
        options.weight_decay, from_scratch=options.checkpoint_path is None)
    clone_losses = []
    for device, (images, clone_targets) in zip(devices, clones, strict=True):
        with tf.device(device), slim.arg_scope(scope):
            logits, localisations, _ = network.net(
                images, reuse=tf.AUTO_REUSE)
            clone_losses.append(network.losses(
                logits, localisations, clone_targets,
                negative_ratio=options.negative_ratio,
                alpha=options.loss_alpha,
                label_smoothing=options.label_smoothing,
                negatives_per_empty_image=options.negatives_per_empty_image,
                normaliser=num_positives))
    return losses.Losses(
        *(tf.add_n(parts) for parts in zip(*clone_losses, strict=True)))


def _summarize(parts, regularization, total, rate, num_images):
    for name, value in (
            ('losses/localization', parts.localisation),
            ('losses/cross_entropy_pos', parts.positives),
            ('losses/cross_entropy_neg', parts.negatives),
            ('losses/regularization', regularization),
            ('losses/total', total), ('learning_rate', rate),
            ('matched_anchors_per_image', parts.num_positives / num_images)):
        tf.summary.scalar(name, value)


def _summarize_images(network, batch):
    """Shows augmented images with the boxes that their targets mean."""
    images = batch['image'][:NUM_SUMMARY_IMAGES]
    labels = batch['target/labels'][:NUM_SUMMARY_IMAGES]
    bboxes = boxes.decode(
        batch['target/localisations'][:NUM_SUMMARY_IMAGES],
        network.anchors(), network.params.prior_scaling)
    bboxes = tf.where_v2((labels > 0)[..., None], bboxes, 0.)
    pixels = (images + checkpoints.MEAN_PIXEL) / 255.
    tf.summary.image('batch', tf.image.draw_bounding_boxes(
        tf.clip_by_value(pixels, 0., 1.), bboxes), NUM_SUMMARY_IMAGES)
