"""Detections as pictures: files of them, and videos."""
import collections
import os
import time

import cv2

from common import drawing
from common import files
from datasets.voc import annotations
from engine.detecting import detection_records

# Frames over which their rate is measured.
NUM_FRAMES_OF_RATE = 60
# Colors at full resolution: lines are thin.
_JPEG_OPTIONS = (
    cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)


def draw(sample, found):
    """Returns the picture of a media.Sample and its Detected, RGB."""
    return drawing.draw_bboxes(
        sample.pixels, found.bboxes, found.class_ids, found.names,
        found.scores)


class PictureFiles:
    """An annotated picture of each image, and its VOC XML if wanted."""

    def __init__(self, output_dir, source, save_xml):
        """Checks that nothing is overwritten which is not a result.

        Args:
          output_dir: folder.
          source: media.Images.
          save_xml: whether to write Annotations/<name>.xml.

        Raises:
          ValueError: a picture would overwrite an image; or an annotation
            another one.
        """
        self._output_dir = output_dir
        self._save_xml = save_xml
        inputs = {os.path.realpath(path) for path in source.files}
        for name in source.names:
            path = os.path.realpath(self._picture_path(name))
            if path in inputs:
                raise ValueError(
                    f'--output_dir={output_dir}: {path} would be '
                    'overwritten, which is an input; give another folder.')
        if save_xml:
            self._check_annotations(source.names)

    def open(self):
        """Makes the folder."""
        os.makedirs(self._output_dir, exist_ok=True)

    def prepare(self, sample, found):
        """Draws, encodes; any thread. Returns the picture and its bytes."""
        picture = draw(sample, found)
        extension = os.path.splitext(self._picture_path(sample.name))[1]
        options = (_JPEG_OPTIONS if extension.lower() in ('.jpg', '.jpeg')
                   else ())
        content = cv2.imencode(extension, _to_bgr(picture), options)[1]
        return picture, content.tobytes()

    def write(self, sample, found, prepared):
        """Writes what was prepared; returns the picture."""
        picture, content = prepared
        path = self._picture_path(sample.name)
        files.write_whole(path, [content])
        if self._save_xml:
            annotation = detection_records.to_annotation(sample.name, found)
            files.write_whole(
                self._annotation_path(sample.name),
                [annotations.format_annotation(annotation)])
        return picture

    def close(self):
        """Returns what was made, in words."""
        return 'pictures, Annotations' if self._save_xml else 'pictures'

    def _picture_path(self, name):
        if not cv2.haveImageWriter(name):
            name += '.png'
        return os.path.join(self._output_dir, name)

    def _annotation_path(self, name):
        # Flat, as VOC and the conversion have them.
        stem = os.path.splitext(name)[0].replace('/', '_')
        return os.path.join(self._output_dir, 'Annotations', f'{stem}.xml')

    def _check_annotations(self, names):
        taken = {}
        for name in names:
            path = self._annotation_path(name)
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
    """An annotated video, with the frames per second that were reached."""

    def __init__(self, output_dir, source, save_xml):
        """Checks that the source is not overwritten.

        Args:
          output_dir: folder.
          source: media.Video.
          save_xml: must be False.

        Raises:
          ValueError: the video would overwrite its source, or has no XML.
        """
        if save_xml:
            raise ValueError(f'--save_xml: {source.file} is a video, whose '
                             'frames are not files; leave the flag out.')
        self._path = os.path.abspath(
            os.path.join(output_dir, f'{source.name}.mp4'))
        # With the ending that OpenCV needs; it is renamed when it is whole.
        self._partial_path = os.path.join(
            os.path.dirname(self._path), f'{source.name}.partial.mp4')
        if os.path.realpath(self._path) == os.path.realpath(source.file):
            raise ValueError(
                f'--output_dir={output_dir}: {self._path} would be '
                'overwritten, which is the input; give another folder.')
        self._frames_per_second = source.frames_per_second
        self._writer = None
        self._size = None
        self._num_frames = 0
        self._times = collections.deque(maxlen=NUM_FRAMES_OF_RATE)

    def open(self):
        """Makes the folder; the time of the frames begins."""
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        self._times.append(time.monotonic())

    def prepare(self, sample, found):
        """Draws; any thread. Returns the picture."""
        return draw(sample, found)

    def write(self, sample, found, prepared):
        """Writes a frame with the rate on it; returns the picture."""
        del sample, found
        self._times.append(time.monotonic())
        seconds = max(self._times[-1] - self._times[0], 1e-6)
        drawing.draw_text(
            prepared, f'{(len(self._times) - 1) / seconds:.1f} fps')
        if self._writer is None:
            self._open_writer(prepared.shape[1], prepared.shape[0])
        frame = _to_bgr(prepared)
        if frame.shape[1::-1] != self._size:  # A stream may change its size.
            frame = cv2.resize(frame, self._size)
        self._writer.write(frame)
        self._num_frames += 1
        return prepared

    def close(self):
        """Ends the file; returns what was made, in words.

        Raises:
          OSError: it lacks frames. OpenCV does not say what it cannot write.
        """
        if self._writer is not None:
            self._writer.release()
            capture = cv2.VideoCapture(self._partial_path)
            num = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            capture.release()
            if num != self._num_frames:
                raise OSError(
                    f'{self._partial_path}: holds {num} of '
                    f'{self._num_frames} frames; is the disk full?')
            os.replace(self._partial_path, self._path)
        return os.path.basename(self._path)

    def _open_writer(self, width, height):
        self._size = width, height
        self._writer = cv2.VideoWriter(
            self._partial_path, cv2.VideoWriter_fourcc(*'mp4v'),
            self._frames_per_second, self._size)
        if not self._writer.isOpened():
            raise OSError(f'{self._path}: OpenCV cannot write this video of '
                          f'{width} x {height} pixels.')


def _to_bgr(picture):
    return cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
