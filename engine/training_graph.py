"""The graph of a training: batches, clones, loss, summaries.

`options` holds the flags of train_ssd_network.py as attributes.
"""
import collections
import random

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from datasets import data_provider
from detection import boxes
from detection import losses
from detection import targets
from engine import checkpoints
from engine import deployment
from engine import optimization
from notebooks import visualization
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
    _summarize_images(network, batch, dataset.labels)
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


def _summarize_images(network, batch, class_names):
    """Shows augmented images with the objects that their targets mean."""
    def draw(images, labels, localisations):
        bboxes = boxes.decode(
            localisations, network.anchors(), network.params.prior_scaling,
            xp=np)
        return np.stack([
            _draw_objects(*image, class_names)
            for image in zip(images, labels, bboxes, strict=True)])

    with tf.device('/device:CPU:0'):
        pictures = tf.numpy_function(draw, [
            batch[item][:NUM_SUMMARY_IMAGES] for item in (
                'image', 'target/labels', 'target/localisations')], tf.uint8)
        pictures.set_shape([None, *network.params.img_shape, 3])
        tf.summary.image('batch', pictures, NUM_SUMMARY_IMAGES)


def _draw_objects(image, labels, bboxes, class_names):
    """Returns a preprocessed image as a picture with its objects.

    Args:
      image: float32 [height, width, 3], RGB, mean subtracted.
      labels: int64 [num_anchors], 0 where unmatched.
      bboxes: float32 [num_anchors, 4], of the matched anchors' objects.
      class_names: names of the labels from 1 on.
    """
    picture = np.clip(
        image + checkpoints.MEAN_PIXEL, 0, 255).astype(np.uint8)
    pixels = np.round(bboxes * [*picture.shape[:2], *picture.shape[:2]])
    # An object has several anchors, all of which decode to its bbox.
    objects = np.unique(np.column_stack(
        [labels, pixels])[labels > 0], axis=0)
    class_ids = objects[:, 0].astype(int)
    return visualization.draw_bboxes(
        picture, objects[:, 1:], class_ids,
        [class_names[class_id - 1] for class_id in class_ids])
