"""A window that shows pictures, where there is a display."""
import os
import sys

import cv2
import numpy as np

TITLE = 'detections'
_QUIT_KEYS = (ord('q'), 27)  # 27 is Escape.
_MILLISECONDS_TO_LOOK_UP = 50


class Window:
    """Shows pictures; q, Escape or closing it ends that."""

    def __init__(self, waits: bool):
        """Opens the window.

        Args:
          waits: whether each picture stays until a key is pressed.

        Raises:
          ValueError: if there is no display, or OpenCV is without windows.
        """
        self._waits = waits
        if not cv2.currentUIFramework():
            raise ValueError(
                '--show: this OpenCV has no windows; replace it: pip '
                'uninstall opencv-python-headless, pip install '
                'opencv-python. Or leave the flag out.')
        # Without a display, OpenCV's Qt would end the whole process.
        if sys.platform == 'linux' and not (
                os.environ.get('DISPLAY')
                or os.environ.get('WAYLAND_DISPLAY')):
            raise ValueError(
                '--show: there is no display (DISPLAY is not set); leave the '
                'flag out, the pictures are written all the same.')
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)

    def show(self, picture: np.ndarray) -> bool:
        """Shows a picture, uint8 RGB; returns False if that was the last."""
        cv2.imshow(TITLE, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        while True:
            key = cv2.waitKey(_MILLISECONDS_TO_LOOK_UP if self._waits else 1)
            if (key >= 0 and key & 0xFF in _QUIT_KEYS or
                    cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1):
                return False
            if key >= 0 or not self._waits:
                return True

    def close(self):
        """Closes the window."""
        cv2.destroyAllWindows()
