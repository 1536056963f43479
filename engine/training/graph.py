"""The graph of a training: batches, step, summaries.

`options` holds the flags of train_ssd_network.py as attributes.
"""
import collections
import random

import numpy as np
import tensorflow.compat.v1 as tf

from common import drawing
from datasets import data_provider
from detection import boxes
from engine import checkpoints
from engine.training import deployment
from engine.training import gradients
from engine.training import optimization
from engine.training import record_checks
from preprocessing import preprocessing_factory

# Images of a batch that TensorBoard shows.
NUM_SUMMARY_IMAGES = 4

# Between the seeds of workers, which have orders of their own; those of
# epochs lie in between.
WORKER_SEED_STRIDE = 1_000_003

# What a step computes, for the log; tensors, or their values.
#   losses: losses.Losses; total: with the weights' decay; rate: learning
#   rate; number: the step's; waited: seconds for the batch; train_op: the
#   step's operation.
Step = collections.namedtuple(
    'Step', 'losses total rate number waited train_op')


def build(options, dataset, network, start_step, guard, aggregator=None):
    """Builds the training graph.

    Args:
      options: the flags.
      dataset: slim Dataset.
      network: SSDNet.
      start_step: step from which the batches are counted.
      guard: divergence.Guard.
      aggregator: aggregation.Aggregator of several workers, or None.

    Returns:
      Step, of tensors.
    """
    with tf.device('/device:CPU:0'):
        global_step = tf.train.get_or_create_global_step()
        batch, waited = _timed_batch(options, dataset, network, start_step)
        rate = optimization.learning_rate(
            options, dataset.num_samples, global_step)
    step = gradients.of_batch(options, network, batch, guard.loss_scale)
    total = tf.add_n([*step.losses[:3], step.regularization])
    checkpoints.metadata.variable(
        checkpoints.metadata.make(network, dataset.labels))
    train_op = optimization.train_op(
        guard.checked(total, step, batch, global_step, rate), options, rate,
        global_step, aggregator)
    with tf.control_dependencies([train_op]):
        number = global_step.read_value()
    _summarize(step.losses, step.regularization, total, rate,
               deployment.images_per_step(options))
    _summarize_images(network, batch, dataset.labels)
    return Step(step.losses, total, rate, number, waited, train_op)


def _timed_batch(options, dataset, network, start_step):
    """Returns the next batch, a dict, and the seconds it was waited for."""
    start = tf.timestamp()
    with tf.control_dependencies([start]):
        batch = batches(options, dataset, network, start_step)
    with tf.control_dependencies(list(batch.values())):
        waited = tf.timestamp() - start
    # Else the clock may be read after the network has run.
    with tf.control_dependencies([waited]):
        return {item: tf.identity(values)
                for item, values in batch.items()}, waited


def batches(options, dataset, network, start_step):
    """Returns tensors of the next batch, a dict; see `build`.

    image: float32 [batch, height, width, 3]; filename: string [batch];
    target/labels and target/localisations: the images' targets.Targets.
    """
    preprocessing = preprocessing_factory.get_preprocessing(
        options.preprocessing_name)

    def transform(sample, sample_seed):
        sample = record_checks.checked(sample, len(dataset.labels))
        labels, bboxes = sample['object/label'], sample['object/bbox']
        if options.remove_difficult:
            is_easy = tf.equal(sample['object/difficult'], 0)
            labels = tf.boolean_mask(labels, is_easy)
            bboxes = tf.boolean_mask(bboxes, is_easy)
        image, labels, bboxes = preprocessing.preprocess_for_train(
            sample['image/encoded'], labels, bboxes,
            network.params.img_shape, sample_seed, network.params.mean,
            network.params.scale)
        encoded = network.encode(labels, bboxes, options.match_threshold)
        return {'image': image, 'filename': sample['filename'],
                'target/labels': encoded.labels,
                'target/localisations': encoded.localisations}

    seed = options.random_seed
    if seed is None:
        seed = random.SystemRandom().randrange(2 ** 31)
    provider = data_provider.train_batches(
        dataset, transform, deployment.images_per_step(options),
        seed + WORKER_SEED_STRIDE * options.task,
        start_step * deployment.images_per_step(options),
        options.num_readers, options.num_preprocessing_threads)
    items = list(provider.list_items())
    return dict(zip(items, provider.get(items), strict=True))


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
            _draw_objects(*image, network.params, class_names)
            for image in zip(images, labels, bboxes, strict=True)])

    with tf.device('/device:CPU:0'):
        pictures = tf.numpy_function(draw, [
            batch[item][:NUM_SUMMARY_IMAGES] for item in (
                'image', 'target/labels', 'target/localisations')], tf.uint8)
        pictures.set_shape([None, *network.params.img_shape, 3])
        tf.summary.image('batch', pictures, NUM_SUMMARY_IMAGES)


def _draw_objects(image, labels, bboxes, params, class_names):
    """Returns a preprocessed image as a picture with its objects.

    Args:
      image: float32 [height, width, 3], RGB, as the network sees it.
      labels: int64 [num_anchors], 0 where unmatched.
      bboxes: float32 [num_anchors, 4], of the matched anchors' objects.
      params: SSDParams, with the mean and scale of the image.
      class_names: names of the labels from 1 on.
    """
    picture = np.clip(
        np.round(image / params.scale + params.mean), 0, 255).astype(np.uint8)
    pixels = np.round(bboxes * [*picture.shape[:2], *picture.shape[:2]])
    # An object has several anchors, all of which decode to its bbox.
    objects = np.unique(np.column_stack(
        [labels, pixels])[labels > 0], axis=0)
    class_ids = objects[:, 0].astype(int)
    return drawing.draw_bboxes(
        picture, objects[:, 1:], class_ids,
        [class_names[class_id - 1] for class_id in class_ids])
