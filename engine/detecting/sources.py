"""Where images come from: files, videos, cameras and streams."""
import collections
import glob
import math
import os
import re

import cv2

from common import threads
from datasets import image_files
from datasets.voc import folders

IMAGE_EXTENSIONS = (*folders.IMAGE_EXTENSIONS, '.gif', '.jp2', '.pgm',
                    '.ppm', '.tif', '.tiff', '.webp')
NUM_THREADS = min(8, os.cpu_count() or 1)
# Of a video, camera or stream that does not tell.
DEFAULT_FRAMES_PER_SECOND = 25.
# So many in a row are the end, not bad frames.
MAX_FAILED_READS = 10

# One image, or why there is none.
#   file: path, or what stands for it.
#   name: of the picture that is made of it, with '/' for folders.
#   frame: number in a video, from 0; None for a file of its own.
#   pixels: uint8 [height, width, 3], RGB; or None.
#   fault: one line that names the file or frame; or None.
Sample = collections.namedtuple('Sample', 'file name frame pixels fault')


def open_source(what, capture_class=cv2.VideoCapture):
    """Returns the Images or the Video that --input means.

    Args:
      what: an image, a folder, a glob, a video, the number of a camera, or
        the address of a stream.
      capture_class: as cv2.VideoCapture.

    Raises:
      ValueError: it is none of them, or cannot be opened.
    """
    _silence_opencv()
    path = os.path.expanduser(what)
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
    if hasattr(cv2, 'setLogLevel'):  # Until OpenCV 4.11.
        cv2.setLogLevel(0)
    else:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class Images:
    """Files of images, which are read ahead by several threads.

    Attributes:
      files: their paths.
      names: of the pictures that are made of them; unlike the paths they
        begin where those differ.
      num: how many there are.
    """
    is_live = False

    def __init__(self, files):
        self.files = files
        root = os.path.commonpath(
            [os.path.dirname(os.path.abspath(path)) for path in files])
        self.names = [os.path.relpath(path, root).replace(os.sep, '/')
                      for path in files]
        self.num = len(files)

    def samples(self):
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
      file: its path, or what stands for it; without a password.
      name: of the video that is made of it, without ending.
      num: how many frames it says it has, None if it does not end.
      is_live: whether frames come at their own pace.
      frames_per_second: as it says, else DEFAULT_FRAMES_PER_SECOND.
    """

    def __init__(self, target, name, capture_class, is_live):
        self.file = re.sub('//[^/@]*@', '//', str(target))
        self.name = os.path.splitext(os.path.basename(name))[0]
        self._capture = capture_class(target)
        if not self._capture.isOpened():
            self._capture.release()
            raise ValueError(
                f'--input={self.file}: cannot be opened; neither an image '
                'nor a video, camera or stream that OpenCV can read.')
        self.is_live = is_live
        num = self._get(cv2.CAP_PROP_FRAME_COUNT)
        self.num = int(num) if num >= 1 and not is_live else None
        rate = self._get(cv2.CAP_PROP_FPS)
        self.frames_per_second = (
            rate if 0 < rate <= 1000 else DEFAULT_FRAMES_PER_SECOND)

    def samples(self):
        """Yields a Sample of each frame, bad ones too."""
        try:
            number, failed = 0, []
            while len(failed) < MAX_FAILED_READS:
                pixels = self._read()
                if pixels is None:
                    failed.append(number)
                else:
                    # With a good one after them, they were not the end.
                    yield from map(self._fault, failed)
                    failed = []
                    yield Sample(self.file, self.name, number, pixels, None)
                number += 1
            num_read = number - len(failed)
            if self.num is not None and num_read < self.num:
                yield Sample(
                    self.file, self.name, num_read, None,
                    f'{self.file}: ends after {num_read} of {self.num} '
                    'frames.')
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

    def _fault(self, number):
        return Sample(self.file, self.name, number, None,
                      f'{self.file}: frame {number} cannot be read.')

    def _get(self, key):
        value = self._capture.get(key)
        return value if math.isfinite(value) else 0.
