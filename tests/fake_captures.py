"""A camera that gives what is listed, in place of OpenCV's captures."""
import threading

import cv2

# After which a test fails instead of waiting for ever.
SECONDS = 60


class Camera:
    """Gives what is listed in turn; an exception is raised.

    A frame waits until `taken` is called for the one before, so that none is
    passed over. With a num of frames it is a recording: each capture of it
    begins anew, and nothing waits.
    """
    largest = {cv2.CAP_PROP_FRAME_WIDTH: 1280, cv2.CAP_PROP_FRAME_HEIGHT: 720}

    def __init__(self, reads, num=0, rate=12., milliseconds=None):
        self.reads, self.is_released = list(reads), False
        self.values = {cv2.CAP_PROP_FPS: rate, cv2.CAP_PROP_FRAME_COUNT: num,
                       cv2.CAP_PROP_POS_MSEC: 0.}
        self.milliseconds = milliseconds and list(milliseconds)
        self.targets, self._frame = [], None
        self._again = reads, num, rate, milliseconds
        self._places = None if num else threading.Semaphore(1)

    def __call__(self, target):
        self.targets.append(target)
        return self if self._places else Camera(*self._again)

    def isOpened(self):  # noqa: N802 (as in OpenCV)
        return True

    def get(self, key):
        return self.values[key]

    def set(self, key, value):
        self.values[key] = min(value, self.largest[key])

    def grab(self):
        self._frame = self.reads.pop(0) if self.reads else None
        if isinstance(self._frame, BaseException):
            raise self._frame
        if self._frame is None:
            return False
        if self.milliseconds:
            self.values[cv2.CAP_PROP_POS_MSEC] = self.milliseconds.pop(0)
        if self._places is not None and self._frame.size:
            assert self._places.acquire(timeout=SECONDS)
        return True

    def taken(self):
        if self._places is not None:
            self._places.release()

    def retrieve(self):
        return True, self._frame

    def release(self):
        self.is_released = True
