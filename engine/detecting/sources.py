"""Where images come from: files, videos, cameras and streams.

A source has `files`, the paths or the address that it reads (without a
password), `num`, how many images there are, None if that does not end, and
`is_live`, whether they come at their own pace.
"""
import glob
import math
import os
import re
import sys
import typing
from collections import abc

import cv2
import numpy as np

from common import files
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
    frame: int | None = None  # In a video, from 0; else a file of its own.
    pixels: np.ndarray | None = None  # uint8 [height, width, 3], RGB.
    fault: str | None = None  # One line that names the file or frame.
    found: detector.Detected | None = None


def open_source(what: str, camera_size: str | None = None,
                capture_class: type = cv2.VideoCapture) -> 'Images | Video':
    """Returns what --input, `what`, means; see options.Run.

    Raises:
      ValueError: it is nothing of that, or cannot be opened; or camera_size
        is no size, or given for what is no camera.
    """
    # OpenCV's and FFmpeg's notes are off; what matters is a fault. The first
    # name is OpenCV's until 4.11; 0 is silent.
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    (getattr(cv2, 'setLogLevel', None) or cv2.utils.logging.setLogLevel)(0)
    path = what if '://' in what else files.user_path(what)
    is_there = os.path.exists(path)
    is_camera = what.isdecimal() and not is_there
    if camera_size is not None and not is_camera:
        raise ValueError(f'--camera_size={camera_size}: --input={what} is no '
                         'camera; leave the flag out.')
    if is_camera:
        return Video(int(what), f'camera_{what}', capture_class, True,
                     camera_size)
    if '://' in what and not is_there:
        return Video(what, 'stream', capture_class, is_live=True)
    if os.path.isfile(path) and not path.lower().endswith(
            IMAGE_EXTENSIONS) and not cv2.haveImageReader(path):
        # FFmpeg takes what is before a : for a protocol.
        return Video(
            path, path, lambda path: capture_class(os.path.abspath(path)),
            is_live=False)
    return Images(_image_paths(what, path))


def _image_paths(what, path):
    """Returns the paths of the images that a file, folder or pattern means."""
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        paths = [os.path.join(path, name) for name in os.listdir(path)
                 if name.lower().endswith(IMAGE_EXTENSIONS)
                 and name[0] != '.']
        fault = ('the folder has no image; they end in '
                 f'{", ".join(IMAGE_EXTENSIONS)}.')
    else:
        folder = os.path.dirname(path)  # As far as it is there, no pattern.
        while folder and not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        paths = filter(os.path.isfile, glob.glob(
            glob.escape(folder) + path[len(folder):], recursive=True))
        fault = ('no such file, folder or pattern; a camera is a number, a '
                 'stream an address such as rtsp://host/path.')
    paths = sorted(paths)
    if not paths:
        raise ValueError(f'--input={what}: {fault}')
    return paths


class Images:
    """Files of images, which are read ahead by several threads.

    `names` are for their pictures: the paths, from where they differ on.
    """
    is_live = False

    def __init__(self, files: list[str]):
        self.files, self.num = files, len(files)
        root = os.path.commonpath(
            [os.path.dirname(os.path.abspath(path)) for path in files])
        self.names = [os.path.relpath(path, root).replace(os.sep, '/')
                      for path in files]

    def samples(self) -> abc.Iterator[Sample]:
        """Yields a Sample of each file."""
        with image_files.ImageReader() as reader:
            def read(entry):
                path, name = entry
                try:
                    return Sample(path, name, pixels=reader.read(path))
                except (ValueError, OSError) as error:
                    folder = os.path.dirname(path) or '.'
                    if not os.path.isdir(folder):
                        raise ValueError(
                            f'{folder} has gone since the images in it were '
                            'listed.') from None
                    return Sample(path, name, fault=str(error))

            yield from threads.map_ahead(
                read, zip(self.files, self.names), NUM_THREADS,
                2 * NUM_THREADS)


class Video:
    """The frames of a video file, a camera or a stream.

    `name` is for the video that is made of it, without ending.
    """

    def __init__(self, target: str | int, name: str, capture_class: type,
                 is_live: bool, camera_size: str | None = None):
        self._file = re.sub('//[^/@]*@', '//', str(target))
        self.files = [self._file]
        self.name = os.path.splitext(os.path.basename(name))[0]
        self._capture = capture_class(target)
        if not self._capture.isOpened():
            self._capture.release()
            raise ValueError(
                f'--input={self._file}: cannot be opened; neither an image '
                'nor a video, camera or stream that OpenCV can read.')
        if camera_size is not None:
            self._set_size(camera_size)
        self.is_live = is_live
        num = self._get(cv2.CAP_PROP_FRAME_COUNT)
        self.num = int(num) if num >= 1 and not is_live else None
        rate = self._get(cv2.CAP_PROP_FPS)
        self.frames_per_second = (
            rate if 0 < rate <= 1000 else DEFAULT_FRAMES_PER_SECOND)

    def _set_size(self, size):
        """Asks a camera for a size, as 640x480; says what it gives instead."""
        if not re.fullmatch(r'[1-9]\d*x[1-9]\d*', size):
            raise ValueError(f'--camera_size={size}: give width and height '
                             'in pixels, such as 640x480.')
        keys = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
        for key, value in zip(keys, size.split('x')):
            self._capture.set(key, int(value))
        given = 'x'.join(str(int(self._get(key))) for key in keys)
        if given not in (size, '0x0'):
            print(f'--camera_size={size}: camera {self._file} gives {given}.',
                  file=sys.stderr, flush=True)

    def samples(self) -> abc.Iterator[Sample]:
        """Yields a Sample of each frame, bad ones too."""
        sample = Sample(self._file, self.name)
        try:
            num, failed = 0, []
            while len(failed) < MAX_FAILED_READS:
                pixels = self._read()
                if pixels is None:
                    failed.append(num)
                else:
                    # With a good one after them, they were not the end.
                    for bad in failed:
                        yield sample._replace(frame=bad, fault=(
                            f'{self._file}: frame {bad} cannot be read.'))
                    failed = []
                    yield sample._replace(frame=num, pixels=pixels)
                num += 1
            num -= len(failed)
            if self.num is not None and num < self.num:
                yield sample._replace(frame=num, fault=(
                    f'{self._file}: ends after {num} of {self.num} frames.'))
        finally:
            self._capture.release()

    def _read(self):
        """Returns the next frame, uint8 [h, w, 3], RGB; None if it is bad."""
        try:
            is_read, frame = self._capture.read()
            if not is_read or frame is None or frame.size == 0:
                return None
            return cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if frame.ndim == 2
                                else cv2.COLOR_BGR2RGB)
        except cv2.error:
            return None

    def _get(self, key):
        value = self._capture.get(key)
        return value if math.isfinite(value) else 0.
