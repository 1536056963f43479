"""Where images come from: files, videos, cameras and streams."""
import glob
import math
import os
import re
import sys
import typing
from collections import abc

import cv2
import numpy as np

from common import threads
from datasets import image_files
from datasets import image_folder
from engine.detecting import detector

IMAGE_EXTENSIONS = image_folder.EXTENSIONS
NUM_THREADS = min(8, os.cpu_count() or 1)
# Of a video, camera or stream that does not tell.
DEFAULT_FRAMES_PER_SECOND = 25.
# So many in a row are the end, not bad frames.
MAX_FAILED_READS = 10


class Sample(typing.NamedTuple):
    """One image, or why there is none."""
    file: str           # Path, or what stands for it.
    name: str           # Of the picture made of it, with '/' for folders.
    frame: int | None   # In a video, from 0; None for a file of its own.
    pixels: np.ndarray | None  # uint8 [height, width, 3], RGB.
    fault: str | None   # One line that names the file or frame.
    found: detector.Detected | None = None


def open_source(what: str, camera_size: str | None = None,
                capture_class: type = cv2.VideoCapture) -> 'Images | Video':
    """Returns what --input means.

    Args:
      what: an image, a folder, a glob, a video, the number of a camera, or
        the address of a stream.
      camera_size: width and height to ask a camera for, as 640x480.
      capture_class: as cv2.VideoCapture.

    Raises:
      ValueError: it is none of them, or cannot be opened; or a camera_size
        is given for what is no camera.
    """
    _silence_opencv()
    source = _open(what, os.path.expanduser(what), capture_class)
    if camera_size is not None:
        if not (what.isdecimal() and source.is_live):
            raise ValueError(f'--camera_size={camera_size}: --input={what} '
                             'is no camera; leave the flag out.')
        source.set_size(camera_size)
    return source


def _open(what, path, capture_class):
    if os.path.isdir(path):
        paths = sorted(
            os.path.join(path, name) for name in os.listdir(path)
            if name.lower().endswith(IMAGE_EXTENSIONS) and name[0] != '.')
        if not paths:
            raise ValueError(f'--input={what}: the folder has no image; they '
                             f'end in {", ".join(IMAGE_EXTENSIONS)}.')
        return Images(paths)
    if os.path.isfile(path):
        if (path.lower().endswith(IMAGE_EXTENSIONS)
                or cv2.haveImageReader(path)):
            return Images([path])
        return Video(path, path, capture_class, is_live=False)
    if what.isdecimal():
        return Video(int(what), f'camera_{what}', capture_class, is_live=True)
    if '://' in what:
        return Video(what, 'stream', capture_class, is_live=True)
    paths = [path for path in sorted(glob.glob(path, recursive=True))
             if os.path.isfile(path)]
    if not paths:
        raise ValueError(
            f'--input={what}: no such file, folder or pattern; a camera is a '
            'number, a stream an address such as rtsp://host/path.')
    return Images(paths)


def _silence_opencv():
    """Switches OpenCV's and FFmpeg's notes off; what matters is a fault."""
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    # The first is OpenCV's until 4.11; 0 is silent.
    (getattr(cv2, 'setLogLevel', None) or cv2.utils.logging.setLogLevel)(0)


class Images:
    """Files of images, which are read ahead by several threads.

    Attributes:
      files: their paths.
      names: of the pictures that are made of them; unlike the paths they
        begin where those differ.
      num: how many there are.
    """
    is_live = False

    def __init__(self, files: list[str]):
        self.files = files
        root = os.path.commonpath(
            [os.path.dirname(os.path.abspath(path)) for path in files])
        self.names = [os.path.relpath(path, root).replace(os.sep, '/')
                      for path in files]
        self.num = len(files)

    def samples(self) -> abc.Iterator[Sample]:
        """Yields a Sample of each file."""
        with image_files.ImageReader() as reader:
            def read(entry):
                path, name = entry
                try:
                    pixels, fault = reader.read(path), None
                except (ValueError, OSError) as error:
                    folder = os.path.dirname(path) or '.'
                    if not os.path.isdir(folder):
                        raise ValueError(
                            f'{folder} has gone since the images in it were '
                            'listed.') from None
                    pixels, fault = None, str(error)
                return Sample(path, name, None, pixels, fault)

            yield from threads.map_ahead(
                read, zip(self.files, self.names, strict=True), NUM_THREADS,
                2 * NUM_THREADS)


class Video:
    """The frames of a video file, a camera or a stream.

    Attributes:
      files: its path, or what stands for it, a list of one; without a
        password.
      name: of the video that is made of it, without ending.
      num: how many frames it says it has, None if it does not end.
      is_live: whether frames come at their own pace.
      frames_per_second: as it says, else DEFAULT_FRAMES_PER_SECOND.
    """

    def __init__(self, target: str | int, name: str, capture_class: type,
                 is_live: bool):
        self._file = re.sub('//[^/@]*@', '//', str(target))
        self.files = [self._file]
        self.name = os.path.splitext(os.path.basename(name))[0]
        self._capture = capture_class(target)
        if not self._capture.isOpened():
            self._capture.release()
            raise ValueError(
                f'--input={self._file}: cannot be opened; neither an image '
                'nor a video, camera or stream that OpenCV can read.')
        self.is_live = is_live
        num = self._get(cv2.CAP_PROP_FRAME_COUNT)
        self.num = int(num) if num >= 1 and not is_live else None
        rate = self._get(cv2.CAP_PROP_FPS)
        self.frames_per_second = (
            rate if 0 < rate <= 1000 else DEFAULT_FRAMES_PER_SECOND)

    def set_size(self, size: str):
        """Asks a camera for a size, as 640x480; says what it gives instead.

        Raises:
          ValueError: this is no size.
        """
        match = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', size)
        if match is None:
            raise ValueError(f'--camera_size={size}: give width and height '
                             'in pixels, such as 640x480.')
        keys = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
        for key, value in zip(keys, match.groups(), strict=True):
            self._capture.set(key, int(value))
        given = 'x'.join(str(int(self._get(key))) for key in keys)
        if given not in (size, '0x0'):
            print(f'--camera_size={size}: camera {self._file} gives {given}.',
                  file=sys.stderr, flush=True)

    def samples(self) -> abc.Iterator[Sample]:
        """Yields a Sample of each frame, bad ones too."""
        try:
            number, failed = 0, []
            while len(failed) < MAX_FAILED_READS:
                pixels = self._read()
                if pixels is None:
                    failed.append(number)
                else:
                    # With a good one after them, they were not the end.
                    for bad in failed:
                        yield self._sample(
                            bad, fault=f'frame {bad} cannot be read.')
                    failed = []
                    yield self._sample(number, pixels)
                number += 1
            num_read = number - len(failed)
            if self.num is not None and num_read < self.num:
                yield self._sample(num_read, fault=(
                    f'ends after {num_read} of {self.num} frames.'))
        finally:
            self._capture.release()

    def _read(self):
        """Returns the next frame, uint8 [h, w, 3], RGB; None if it is bad."""
        try:
            is_read, frame = self._capture.read()
            if not is_read or frame is None or frame.size == 0:
                return None
            code = (cv2.COLOR_GRAY2RGB if frame.ndim == 2
                    else cv2.COLOR_BGR2RGB)
            return cv2.cvtColor(frame, code)
        except cv2.error:
            return None

    def _sample(self, number, pixels=None, fault=None):
        return Sample(self._file, self.name, number, pixels,
                      fault and f'{self._file}: {fault}')

    def _get(self, key):
        value = self._capture.get(key)
        return value if math.isfinite(value) else 0.
