"""An annotated video, which plays as long as what it was made of."""
import concurrent.futures
import contextlib
import errno
import functools
import os
from collections import abc

import cv2
import numpy as np

from common import files
from engine.detecting import detections
from engine.detecting import ffmpeg
from engine.detecting import sources


class VideoFile:
    """A video at a constant rate, in which each frame has its own time.

    A frame stays until the next one comes, the last one until the end of the
    source; of those that come within one step, the last is seen.

    Attributes:
      paths: a list of its path.
      made: its name.
      notes: sentences on what it lacks, in the end.
    """

    def __init__(self, source: sources.Source, output_dir: str,
                 output_name: str | None):
        name = output_name or source.name
        self.made = name if name.lower().endswith('.mp4') else f'{name}.mp4'
        self.paths = [os.path.abspath(os.path.join(output_dir, self.made))]
        self.notes = []
        self._source, self._program = source, ffmpeg.find()
        self._add = self._size = self._picture = None
        # So far: frames, and until when the last of them is to be seen.
        self._num_frames, self._seconds = 0, 0.

    @contextlib.contextmanager
    def opened(self) -> abc.Iterator[None]:
        """The block to write in; an OSError at its end if frames are lost."""
        with files.whole(self.paths[0]) as self._partial_path:
            # Ctrl-C, which the main thread gets, would cut a frame in two.
            with contextlib.ExitStack() as self._encoding, (
                    concurrent.futures.ThreadPoolExecutor(1)) as self._thread:
                yield
                if self._picture is not None:
                    self._finish()
            if self._program is None:
                self.notes.append(
                    f'{self.made} is without sound and not for browsers '
                    f'(MPEG-4 Part 2). For both, {ffmpeg.HOW_TO_GET}')
            elif self._picture is not None and self._source.sound_file:
                self._add_sound()

    def encode(self, sample: detections.Sample, picture: np.ndarray) -> None:
        """Leaves it to `write`: a frame's code depends on those before it."""

    def write(self, sample: detections.Sample, picture: np.ndarray,
              content: None):
        """Writes a frame, uint8 [height, width, 3], RGB, from its time on."""
        self._thread.submit(self._write, sample.seconds, picture).result()
        self._seconds = sample.seconds + 1 / self._source.frames_per_second

    def wait_until(self, seconds: float):
        """Lets the last frame stay until a time of the source."""
        self._thread.submit(self._fill, seconds).result()
        self._seconds = seconds

    def _finish(self):
        """Lets the last frame stay until the end; it is seen at all."""
        if not self._source.is_live:
            # After Ctrl-C, frames were read that nothing was detected in.
            self._source.end_seconds = self._seconds
        self.wait_until(max(
            self._source.end_seconds, self._source.start_seconds
            + 1 / self._source.frames_per_second))

    def _write(self, seconds, picture):
        self._fill(seconds)
        if self._add is None:
            self._size = picture.shape[1::-1]
            encoding = _encoding if self._program is None else (
                functools.partial(ffmpeg.encoding, self._program))
            self._add = self._encoding.enter_context(encoding(
                self._partial_path, self._size,
                self._source.frames_per_second))
        if picture.shape[1::-1] != self._size:  # A stream may change its size.
            picture = cv2.resize(picture, self._size)
        self._picture = picture

    def _fill(self, seconds):
        if self._picture is None:
            return
        num = round((seconds - self._source.start_seconds)
                    * self._source.frames_per_second)
        while self._num_frames < num:
            self._add(self._picture)
            self._num_frames += 1

    def _add_sound(self):
        fault = ffmpeg.add_sound(
            self._program, self._partial_path, self._source.sound_file,
            self._source.start_seconds,
            self._num_frames / self._source.frames_per_second)
        if fault is not None:
            self.notes.append(f'{self.made} is without sound: {fault}')


@contextlib.contextmanager
def _encoding(path, size, frames_per_second):
    """Does as ffmpeg.encoding, by OpenCV alone."""
    num_frames = 0
    writer = cv2.VideoWriter(
        path, cv2.VideoWriter_fourcc(*'mp4v'), frames_per_second, size)

    def write(frame):
        nonlocal num_frames
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        num_frames += 1

    try:
        if not writer.isOpened():
            raise OSError(errno.EIO, 'OpenCV cannot write a video of {} x {} '
                          'pixels'.format(*size))
        yield write
    finally:
        writer.release()
    # OpenCV does not say what it cannot write.
    capture = cv2.VideoCapture(path)
    num = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    if num != num_frames:
        raise OSError(errno.EIO, f'only {num} of {num_frames} frames were '
                      'written (is the disk full?)')
