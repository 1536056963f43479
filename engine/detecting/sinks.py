"""Where detections go: pictures, a video, VOC annotations, detections.json.

A sink is made after a look at what it would overwrite; `opened` is the block
in which it is written to. Files appear whole, a video at the end of that.
"""
import collections
import contextlib
import json
import os
import time
from collections import abc

import cv2
import numpy as np

from common import drawing
from common import files
from datasets import samples
from datasets.voc import annotations
from engine.detecting import sources

JSON_NAME = 'detections.json'
# Frames over which their rate is measured.
NUM_FRAMES_OF_RATE = 60
# Colors at full resolution: lines are thin.
_JPEG_OPTIONS = (
    cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)


def make(source: sources.Images | sources.Video, output_dir: str,
         output_name: str | None = None,
         save_xml: bool = False) -> 'PictureFiles | VideoFile':
    """Returns the sink for what a source gives.

    Args:
      source: where images come from.
      output_dir: folder.
      output_name: of the picture or video of a single input; None for the
        input's.
      save_xml: whether to write Annotations/<name>.xml of images.

    Raises:
      ValueError: an input or a corrected annotation would be overwritten, or
        output_name and save_xml do not fit the source.
    """
    if output_name is not None and (
            not output_name or os.path.basename(output_name) != output_name):
        raise ValueError(f'--output_name={output_name}: give the name of a '
                         'file; --output_dir is for the folder.')
    sink = (VideoFile if isinstance(source, sources.Video) else PictureFiles)(
        source, output_dir, output_name, save_xml)
    inputs = {os.path.realpath(path) for path in source.files}
    for path in sink.paths:
        if os.path.realpath(path) in inputs:
            raise ValueError(
                f'--output_dir={output_dir}: {path} would be overwritten, '
                'which is an input; give another folder.')
    return sink


class PictureFiles:
    """An annotated picture of each image, and its VOC XML if wanted.

    Attributes:
      paths: of the pictures.
      made: what is made, in words.
    """

    def __init__(self, source, output_dir, output_name, save_xml):
        if output_name is not None and source.num > 1:
            raise ValueError(
                f'--output_name={output_name}: --input has {source.num} '
                'images; the name is for the picture of one.')
        self._pictures, self._annotations = {}, {}
        for name in source.names:
            path = os.path.join(output_dir, output_name or name)
            self._pictures[name] = (
                path if cv2.haveImageWriter(path) else path + '.png')
            # Flat, as VOC and the conversion have them.
            stem = os.path.splitext(name)[0].replace('/', '_')
            if save_xml:
                self._annotations[name] = os.path.join(
                    output_dir, 'Annotations', f'{stem}.xml')
        self.paths = list(self._pictures.values())
        self.made = (os.path.basename(self.paths[0]) if output_name
                     else 'pictures') + ', Annotations' * save_xml
        self._check_annotations()

    def opened(self) -> contextlib.AbstractContextManager:
        """Returns the block to write in."""
        return contextlib.nullcontext()

    def prepare(self, sample: sources.Sample) -> tuple[np.ndarray, bytes]:
        """Draws, encodes; any thread. Returns the picture and its bytes."""
        picture = _draw(sample)
        extension = os.path.splitext(self._pictures[sample.name])[1]
        content = cv2.imencode(
            extension, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
            _JPEG_OPTIONS if extension.lower() in ('.jpg', '.jpeg') else ())[1]
        return picture, content.tobytes()

    def write(self, sample: sources.Sample,
              prepared: tuple[np.ndarray, bytes]) -> np.ndarray:
        """Writes what was prepared; returns the picture, uint8 RGB."""
        picture, content = prepared
        files.write_whole(self._pictures[sample.name], [content])
        if self._annotations:
            files.write_whole(
                self._annotations[sample.name],
                [annotations.format_annotation(to_annotation(sample))])
        return picture

    def _check_annotations(self):
        taken = {}
        for name, path in self._annotations.items():
            other = taken.setdefault(path, name)
            if other is not name:
                raise ValueError(
                    f'--save_xml: {other} and {name} would have the same '
                    f'annotation, {path}; give one of them another name.')
            if os.path.exists(path):
                raise ValueError(
                    f'--save_xml: {path} is there already and may have been '
                    'corrected by hand; give another --output_dir.')


class VideoFile:
    """An annotated video, with the frames per second that were reached.

    Attributes:
      paths: of the file, a list of one.
      made: its name.
    """

    def __init__(self, source, output_dir, output_name, save_xml):
        if save_xml:
            raise ValueError(f'--save_xml: {source.files[0]} is a video, whose '
                             'frames are not files; leave the flag out.')
        name = output_name or source.name
        self.made = name if name.lower().endswith('.mp4') else f'{name}.mp4'
        self.paths = [os.path.abspath(os.path.join(output_dir, self.made))]
        self._frames_per_second = source.frames_per_second
        self._writer = self._size = None
        self._num_frames = 0
        self._times = collections.deque(maxlen=NUM_FRAMES_OF_RATE)

    @contextlib.contextmanager
    def opened(self) -> abc.Iterator[None]:
        """The block to write in; the time of the frames begins.

        Raises:
          OSError: at its end, if the file lacks frames. OpenCV does not say
            what it cannot write.
        """
        with files.whole(self.paths[0]) as self._partial_path:
            self._times.append(time.monotonic())
            try:
                yield
            finally:
                if self._writer is not None:
                    self._writer.release()
            capture = cv2.VideoCapture(self._partial_path)
            num = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            capture.release()
            if num != self._num_frames:
                raise OSError(f'{self.paths[0]}: holds {num} of '
                              f'{self._num_frames} frames; is the disk full?')

    def prepare(self, sample: sources.Sample) -> np.ndarray:
        """Draws; any thread. Returns the picture."""
        return _draw(sample)

    def write(self, sample: sources.Sample,
              prepared: np.ndarray) -> np.ndarray:
        """Writes a frame with the rate on it; returns the picture."""
        del sample
        self._times.append(time.monotonic())
        seconds = max(self._times[-1] - self._times[0], 1e-6)
        drawing.draw_text(
            prepared, f'{(len(self._times) - 1) / seconds:.1f} fps')
        frame = cv2.cvtColor(prepared, cv2.COLOR_RGB2BGR)
        if self._writer is None:
            self._size = frame.shape[1::-1]
            self._writer = cv2.VideoWriter(
                self._partial_path, cv2.VideoWriter_fourcc(*'mp4v'),
                self._frames_per_second, self._size)
            if not self._writer.isOpened():
                raise OSError(f'{self.paths[0]}: OpenCV cannot write this '
                              'video of {} x {} pixels.'.format(*self._size))
        if frame.shape[1::-1] != self._size:  # A stream may change its size.
            frame = cv2.resize(frame, self._size)
        self._writer.write(frame)
        self._num_frames += 1
        return prepared


class JsonFile:
    """Writes detections.json as they come: any number fits in memory.

    The file, UTF-8, is an object. `images` has for each image its file, frame
    (of a video, from 0), size, boxes ([ymin, xmin, ymax, xmax] in pixels),
    scores and names; `unreadable` has a line for each that could not be read.

    Attributes:
      num_images, num_objects: written so far.
      faults: lines, one for each image that could not be read.
    """

    def __init__(self, file):
        self.num_images = self.num_objects = 0
        self.faults = []
        self._file = file

    @classmethod
    @contextlib.contextmanager
    def opened(cls, output_dir: str, **header) -> abc.Iterator['JsonFile']:
        """The block to write in; header: what else the object says."""
        with files.whole(os.path.join(output_dir, JSON_NAME)) as path, open(
                path, 'w', encoding='utf-8') as file:
            report = cls(file)
            file.write(f'{_dumps(header)[:-1]},\n"images": [')
            yield report
            file.write(f'\n],\n"unreadable": {_dumps(report.faults)}}}\n')

    def add(self, sample: sources.Sample):
        """Writes what was found in an image, one line."""
        record = {'file': sample.file}
        if sample.frame is not None:
            record['frame'] = sample.frame
        found = sample.found
        record |= {
            'size': dict(zip(('height', 'width'), found.size, strict=True)),
            'boxes': np.round(found.bboxes.astype(float), 2).tolist(),
            'scores': np.round(found.scores.astype(float), 4).tolist(),
            'names': found.names}
        self._file.write(
            ',' * bool(self.num_images) + f'\n{_dumps(record)}')
        self.num_images += 1
        self.num_objects += len(found.names)


def to_annotation(sample: sources.Sample) -> annotations.Annotation:
    """Returns what was found in an image file, in whole pixels."""
    height, width = sample.found.size
    objects = []
    for name, bbox in zip(sample.found.names, np.round(sample.found.bboxes),
                          strict=True):
        ymin, xmin, ymax, xmax = bbox.tolist()
        # A bbox without area would be refused where it is trained on.
        ymin, xmin = min(ymin, height - 1), min(xmin, width - 1)
        ymax, xmax = max(ymax, ymin + 1), max(xmax, xmin + 1)
        objects.append(samples.Object(
            name, (xmin, ymin, xmax, ymax), difficult=0, truncated=0))
    return annotations.Annotation(sample.name, height, width, tuple(objects))


def _draw(sample):
    return drawing.draw_bboxes(
        sample.pixels, sample.found.bboxes, sample.found.class_ids,
        sample.found.names, sample.found.scores)


def _dumps(value):
    return json.dumps(value, ensure_ascii=False)
