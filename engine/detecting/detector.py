"""Detection from Python; docs/evaluate_and_detect.md shows it."""
import contextlib
import itertools
import math
import os
import typing
import warnings
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from common import threads
from engine import backends
from engine.detecting import detections
from engine.detecting import options
from engine.detecting import tiles
from engine.detecting import tracking

if typing.TYPE_CHECKING:
    from engine.detecting import sources


class Detector:
    """A network, ready to detect; for use by many threads.

    It is that of a checkpoint, or of an exported file, which needs no
    TensorFlow. Use as a context manager, or call `close`.

    Attributes:
      checkpoint: its prefix, or the path of the exported file.
      model_name: of the network.
      class_names: tuple of names; class id i is class_names[i - 1].
      batch_size: the most images that the network sees at a time.
      select_threshold: scores are above it.
      notes: lines that say what was chosen.
    """

    def __init__(self, checkpoint_path: str, model_name: str | None = None,
                 class_names: Sequence[str] | None = None,
                 anchors: str | None = None, compute_dtype: str = 'float32',
                 moving_average_decay: float | None = None,
                 which: str | None = None, engine: str = 'tensorflow',
                 **detection):
        """Loads a network with its weights.

        Args:
          checkpoint_path: a file, a prefix or a folder; or an exported file:
            an .onnx, an .xml of OpenVINO, a .tflite, a SavedModel's folder.
          model_name, class_names, anchors: only for a checkpoint that does
            not say them: a name of nets_factory (default ssd_300_vgg), names
            without background (default: VOC's, if there are 20), and 'voc'
            or 'coco' (default).
          compute_dtype, moving_average_decay, which, engine: see
            options.Model.
          **detection: fields of options.Detection, such as
            select_threshold=.3 or 'best'; others have their defaults.

        Raises:
          ValueError: there is no checkpoint, or it and the arguments do not
            fit together.
        """
        chosen = options.Detection(**detection)
        self.batch_size, self._tracks = chosen.batch_size, chosen.track
        if self.batch_size < 1:
            raise ValueError(
                f'--batch_size={self.batch_size}: it must be at least 1.')
        self._network = _open(
            options.Model(
                checkpoint_path, model_name, anchors=anchors,
                moving_average_decay=moving_average_decay,
                compute_dtype=compute_dtype, which=which, engine=engine),
            class_names, chosen,
            # Known objects may be faint.
            tracking.MIN_SCORE if self._tracks else math.inf)
        self.checkpoint, self.notes = self._network.path, self._network.notes
        self.model_name, self.class_names = (
            self._network.model_name, self._network.class_names)
        self.select_threshold = self._network.select_threshold
        self._tile = None if chosen.tile is None else tiles.parse(
            chosen.tile, self._network.input_shape)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Frees the network; nothing can be detected afterwards."""
        self._network.close()

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
                [_pixels(images, 'the image')])[0])
        found = []
        for batch in threads.batches(enumerate(images), self.batch_size):
            found += self._detect_batch([
                _pixels(image, f'images[{i}]') for i, image in batch])
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
        # Not above: an array alone needs no Pillow.
        from engine.detecting import sources
        opened = sources.open_source(options.Source(str(source), **chosen))
        return self._found_in(opened)

    def _found_in(self, source):
        with contextlib.closing(self.detect_in(source)) as samples:
            for sample in samples:
                if sample.fault is not None:
                    warnings.warn(sample.fault, stacklevel=2)
                elif sample.found is not None:
                    yield sample

    def detect_in(self, source: 'sources.Source',
                  ) -> Iterator[detections.Sample]:
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
            # Images are read ahead as it is, and may be large.
            samples = threads.ahead(
                samples, 2 * batch_size if source.is_video else 1)
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

    def _detect_batch(self, images):
        """Returns Detected of each image."""
        found = self._find(images) if self._tile is None else tiles.detect(
            images, self._tile, self.batch_size, self._network.nms_threshold,
            self._find)
        return [
            detections.Detected(
                *one, [self.class_names[label - 1] for label in one.class_ids],
                image.shape[:2])
            for image, one in zip(images, found, strict=True)]

    def _find(self, images):
        return self._network.find(images) if images else []


def _open(model, class_names, *arguments):
    """Returns the network of a checkpoint or of an exported file."""
    if backends.is_exported(model.checkpoint_path):
        from engine.detecting import exported_network
        return exported_network.ExportedNetwork(
            model, class_names, *arguments)
    # Not above: they take long, or may not be installed.
    if model.engine == 'auto':
        from engine.detecting import fastest
        return fastest.find(model, class_names, *arguments)
    from engine.detecting import checkpoint_network
    return checkpoint_network.CheckpointNetwork(
        model, class_names, *arguments)


def _pixels(image, place):
    """Returns an image of Detector.detect's as an array."""
    is_path = isinstance(image, (str, os.PathLike))
    if is_path or hasattr(image, 'read'):
        from datasets import image_pixels  # Not above: it needs Pillow.
        if is_path:
            return image_pixels.read(image)
        return _pixels_of_open(
            image, getattr(image, 'name', place), image_pixels.decode)
    shape, dtype = np.shape(image), getattr(image, 'dtype', None)
    if (not isinstance(image, np.ndarray) or dtype != np.uint8
            or len(shape) != 3 or shape[2] != 3 or 0 in shape):
        what = type(image).__name__ if dtype is None else dtype
        raise ValueError(
            f'{place} is {what} {list(shape)}; it must be an array of uint8 '
            '[height, width, 3], RGB, or a file, by its path or open.')
    return image


def _pixels_of_open(file, name, decode):
    content = file.read()
    if not isinstance(content, bytes):
        raise ValueError(f'{name} gives no bytes; open it with mode "rb".')
    try:
        return decode(content)
    except ValueError as error:
        raise ValueError(f'{name}: {error}.') from error
