"""The network of a checkpoint, in TensorFlow, from images to detections."""
import math
import os
from collections.abc import Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from common import files
from engine import checkpoints
from engine import models
from engine import runtime
from engine import thresholds
from engine.detecting import options
from engine.detecting import tiles
from preprocessing import preprocessing_factory


class CheckpointNetwork:
    """A checkpoint's network, ready to run; for use by many threads.

    Attributes:
      path: the checkpoint's prefix.
      network: the ssd.SSDNet, and model_name, its name.
      class_names: tuple of names; class id i is class_names[i - 1].
      input_shape: height and width of what the network sees.
      select_threshold: the score that --select_threshold means.
      nms_threshold: overlap that suppresses.
      notes: lines that say what was chosen.
    """

    @runtime.quiet()
    def __init__(self, model: options.Model,
                 class_names: Sequence[str] | None,
                 detection: options.Detection, max_threshold: float = math.inf):
        """Builds the network with its weights.

        Args:
          model: but for the names of classes.
          class_names: only for a checkpoint that does not say them.
          detection: what is selected, and how much of a GPU is taken.
          max_threshold: scores above it are found even if they are not above
            the select_threshold.

        Raises:
          ValueError: there is no checkpoint, or it and the arguments do not
            fit together.
        """
        prefix = checkpoints.paths.find(model.checkpoint_path, model.which)
        self.notes = [checkpoints.paths.describe(prefix)] if os.path.isdir(
            files.user_path(model.checkpoint_path)) else []
        metadata = checkpoints.metadata.read(prefix)
        self.class_names = models.choose_class_names(
            class_names, metadata, prefix)
        self.network = network = models.make_network(
            model.model_name, self.class_names, metadata, model.anchors)
        self.path, self.model_name = prefix, network.name
        self.input_shape = network.params.img_shape
        self.select_threshold = thresholds.read(
            detection.select_threshold, prefix)
        self.nms_threshold = detection.nms_threshold
        selection = {
            'select_threshold': min(self.select_threshold, max_threshold),
            'select_top_k': detection.select_top_k,
            'keep_top_k': detection.keep_top_k,
            'nms_threshold': detection.nms_threshold}
        with tf.Graph().as_default():
            with checkpoints.restore.weights_of(
                    prefix, model.moving_average_decay):
                inputs, outputs = _build(
                    network, model.compute_dtype, selection)
            self._session = tf.Session(
                config=runtime.session_config(
                    detection.gpu_memory_fraction))
            self._run = self._session.make_callable(outputs, inputs)

    def find(self, images: Sequence[np.ndarray]) -> list[tiles.Found]:
        """Returns what is in images, in their pixels.

        Args:
          images: uint8 [height, width, 3], RGB, of any sizes, one at least;
            all go through the network at once.
        """
        sizes = np.array([image.shape[:2] for image in images], np.int32)
        pixels = np.concatenate([image.reshape(-1) for image in images])
        return [
            tiles.Found(bboxes[:num], scores[:num], classes[:num])
            for classes, scores, bboxes, num in zip(
                *self._run(pixels, sizes), strict=True)]

    def close(self):
        """Frees the network."""
        self._session.close()


def _build(network, compute_dtype, selection):
    """Builds the graph, which takes any number of images of any sizes.

    Returns:
      Placeholders: uint8 [n], the pixels of all images one after another, and
      int32 [batch, 2], heights and widths; postprocessing.Detections, bboxes
      in pixels.
    """
    preprocess = preprocessing_factory.get_preprocessing().preprocess_for_eval
    params = network.params
    with tf.device('/device:CPU:0'):
        pixels = tf.placeholder(tf.uint8, [None])
        sizes = tf.placeholder(tf.int32, [None, 2])
        # int64: a batch of large images has more bytes than an int32 counts.
        shapes = tf.pad(tf.cast(sizes, tf.int64), [[0, 0], [0, 1]],
                        constant_values=3)  # [batch, 3]
        ends = tf.cumsum(tf.reduce_prod(shapes, 1))

        def prepare(values):
            shape, end = values
            image = tf.reshape(pixels[end - tf.reduce_prod(shape):end], shape)
            return preprocess(image, params.img_shape, mean=params.mean,
                              scale=params.scale)

        # As an evaluation prepares them.
        images, bbox_img = tf.map_fn(
            prepare, (shapes, ends),
            fn_output_signature=(tf.float32, tf.float32))
    found = models.detections(
        network, images, bbox_img, compute_dtype, **selection)
    scale = tf.cast(tf.concat([sizes, sizes], 1), tf.float32)[:, None]
    return [pixels, sizes], found._replace(bboxes=found.bboxes * scale)
