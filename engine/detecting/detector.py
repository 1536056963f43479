"""Detection in images, for Python.

Example:
    with detector.Detector('checkpoints/ssd_300_vgg.ckpt') as ssd:
        for found in ssd.detect(['street.jpg', 'garden.png']):
            print(found.names, found.scores, found.bboxes)
"""
import os
import typing
from collections.abc import Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from datasets import image_files
from engine import checkpoints
from engine import models
from engine import runtime
from engine.detecting import options
from preprocessing import preprocessing_factory

_MODEL, _DETECTION = options.Model(), options.Detection()


class Detected(typing.NamedTuple):
    """What is found in one image, by descending score."""
    bboxes: np.ndarray     # float32 [n, 4], ymin, xmin, ymax, xmax in pixels.
    scores: np.ndarray     # float32 [n], above the select_threshold.
    class_ids: np.ndarray  # int32 [n], from 1.
    names: list[str]       # Of the n classes.
    size: tuple[int, int]  # Height and width of the image, in pixels.


class Detector:
    """A checkpoint's network, ready to detect; for use by many threads.

    Use as a context manager, or call `close`.

    Attributes:
      model_name: of the network.
      class_names: tuple of names; class id i is class_names[i - 1].
      batch_size: the most images that the network sees at a time.
    """

    @runtime.quiet()
    def __init__(self, checkpoint_path: str, model_name: str | None = None,
                 class_names: Sequence[str] | None = None,
                 anchors: str | None = None,
                 select_threshold: float = _DETECTION.select_threshold,
                 select_top_k: int = _DETECTION.select_top_k,
                 keep_top_k: int = _DETECTION.keep_top_k,
                 nms_threshold: float = _DETECTION.nms_threshold,
                 batch_size: int = _DETECTION.batch_size,
                 gpu_memory_fraction: float = _DETECTION.gpu_memory_fraction,
                 compute_dtype: str = _MODEL.compute_dtype,
                 moving_average_decay: float | None = None):
        """Builds the network with its weights.

        Args:
          checkpoint_path: a file, a prefix or a folder (the latest in it).
          model_name, class_names, anchors: only for a checkpoint that does
            not say them: a name of nets_factory (default ssd_300_vgg), names
            without background (default: VOC's, if there are 20), and 'voc'
            or 'coco' (default).
          select_threshold, select_top_k, keep_top_k, nms_threshold,
            batch_size, gpu_memory_fraction: see options.Detection.
          compute_dtype, moving_average_decay: see options.Model.

        Raises:
          ValueError: there is no checkpoint, or it and the arguments do not
            fit together.
        """
        if batch_size < 1:
            raise ValueError(
                f'--batch_size={batch_size}: it must be at least 1.')
        self.batch_size = batch_size
        prefix = checkpoints.paths.find(checkpoint_path)
        metadata = checkpoints.metadata.read(prefix)
        self.class_names = models.choose_class_names(
            class_names, metadata, prefix)
        network = models.make_network(
            model_name, self.class_names, metadata, anchors)
        self.model_name = network.name
        with tf.Graph().as_default():
            self._reader = image_files.ImageReader()
            with checkpoints.restore.weights_of(prefix, moving_average_decay):
                inputs, outputs = _build(
                    network, compute_dtype=compute_dtype,
                    select_threshold=select_threshold,
                    select_top_k=select_top_k, nms_threshold=nms_threshold,
                    keep_top_k=keep_top_k)
            self._session = tf.Session(
                config=runtime.session_config(gpu_memory_fraction))
            self._run = self._session.make_callable(outputs, inputs)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Frees the network; nothing can be detected afterwards."""
        self._session.close()
        self._reader.close()

    def detect(self, images: np.ndarray | str | os.PathLike | Sequence,
               ) -> Detected | list[Detected]:
        """Detects in one image or in many.

        Args:
          images: an image, or a list or tuple of images, which may differ in
            size. An image is uint8 [height, width, 3], RGB, or the path of a
            file, which is turned upright as its EXIF tells; bboxes are those
            of the upright image, and so is the size.

        Returns:
          Detected for one image; a list of them for a list.

        Raises:
          ValueError: an image has another shape or dtype, or a file is not
            an image; names which.
          OSError: a file cannot be read.
        """
        if not isinstance(images, (list, tuple)):
            return self._detect_batch([self._pixels(images, 'the image')])[0]
        found = []
        for start in range(0, len(images), self.batch_size):
            found += self._detect_batch([
                self._pixels(image, f'images[{index}]') for index, image in
                enumerate(images[start:start + self.batch_size], start)])
        return found

    def _pixels(self, image, place):
        if isinstance(image, (str, os.PathLike)):
            return self._reader.read(image)
        shape, dtype = np.shape(image), getattr(image, 'dtype', None)
        if (not isinstance(image, np.ndarray) or dtype != np.uint8
                or len(shape) != 3 or shape[2] != 3 or 0 in shape):
            what = type(image).__name__ if dtype is None else dtype
            raise ValueError(
                f'{place} is {what} {list(shape)}; it must be an array of '
                'uint8 [height, width, 3], RGB, or the path of a file.')
        return image

    def _detect_batch(self, images):
        """Returns Detected of each image; all go through the net at once."""
        sizes = np.array([image.shape[:2] for image in images], np.int32)
        pixels = np.concatenate([image.reshape(-1) for image in images])
        found = self._run(pixels, sizes)
        return [
            Detected(found.bboxes[index, :num], found.scores[index, :num],
                     found.classes[index, :num],
                     [self.class_names[class_id - 1] for class_id
                      in found.classes[index, :num]], tuple(size))
            for index, (num, size) in enumerate(
                zip(found.num, sizes.tolist(), strict=True))]


def _build(network, **kwargs):
    """Builds the graph, which takes any number of images of any sizes.

    The arguments are those of models.detections.

    Returns:
      Placeholders: uint8 [n], the pixels of all images one after another, and
      int32 [batch, 2], heights and widths; postprocessing.Detections, bboxes
      in pixels.
    """
    with tf.device('/device:CPU:0'):
        pixels = tf.placeholder(tf.uint8, [None])
        sizes = tf.placeholder(tf.int32, [None, 2])
        images, bbox_img = _preprocess(network, pixels, sizes)
    found = models.detections(network, images, bbox_img, **kwargs)
    scale = tf.cast(tf.concat([sizes, sizes], 1), tf.float32)[:, None]
    return [pixels, sizes], found._replace(bboxes=found.bboxes * scale)


def _preprocess(network, pixels, sizes):
    """Returns images and bbox_img, as an evaluation prepares them."""
    preprocessing = preprocessing_factory.get_preprocessing()
    # int64: a batch of large images has more bytes than an int32 counts.
    shapes = tf.pad(tf.cast(sizes, tf.int64), [[0, 0], [0, 1]],
                    constant_values=3)  # [batch, 3]
    lengths = tf.reduce_prod(shapes, 1)

    def prepare(values):
        shape, start, length = values
        image = tf.reshape(pixels[start:start + length], shape)
        return preprocessing.preprocess_for_eval(
            image, network.params.img_shape, mean=network.params.mean,
            scale=network.params.scale)

    return tf.map_fn(
        prepare, (shapes, tf.cumsum(lengths, exclusive=True), lengths),
        fn_output_signature=(tf.float32, tf.float32))
