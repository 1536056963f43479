"""The graph of a training: batches, step, summaries."""
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from common import drawing
from datasets import data_provider
from detection import boxes
from detection import losses
from engine import checkpoints
from engine.training import distributed
from engine.training import divergence
from engine.training import gradients
from engine.training import optimization
from engine.training import options
from engine.training import record_checks
from nets import ssd
from preprocessing import preprocessing_factory

# Images of a batch that TensorBoard shows.
NUM_SUMMARY_IMAGES = 4

# Between the seeds of workers, which have orders of their own; those of
# epochs lie in between.
WORKER_SEED_STRIDE = 1_000_003


class Step(NamedTuple):
    """What a step computes, for the log; tensors, or their values."""
    losses: losses.Losses
    regularization: tf.Tensor  # Of the weights; float32, as are the others.
    total: tf.Tensor   # The sum of both.
    rate: tf.Tensor    # The learning rate.
    number: tf.Tensor  # Of the step, int64.
    waited: tf.Tensor  # Seconds for the batch, float64.
    train_op: tf.Operation


def build(options: tuple, dataset: slim.dataset.Dataset, network: ssd.SSDNet,
          start_step: int, guard: divergence.Guard,
          aggregator: distributed.Aggregator | None = None) -> Step:
    """Builds the training graph.

    Args:
      options: options.Data, Model, Loss, Optimizer and Run.
      dataset: slim Dataset.
      network: SSDNet.
      start_step: step from which the batches are counted.
      guard: of what is not finite.
      aggregator: of several workers, or None.

    Returns:
      Step, of tensors.
    """
    data, model, loss, optimizer, run = options
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
        global_step, aggregator, run.is_chief)
    with tf.control_dependencies([train_op]):
        number = global_step.read_value()
    _summarize(step.losses, step.regularization, total, rate,
               run.images_per_step)
    _summarize_images(network, batch, dataset.labels)
    return Step(step.losses, step.regularization, total, rate, number, waited,
                train_op)


def _timed_batch(*arguments):
    """Returns the next batch, a dict, and the seconds it was waited for."""
    start = tf.timestamp()
    with tf.control_dependencies([start]):
        batch = batches(*arguments)
    with tf.control_dependencies(list(batch.values())):
        waited = tf.timestamp() - start
    # Else the clock may be read after the network has run.
    with tf.control_dependencies([waited]):
        return {item: tf.identity(values)
                for item, values in batch.items()}, waited


def batches(data: options.Data, run: options.Run,
            dataset: slim.dataset.Dataset, network: ssd.SSDNet,
            match_threshold: float, start_step: int) -> dict[str, tf.Tensor]:
    """Returns tensors of the next batch; see `build`.

    image: float32 [batch, height, width, 3]; filename: string [batch];
    target/labels and target/localisations: the images' targets.Targets.
    """
    preprocessing = preprocessing_factory.get_preprocessing(
        data.preprocessing_name)

    def transform(sample, sample_seed):
        sample = record_checks.checked(sample, len(dataset.labels))
        is_left_out = sample['object/is_crowd']  # They match no single anchor.
        if data.remove_difficult:
            is_left_out |= sample['object/difficult']
        labels, bboxes = (
            tf.boolean_mask(sample[item], tf.equal(is_left_out, 0))
            for item in ('object/label', 'object/bbox'))
        image, labels, bboxes = preprocessing.preprocess_for_train(
            sample['image/encoded'], labels, bboxes,
            network.params.img_shape, sample_seed, network.params.mean,
            network.params.scale)
        encoded = network.encode(labels, bboxes, match_threshold)
        return {'image': image, 'filename': sample['filename'],
                'target/labels': encoded.labels,
                'target/localisations': encoded.localisations}

    provider = data_provider.train_batches(
        dataset, transform, run.images_per_step,
        run.random_seed + WORKER_SEED_STRIDE * run.task,
        start_step * run.images_per_step, data.num_readers,
        data.num_preprocessing_threads)
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
