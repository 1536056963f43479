"""The graph of a training: batches, step, summaries."""
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from common import drawing
from datasets import balance
from datasets import data_provider
from detection import boxes
from detection import losses
from engine import checkpoints
from engine import models
from engine.training import distributed
from engine.training import divergence
from engine.training import gradients
from engine.training import optimization
from engine.training import options
from engine.training import record_checks
from nets import ssd

_NUM_SUMMARY_IMAGES = 4  # Images of a batch that TensorBoard shows.
# Between the seeds of workers, which have orders of their own; those of
# epochs lie in between.
_WORKER_SEED_STRIDE = 1_000_003


class Step(NamedTuple):
    """What a step computes, for the log; tensors, or their values."""
    losses: losses.Losses
    regularization: tf.Tensor  # Of the weights; float32, as are the others.
    total: tf.Tensor   # The sum of both.
    rate: tf.Tensor    # The learning rate.
    number: tf.Tensor  # Of the step, int64.
    waited: tf.Tensor  # Seconds for the batch, float64.
    train_op: tf.Operation


def build(groups: tuple, dataset: slim.dataset.Dataset, network: ssd.SSDNet,
          start_step: int, guard: divergence.Guard,
          aggregator: distributed.Aggregator | None = None) -> Step:
    """Builds the training graph; returns the tensors of a step.

    Args:
      groups: options.Data, Model, Loss, Optimizer and Run.
      start_step: step from which the batches are counted.
      guard, aggregator: of what is not finite; of several workers, or None.
    """
    data, model, loss, optimizer, run = groups
    with tf.device('/device:CPU:0'):
        global_step = tf.train.get_or_create_global_step()
        batch, waited = _timed_batch(
            data, run, dataset, network, loss.match_threshold, start_step)
        rate = optimization.learning_rate(
            optimizer, run.global_batch_size, dataset.num_samples,
            global_step)
    step = gradients.of_batch(
        model, loss, run, network, batch, guard.loss_scale)
    total = tf.add_n([*step.losses[:3], step.regularization])
    checkpoints.metadata.variable(
        checkpoints.metadata.make(network, dataset.labels))
    train_op = optimization.train_op(
        guard.checked(total, step, batch, global_step, rate), optimizer, rate,
        global_step, aggregator)
    with tf.control_dependencies([train_op]):
        number = global_step.read_value()
    values = Step(step.losses, step.regularization, total, rate, number,
                  waited, train_op)
    _summarize(values, run.images_per_step)
    _summarize_images(network, batch, dataset.labels)
    return values


def _timed_batch(*arguments):
    """Returns the next batch, a dict, and the seconds it was waited for."""
    start = tf.timestamp()
    with tf.control_dependencies([start]):
        batch = batches(*arguments)
    with tf.control_dependencies(list(batch.values())):
        waited = tf.timestamp() - start
    # Else the clock may be read after the network has run.
    with tf.control_dependencies([waited]):
        return tf.nest.map_structure(tf.identity, batch), waited


def batches(data: options.Data, run: options.Run,
            dataset: slim.dataset.Dataset, network: ssd.SSDNet,
            match_threshold: float, start_step: int) -> dict[str, tf.Tensor]:
    """Returns tensors of the next batch; see `build`.

    image: float32 [batch, height, width, 3]; filename: string [batch];
    target/labels and target/localisations: the images' targets.Targets.
    """
    preprocessing = models.get_preprocessing(
        data.preprocessing_name)
    params = network.params

    def transform(sample, sample_seed):
        sample = record_checks.checked(sample, len(dataset.labels))
        is_left_out = sample['object/is_crowd']  # They match no single anchor.
        if data.remove_difficult:
            is_left_out |= sample['object/difficult']
        labels, bboxes = (
            tf.boolean_mask(sample[item], tf.equal(is_left_out, 0))
            for item in ('object/label', 'object/bbox'))
        image, labels, bboxes = preprocessing.preprocess_for_train(
            sample['image/encoded'], labels, bboxes, params.img_shape,
            sample_seed, params.mean, params.scale)
        encoded = network.encode(labels, bboxes, match_threshold)
        return {'image': image, 'filename': sample['filename'],
                'target/labels': encoded.labels,
                'target/localisations': encoded.localisations}

    provider = data_provider.train_batches(
        dataset, transform, run.images_per_step,
        run.random_seed + _WORKER_SEED_STRIDE * run.task,
        start_step * run.images_per_step, data.num_readers,
        data.num_preprocessing_threads,
        None if data.sampling is None
        else balance.copies(dataset, run.random_seed))
    items = list(provider.list_items())
    return dict(zip(items, provider.get(items), strict=True))


def _summarize(step, num_images):
    for name, value in (
            ('losses/localization', step.losses.localisation),
            ('losses/cross_entropy_pos', step.losses.positives),
            ('losses/cross_entropy_neg', step.losses.negatives),
            ('losses/regularization', step.regularization),
            ('losses/total', step.total), ('learning_rate', step.rate),
            ('matched_anchors_per_image',
             step.losses.num_positives / num_images)):
        tf.summary.scalar(name, value)


def _summarize_images(network, batch, class_names):
    """Shows augmented images with the objects that their targets mean."""
    def draw(*values):
        return np.stack([_draw_objects(network, class_names, *value)
                         for value in zip(*values, strict=True)])

    with tf.device('/device:CPU:0'):
        pictures = tf.numpy_function(draw, [
            batch[item][:_NUM_SUMMARY_IMAGES] for item in (
                'image', 'target/labels', 'target/localisations')], tf.uint8)
        pictures.set_shape([None, *network.params.img_shape, 3])
        tf.summary.image('batch', pictures, _NUM_SUMMARY_IMAGES)


def _draw_objects(network, class_names, image, labels, localisations):
    """Returns what a network sees, and its Targets, as a uint8 picture."""
    params = network.params
    picture = np.clip(
        np.round(image / params.scale + params.mean), 0, 255).astype(np.uint8)
    bboxes = boxes.decode(
        localisations, network.anchors(), params.prior_scaling)
    pixels = np.round(bboxes * [*params.img_shape, *params.img_shape])
    # An object has several anchors, all of which decode to its bbox.
    objects = np.unique(
        np.column_stack([labels, pixels])[labels > 0], axis=0)
    class_ids = objects[:, 0].astype(int)
    return drawing.draw_bboxes(
        picture, objects[:, 1:], class_ids,
        [class_names[class_id - 1] for class_id in class_ids])
