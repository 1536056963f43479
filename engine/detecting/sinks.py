"""Where detections go: pictures, a video, VOC annotations, JSON files.

A sink is made after a look at what it would overwrite; `opened` is the block
in which it is written to: each picture is encoded, by any thread, and then
written, in order. Files appear whole, a video at the end of the block.
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
from detection import average_precision
from detection import coco_metrics
from engine.detecting import sources

JSON_NAME, COCO_NAME = 'detections.json', 'coco_detections.json'
# Frames over which their rate is measured.
NUM_FRAMES_OF_RATE = 60
# Colors at full resolution: lines are thin.
_JPEG_OPTIONS = (
    cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)


def make(source: sources.Images | sources.Video, output_dir: str,
         output_name: str | None = None,
         save_xml: bool = False) -> 'PictureFiles | VideoFile':
    """Returns the sink for what a source gives; the flags: see options.Run.

    Its `paths` are those of the files, `made` is what they are, in words.

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
    """An annotated picture of each image, and its VOC XML if wanted."""
    opened = contextlib.nullcontext

    def __init__(self, source, output_dir, output_name, save_xml):
        if output_name is not None and source.num > 1:
            raise ValueError(
                f'--output_name={output_name}: --input has {source.num} '
                'images; the name is for the picture of one.')
        # Name of an image -> path of its picture, of its annotation.
        self._pictures, self._annotations, taken = {}, {}, {}
        for name in source.names:
            path = os.path.join(output_dir, output_name or name)
            self._pictures[name] = (
                path if cv2.haveImageWriter(path) else path + '.png')
            if save_xml:
                # Flat, as VOC and the conversion have them.
                stem = os.path.splitext(name)[0].replace('/', '_')
                path = os.path.join(output_dir, 'Annotations', f'{stem}.xml')
                self._annotations[name] = path
                if taken.setdefault(path, name) is not name:
                    raise ValueError(
                        f'--save_xml: {taken[path]} and {name} would have the '
                        f'same annotation, {path}; rename one of them.')
                if os.path.exists(path):
                    raise ValueError(
                        f'--save_xml: {path} is there already and may have '
                        'been corrected by hand; give another --output_dir.')
        self.paths = list(self._pictures.values())
        self.made = (os.path.basename(self.paths[0]) if output_name
                     else 'pictures') + ', Annotations' * save_xml

    def encode(self, sample: sources.Sample, picture: np.ndarray) -> bytes:
        """Returns a picture, uint8 [height, width, 3], RGB, as its file."""
        ending = os.path.splitext(self._pictures[sample.name])[1].lower()
        return cv2.imencode(
            ending, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
            _JPEG_OPTIONS if ending in ('.jpg', '.jpeg') else ()
        )[1].tobytes()

    def write(self, sample: sources.Sample, picture: np.ndarray,
              content: bytes):
        """Writes what was encoded."""
        files.write_whole(self._pictures[sample.name], [content])
        if self._annotations:
            files.write_whole(
                self._annotations[sample.name],
                [annotations.format_annotation(to_annotation(sample))])


class VideoFile:
    """An annotated video, with the frames per second that were reached."""

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
        """The block to write in; an OSError at its end if frames are lost."""
        with files.whole(self.paths[0]) as self._partial_path:
            self._times.append(time.monotonic())
            try:
                yield
            finally:
                if self._writer is not None:
                    self._writer.release()
            # OpenCV does not say what it cannot write.
            capture = cv2.VideoCapture(self._partial_path)
            num = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            capture.release()
            if num != self._num_frames:
                raise OSError(f'{self.paths[0]}: holds {num} of '
                              f'{self._num_frames} frames; is the disk full?')

    def encode(self, sample: sources.Sample, picture: np.ndarray) -> None:
        """Leaves it to `write`: a frame's code depends on those before it."""

    def write(self, sample: sources.Sample, picture: np.ndarray,
              content: None):
        """Writes a frame, after the rate on its picture, in place."""
        self._times.append(time.monotonic())
        seconds = max(self._times[-1] - self._times[0], 1e-6)
        drawing.draw_text(
            picture, f'{(len(self._times) - 1) / seconds:.1f} fps')
        frame = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
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


class JsonFile:
    """Writes detections.json as they come: any number fits in memory.

    The file, UTF-8, is an object. `images` has for each image its file, frame
    (of a video, from 0), size, boxes ([ymin, xmin, ymax, xmax] in pixels),
    scores and names; `unreadable` has a line for each that could not be read,
    those of `faults`. `num_images` and `num_objects` are written so far.

    With the images' ids, also coco_detections.json, COCO's results.
    """

    def __init__(self, file, coco_file, image_ids):
        self.num_images = self.num_objects = 0
        self.faults = []
        self._file, self._coco_file = file, coco_file
        self._image_ids = image_ids

    @classmethod
    @contextlib.contextmanager
    def opened(cls, output_dir: str,
               image_ids: abc.Callable[[sources.Sample], int] | None = None,
               **header) -> abc.Iterator['JsonFile']:
        """The block to write in; header: what else the object says."""
        with contextlib.ExitStack() as stack:
            file, coco_file = (
                stack.enter_context(open(stack.enter_context(files.whole(
                    os.path.join(output_dir, name))), 'w', encoding='utf-8'))
                if name == JSON_NAME or image_ids is not None else None
                for name in (JSON_NAME, COCO_NAME))
            report = cls(file, coco_file, image_ids)
            file.write(f'{_dumps(header)[:-1]},\n"images": [')
            if coco_file is not None:
                coco_file.write('[')
            yield report
            file.write(f'\n],\n"unreadable": {_dumps(report.faults)}}}\n')
            if coco_file is not None:
                coco_file.write('\n]\n')

    def add(self, sample: sources.Sample):
        """Writes what was found in an image, one line."""
        found, record = sample.found, {'file': sample.file}
        if sample.frame is not None:
            record['frame'] = sample.frame
        if self._image_ids is not None:
            record['image_id'] = self._image_ids(sample)
            self._add_to_coco(record['image_id'], found)
        record |= {
            'size': dict(zip(('height', 'width'), found.size)),
            'boxes': np.round(found.bboxes.astype(float), 2).tolist(),
            'scores': np.round(found.scores.astype(float), 4).tolist(),
            'names': found.names}
        self._file.write(',' * bool(self.num_images) + f'\n{_dumps(record)}')
        self.num_images += 1
        self.num_objects += len(found.names)

    def _add_to_coco(self, image_id, found):
        rows = coco_metrics.result_rows(average_precision.Detections(
            np.full(len(found.names), image_id), found.class_ids,
            found.scores, found.bboxes))
        for number, row in enumerate(rows, self.num_objects):
            self._coco_file.write(',' * bool(number) + f'\n{_dumps(row)}')


def image_ids(source: sources.Images | sources.Video,
              ) -> abc.Callable[[sources.Sample], int]:
    """Returns what gives each sample an id, as COCO has them.

    That is the number that its file is called by, as COCO's are; unless all
    have different ones, it is 1, 2, ... in their order.
    """
    if isinstance(source, sources.Video):
        return lambda sample: sample.frame + 1
    stems = [os.path.splitext(os.path.basename(name))[0]
             for name in source.names]
    ids = ([int(stem) for stem in stems] if all(map(str.isdecimal, stems))
           else [])
    if len(set(ids)) < len(stems):
        ids = range(1, len(stems) + 1)
    by_name = dict(zip(source.names, ids))
    return lambda sample: by_name[sample.name]


def to_annotation(sample: sources.Sample) -> annotations.Annotation:
    """Returns what was found in an image file, in whole pixels."""
    found = sample.found
    bboxes = np.round(found.bboxes)
    # A bbox without area would be refused where it is trained on.
    low = np.minimum(bboxes[:, :2], np.array(found.size) - 1)
    high = np.maximum(bboxes[:, 2:], low + 1)
    return annotations.Annotation(sample.name, *found.size, tuple(
        samples.Object(name, (xmin, ymin, xmax, ymax), 0, 0)
        for name, (ymin, xmin), (ymax, xmax) in zip(
            found.names, low.tolist(), high.tolist())))


def _dumps(value):
    return json.dumps(value, ensure_ascii=False)
