"""OpenCV's captures: of a video file, a camera or a stream."""
import glob
import math
import os
import re
import sys
from collections import abc

import cv2
import numpy as np

# Of what does not tell; and the most that is believed.
DEFAULT_FRAMES_PER_SECOND, MAX_FRAMES_PER_SECOND = 25., 240.
# So many bad reads in a row are the end, not bad frames.
MAX_FAILED_READS = 10
# After which a stream counts as broken.
SECONDS_OF_STALL = 10
_PASSWORD = re.compile('((?:pass(?:word|wd)?|pwd|token)=)[^&/]+', re.I)
# What opens: a path, an address or the number of a camera -> a capture.
Open = abc.Callable[[str | int], cv2.VideoCapture]


def open_capture(target: str | int) -> cv2.VideoCapture:
    """Returns a capture; where that is impossible, it is not open."""
    # OpenCV's and FFmpeg's notes are off; what matters is a fault. The first
    # name is OpenCV's until 4.11; 0 is silent.
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    (getattr(cv2, 'setLogLevel', None) or cv2.utils.logging.setLogLevel)(0)
    if isinstance(target, int):
        return cv2.VideoCapture(target)
    capture = _open(target)
    # Phones film on their side; OpenCV 4.11 turns that only where it is told.
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def _open(target):
    """Returns the capture of a file or an address."""
    if not is_address(target):
        # FFmpeg takes what is before a : for a protocol.
        return cv2.VideoCapture(os.path.abspath(target))
    if not cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG):
        return cv2.VideoCapture(target)
    milliseconds = int(1000 * SECONDS_OF_STALL)
    return cv2.VideoCapture(target, cv2.CAP_FFMPEG, [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds])


def is_address(target: str) -> bool:
    """Whether this is the address of a stream and no file."""
    return '://' in target and not os.path.exists(target)


def shown(target: str | int) -> str:
    """Returns a path or an address for messages, without its password."""
    text = str(target)
    if '://' not in text:
        return text
    # Some cameras are told it among others: /user=admin&password=secret.
    return _PASSWORD.sub(r'\1***', re.sub('//[^/]*@', '//', text))


def why_not_open(target: str | int) -> str:
    """Returns what to say where a capture is not open."""
    if isinstance(target, int):
        here = sorted(int(path[len('/dev/video'):])
                      for path in glob.glob('/dev/video[0-9]*'))
        cameras = (f' Here are: {", ".join(map(str, here)) or "none"}.'
                   if sys.platform == 'linux' else '')
        return (f'there is no camera {target}, or another program uses it.'
                + cameras)
    if is_address(target):
        return ('no stream that OpenCV can read; is the address right, and '
                'does it send?')
    return ('cannot be opened; neither an image nor a video that OpenCV can '
            'read, or one cut off before its end.')


def number(capture: cv2.VideoCapture, key: int) -> float:
    """Returns a property; 0 where it is unknown."""
    value = capture.get(key)
    return value if math.isfinite(value) else 0.


def frames_per_second(capture: cv2.VideoCapture) -> float:
    """Returns the rate that is told; 0 where it cannot be."""
    rate = number(capture, cv2.CAP_PROP_FPS)
    return rate if 0 < rate <= MAX_FRAMES_PER_SECOND else 0.


def grab(capture: cv2.VideoCapture) -> bool:
    """Goes to the next frame; returns whether it is there."""
    try:
        return capture.grab()
    except cv2.error:
        return False


def retrieve(capture: cv2.VideoCapture) -> np.ndarray | None:
    """Returns the frame, uint8 [height, width, 3], RGB; None if it is bad."""
    try:
        is_read, frame = capture.retrieve()
        if not is_read or frame is None or frame.size == 0:
            return None
        return cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if frame.ndim == 2
                            else cv2.COLOR_BGR2RGB)
    except cv2.error:
        return None


def read(capture: cv2.VideoCapture) -> np.ndarray | None:
    """Returns the next frame as `retrieve`."""
    return retrieve(capture) if grab(capture) else None
