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
        self._min_score = min(self.select_threshold, max_threshold)
        selection = {
            'select_threshold': self._min_score,
            'select_top_k': detection.select_top_k,
            'keep_top_k': detection.keep_top_k,
            'nms_threshold': detection.nms_threshold}
        with tf.Graph().as_default():
            with checkpoints.restore.weights_of(
                    prefix, model.moving_average_decay):
                prepare, detect = _build(
                    network, model.compute_dtype, selection)
            self._session = tf.Session(config=runtime.session_config(
                    detection.gpu_memory_fraction))
            self._prepare, self._detect = (
                self._session.make_callable(outputs, inputs)
                for inputs, outputs in (prepare, detect))

    def find(self, images: Sequence[np.ndarray]) -> list[tiles.Found]:
        """Returns what is in images, in their pixels.

        Args:
          images: uint8 [height, width, 3], RGB, of any sizes, one at least;
            all go through the network at once.
        """
        # One by one, since they may be large.
        prepared = [self._prepare(image) for image in images]
        return tiles.in_pixels(
            images, *self._detect(*map(np.stack, zip(*prepared))),
            self._min_score)

    def close(self):
        """Frees the network."""
        self._session.close()


def _build(network, compute_dtype, selection):
    """Builds the graph in two parts, each inputs and outputs.

    The first takes an image of any size, uint8 [height, width, 3], to what
    the network sees of it and its place therein; the second takes batches of
    these to postprocessing.Detections.
    """
    preprocess = preprocessing_factory.get_preprocessing().preprocess_for_eval
    params = network.params
    with tf.device('/device:CPU:0'):
        image = tf.placeholder(tf.uint8, [None, None, 3])
        # As an evaluation prepares them.
        prepared = preprocess(image, params.img_shape, mean=params.mean,
                              scale=params.scale)
    batch = [tf.placeholder(output.dtype, [None, *output.shape])
             for output in prepared]
    return ([image], list(prepared)), (batch, list(models.detections(
        network, *batch, compute_dtype, **selection)))
