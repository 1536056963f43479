"""The network of an exported file, in its own runtime, without TensorFlow."""
import math
from collections.abc import Sequence

import cv2
import numpy as np

from engine import backends
from engine import thresholds
from engine.detecting import options
from engine.detecting import tiles


class ExportedNetwork:
    """As checkpoint_network.CheckpointNetwork."""

    def __init__(self, model: options.Model,
                 class_names: Sequence[str] | None,
                 detection: options.Detection, max_threshold: float = math.inf):
        """Loads the file; as CheckpointNetwork.

        Raises:
          ValueError: it cannot be used, or was exported with other values.
        """
        self._backend = backends.Backend(model.checkpoint_path)
        about, self.path = self._backend.about, self._backend.path
        self._backend.check(
            model._replace(labels=class_names or model.labels), detection)
        self.notes = []
        self.model_name, self.input_shape = (
            about['model_name'], tuple(about['image_shape']))
        self.class_names = tuple(about['classes'])
        self.nms_threshold = about['nms_threshold']
        self.select_threshold = thresholds.read(
            detection.select_threshold, self.path, about['best_threshold'])
        self._backend.check_threshold(self.select_threshold)
        self._min_score = min(self.select_threshold, max_threshold)

    def find(self, images: Sequence[np.ndarray]) -> list[tiles.Found]:
        """Returns what is in images; as CheckpointNetwork.find."""
        return tiles.in_pixels(images, *self._backend.detect(np.stack([
            resize(image, self.input_shape) for image in images])),
            self._min_score)

    def close(self):
        """Frees the network."""
        self._backend.close()


def resize(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Returns uint8 [*shape, 3] of uint8 [height, width, 3].

    As preprocess_for_eval's WARP_RESIZE, but that 1 in 400 values, which lie
    between two whole numbers, may be rounded to the other.
    """
    height, width = shape
    # OpenCV's own rounding of bytes gives another value 1 in 10 times.
    return np.rint(cv2.resize(
        image.astype(np.float32), (width, height))).astype(np.uint8)
