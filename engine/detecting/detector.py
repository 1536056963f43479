"""Detection from Python; docs/evaluate_and_detect.md shows it."""
import contextlib
import itertools
import os
import typing
import warnings
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from common import threads
from datasets import image_files
from engine import checkpoints
from engine import models
from engine import runtime
from engine.detecting import detections
from engine.detecting import options
from engine.detecting import sources
from engine.detecting import tiles
from engine.detecting import tracking
from preprocessing import preprocessing_factory


class Detector:
    """A checkpoint's network, ready to detect; for use by many threads.

    Use as a context manager, or call `close`.

    Attributes:
      checkpoint: its prefix.
      model_name: of the network.
      class_names: tuple of names; class id i is class_names[i - 1].
      batch_size: the most images that the network sees at a time.
      select_threshold: scores are above it.
    """

    @runtime.quiet()
    def __init__(self, checkpoint_path: str, model_name: str | None = None,
                 class_names: Sequence[str] | None = None,
                 anchors: str | None = None, compute_dtype: str = 'float32',
                 moving_average_decay: float | None = None,
                 which: str | None = None, **detection):
        """Builds the network with its weights.

        Args:
          checkpoint_path: a file, a prefix or a folder.
          model_name, class_names, anchors: only for a checkpoint that does
            not say them: a name of nets_factory (default ssd_300_vgg), names
            without background (default: VOC's, if there are 20), and 'voc'
            or 'coco' (default).
          compute_dtype, moving_average_decay, which: see options.Model.
          **detection: fields of options.Detection, such as
            select_threshold=.3 or 'best'; others have their defaults.

        Raises:
          ValueError: there is no checkpoint, or it and the arguments do not
            fit together.
        """
        selection = options.Detection(**detection)._asdict()
        self.batch_size = selection.pop('batch_size')
        gpu_memory_fraction = selection.pop('gpu_memory_fraction')
        tile, self._tracks = selection.pop('tile'), selection.pop('track')
        self._nms_threshold = selection['nms_threshold']
        if self.batch_size < 1:
            raise ValueError(
                f'--batch_size={self.batch_size}: it must be at least 1.')
        prefix = checkpoints.paths.find(checkpoint_path, which)
        selection['select_threshold'] = self.select_threshold = (
            checkpoints.thresholds.read(
                selection['select_threshold'], prefix))
        if self._tracks:  # Known objects may be faint.
            selection['select_threshold'] = min(
                self.select_threshold, tracking.MIN_SCORE)
        metadata = checkpoints.metadata.read(prefix)
        self.class_names = models.choose_class_names(
            class_names, metadata, prefix)
        network = models.make_network(
            model_name, self.class_names, metadata, anchors)
        self.checkpoint, self.model_name = prefix, network.name
        self._tile = None if tile is None else tiles.parse(
            tile, network.params.img_shape)
        with tf.Graph().as_default():
            self._reader = image_files.ImageReader()
            with checkpoints.restore.weights_of(prefix, moving_average_decay):
                inputs, outputs = _build(network, compute_dtype, selection)
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

    def detect(self, images: np.ndarray | str | os.PathLike | typing.BinaryIO
               | Sequence) -> detections.Detected | list[detections.Detected]:
        """Detects in one image or in many.

        Args:
          images: an image, or a list or tuple of images, which may differ in
            size. An image is uint8 [height, width, 3], RGB; or a file, by its
            path or open for reading bytes, which is turned upright as its
            EXIF tells: bboxes are those of the upright image, and so is the
            size.

        Returns:
          Detected for one image; a list of them for a list.

        Raises:
          ValueError: an image has another shape or dtype, or a file is not
            an image; names which.
          OSError: a file cannot be read.
        """
        if not isinstance(images, (list, tuple)):
            return self._confident(self._detect_batch(
                [self._pixels(images, 'the image')])[0])
        found = []
        for batch in threads.batches(enumerate(images), self.batch_size):
            found += self._detect_batch([
                self._pixels(image, f'images[{i}]') for i, image in batch])
        return list(map(self._confident, found))

    def _confident(self, found):
        return found if not self._tracks else found.at(
            np.flatnonzero(found.scores > self.select_threshold))

    def stream(self, source: str | os.PathLike | int, **chosen,
               ) -> Iterator[detections.Sample]:
        """Detects in a video, a camera, a stream or many images.

        Those of a live source are the newest whenever one is asked for.

        Args:
          source: as --input: a file, folder, pattern, list, address or the
            number of a camera.
          **chosen: other fields of options.Source, such as every_n_frames=5.

        Returns:
          An iterator of detections.Sample: `pixels`, `found`, `file`, `frame`,
          `seconds`. What cannot be read is a warning.

        Raises:
          ValueError: the source cannot be opened, or is none.
        """
        opened = sources.open_source(options.Source(str(source), **chosen))
        return self._found_in(opened)

    def _found_in(self, source):
        with contextlib.closing(self.detect_in(source)) as samples:
            for sample in samples:
                if sample.fault is not None:
                    warnings.warn(sample.fault, stacklevel=2)
                elif sample.found is not None:
                    yield sample

    def detect_in(self, source: sources.Source) -> Iterator[detections.Sample]:
        """Yields all Samples of a source, with what is found in them."""
        samples, batch_size = source.samples(), 1
        follow = self._follower(source) if self._tracks else None
        # A live source has a thread of its own, and its newest frame is
        # wanted now, not when a batch is full.
        if source.is_live:
            # The first run is slow, and a frame would wait for it.
            self._find([np.zeros((1, 1, 3), np.uint8)])
        else:
            batch_size = self.batch_size
            samples = threads.ahead(samples, 2 * batch_size)
        with contextlib.closing(samples):
            for batch in threads.batches(samples, batch_size):
                images = [sample.pixels for sample in batch
                          if sample.pixels is not None]
                found = iter(self.detect(images) if follow is None else
                             self._detect_batch(images))
                for sample in batch:
                    if sample.pixels is not None:
                        sample = sample._replace(found=next(found))
                        sample = sample if follow is None else follow(sample)
                    yield sample

    def _follower(self, source):
        """Returns what follows the objects of a source's Samples, in order."""
        tracker = tracking.Tracker(self.select_threshold)
        numbers = itertools.count()

        def follow(sample):
            bboxes, scores, class_ids, _, _ = sample.found
            rows, ids, trails = tracker.update(
                sample.frame if source.is_video else next(numbers), bboxes,
                scores, class_ids)
            counts = {self.class_names[label - 1]: num
                      for label, num in tracker.counts().items()}
            return sample._replace(
                found=sample.found.at(rows),
                tracks=detections.Tracks(ids, trails, counts))

        return follow

    def _pixels(self, image, place):
        if isinstance(image, (str, os.PathLike)):
            return self._reader.read(image)
        if hasattr(image, 'read'):
            return self._pixels_of_open(image, getattr(image, 'name', place))
        shape, dtype = np.shape(image), getattr(image, 'dtype', None)
        if (not isinstance(image, np.ndarray) or dtype != np.uint8
                or len(shape) != 3 or shape[2] != 3 or 0 in shape):
            what = type(image).__name__ if dtype is None else dtype
            raise ValueError(
                f'{place} is {what} {list(shape)}; it must be an array of '
                'uint8 [height, width, 3], RGB, or a file, by its path or '
                'open.')
        return image

    def _pixels_of_open(self, file, name):
        content = file.read()
        if not isinstance(content, bytes):
            raise ValueError(f'{name} gives no bytes; open it with mode "rb".')
        try:
            return self._reader.pixels(content)
        except ValueError as error:
            raise ValueError(f'{name}: {error}.') from error

    def _detect_batch(self, images):
        """Returns Detected of each image."""
        found = self._find(images) if self._tile is None else tiles.detect(
            images, self._tile, self.batch_size, self._nms_threshold,
            self._find)
        return [
            detections.Detected(
                *one, [self.class_names[label - 1] for label in one.class_ids],
                image.shape[:2])
            for image, one in zip(images, found, strict=True)]

    def _find(self, images):
        """Returns tiles.Found of images; all go through the net at once."""
        if not images:
            return []
        sizes = np.array([image.shape[:2] for image in images], np.int32)
        pixels = np.concatenate([image.reshape(-1) for image in images])
        return [
            tiles.Found(bboxes[:num], scores[:num], classes[:num])
            for classes, scores, bboxes, num in zip(
                *self._run(pixels, sizes), strict=True)]


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
