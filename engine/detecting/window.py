"""A window that shows pictures, where there is a display."""
import contextlib
import os
import sys
from collections import abc

import cv2
import numpy as np

TITLE = 'detections'
_QUIT_KEYS = (ord('q'), 27)  # 27 is Escape.
_MILLISECONDS_TO_LOOK_UP = 50


@contextlib.contextmanager
def opened(waits: bool,
           ) -> abc.Iterator[abc.Callable[[np.ndarray | None], bool]]:
    """Opens a window, where a picture stays until a key comes if `waits`.

    Yields:
      A function that shows a picture, uint8 [height, width, 3], RGB, or None
      for the one before, and returns False where q, Escape or closing the
      window ends that.

    Raises:
      ValueError: there is no display, or OpenCV is without windows.
    """
    if not cv2.currentUIFramework():
        raise ValueError(
            '--show: this OpenCV has no windows; replace it: pip uninstall '
            'opencv-python-headless, pip install opencv-python. Or leave the '
            'flag out.')
    # Without a display, OpenCV's Qt would end the whole process.
    if sys.platform == 'linux' and not (
            os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        raise ValueError(
            '--show: there is no display (DISPLAY is not set); leave the flag '
            'out, the pictures are written all the same.')

    def show(picture):
        is_new = picture is not None
        if is_new:
            cv2.imshow(TITLE, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        while True:
            key = cv2.waitKey(_MILLISECONDS_TO_LOOK_UP if waits else 1)
            if (key >= 0 and key & 0xFF in _QUIT_KEYS or
                    cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1):
                return False
            if key >= 0 or not waits or not is_new:
                return True

    cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
    try:
        yield show
    finally:
        cv2.destroyAllWindows()
