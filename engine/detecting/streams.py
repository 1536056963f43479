"""Live sources: cameras and streams, of which the newest frame is wanted.

A thread reads all frames, as they come, and keeps the last one. What nobody
took before the next came is passed over, so that nothing grows: neither the
memory nor the age of what is shown.
"""
import re
import sys
import threading
import time
from collections import abc

import cv2

from common import threads
from engine.detecting import captures
from engine.detecting import detections

# Without a new frame, so often a Sample tells that time passes.
SECONDS_OF_WAIT = 1
# What is opened so long before it is read has old frames waiting; a camera's
# driver keeps so many.
SECONDS_OF_BACKLOG, _NUM_BUFFERS = 1, 4
# Between two tries to open again, growing; and when they end.
FIRST_PAUSE, LAST_PAUSE, SECONDS_TO_GIVE_UP = 1, 10, 600


class Live:
    """The newest frame of a camera or stream, whenever one is asked for.

    Attributes:
      file, files: what is read, without a password; a list of it.
      name: for the video that is made of it, without ending.
      frames_per_second: of that video.
      start_seconds, end_seconds: 0 is the first frame; how long it ran.
      passed_over: frames that nobody took before the next one.
    """
    is_live = is_video = True
    num = sound_file = None
    start_seconds = 0.

    def __init__(self, target: str | int, name: str,
                 open_capture: captures.Open, capture: cv2.VideoCapture,
                 camera_size: str | None = None,
                 max_seconds: float | None = None,
                 clock: abc.Callable[[], float] = time.monotonic):
        """Takes the open capture of a target, and closes it in the end.

        Raises:
          ValueError: camera_size is no size.
        """
        self.file = captures.shown(target)
        self.files, self.name = [self.file], name
        self._blank = detections.Sample(self.file, name)
        self._target, self._open_capture = target, open_capture
        self._capture, self._size = capture, camera_size
        self._max_seconds = float('inf') if max_seconds is None else max_seconds
        self._clock = clock
        self.end_seconds, self.passed_over = 0., 0
        if camera_size is not None:
            self._check_size()
        self.frames_per_second = (
            captures.frames_per_second(capture)
            or captures.DEFAULT_FRAMES_PER_SECOND)
        # What the thread leaves behind, under the condition's lock.
        self._changed = threading.Condition()
        self._waiting, self._is_ended, self._error = [], False, None
        self._stop = threading.Event()
        # Of the first frame, and of the last one or of the beginning.
        self._started, self._last = None, clock()
        self._num = 0

    def samples(self) -> abc.Iterator[detections.Sample]:
        """Yields a Sample of the newest frame, as soon as there is one.

        It waits for it; meanwhile, every SECONDS_OF_WAIT, one says the time.
        """
        reader = threading.Thread(target=self._read_all, daemon=True)
        reader.start()
        try:
            while self._now() < self._max_seconds:
                samples, is_ended = self._take()
                for sample in samples:
                    if sample.fault is not None or (
                            sample.seconds < self._max_seconds):
                        yield sample
                if not samples:
                    if is_ended:
                        break
                    yield self._blank._replace(seconds=self._now())
        finally:
            self.end_seconds = min(self._now(), self._max_seconds)
            self._stop.set()
            reader.join(threads.SECONDS_TO_STOP)
            self._pass_over()
            if self._error is not None:
                raise self._error

    def age(self, sample: detections.Sample) -> float:
        """Returns for how many seconds a frame has been there."""
        return self._now() - sample.seconds

    def account(self) -> dict[str, float]:
        """Returns what detections.json says of it."""
        return {'end_seconds': round(self.end_seconds, 3),
                'passed_over': self.passed_over}

    def _now(self):
        """Returns the seconds since the first frame."""
        return 0. if self._started is None else self._clock() - self._started

    def _take(self):
        """Waits; returns the Samples that are new, whether that is all."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting or self._is_ended,
                min(SECONDS_OF_WAIT, self._max_seconds - self._now()))
            taken, self._waiting = self._waiting, []
            return taken, self._is_ended

    def _read_all(self):
        """Reads until it is told to stop, or nothing comes any more."""
        failed = 0
        try:
            self._drop_backlog()
            self._last = self._clock()
            while not self._stop.is_set():
                pixels = captures.read(self._capture)
                if pixels is not None:
                    self._note_bad_frames(failed)
                    failed = 0
                    self._put(pixels)
                    continue
                self._num += 1
                failed += 1
                if failed >= captures.MAX_FAILED_READS or (
                        self._silence() > captures.SECONDS_OF_STALL):
                    failed = 0
                    if self._started is None or not self._open_again():
                        break
        except BaseException as error:  # Raised where samples are taken.
            self._error = error
        finally:
            self._capture.release()
            with self._changed:
                self._is_ended = True
                self._changed.notify()

    def _drop_backlog(self):
        """Leaves the frames that have waited since it was opened."""
        if self._silence() <= SECONDS_OF_BACKLOG:
            return
        if isinstance(self._target, int):  # Slow to be opened again.
            for _ in range(_NUM_BUFFERS):
                captures.grab(self._capture)
        else:
            self._capture.release()
            self._capture = self._open_capture(self._target)

    def _open_again(self):
        """Tries until a frame comes; returns whether one has come."""
        self._note('no frame comes any more; it is opened again.')
        pause = FIRST_PAUSE
        self._capture.release()
        while not self._stop.wait(pause):
            if self._silence() > SECONDS_TO_GIVE_UP:
                self._note('nothing came for '
                           f'{self._silence():.0f} seconds; it is given up.')
                return False
            self._capture = self._open_capture(self._target)
            if self._capture.isOpened():
                if self._size is not None:
                    self._ask_for_size()
                pixels = captures.read(self._capture)
                if pixels is not None:
                    self._note(f'frames come again, after '
                               f'{self._silence():.0f} seconds.')
                    self._put(pixels)
                    return True
            self._capture.release()
            pause = min(2 * pause, LAST_PAUSE)
        return False

    def _put(self, pixels):
        """Leaves a frame to be taken, in place of one that was not."""
        with self._changed:
            self._last = self._clock()
            if self._started is None:
                self._started = self._last
            self._pass_over()
            self._waiting.append(self._blank._replace(
                frame=self._num, seconds=self._last - self._started,
                passed_over=self.passed_over, pixels=pixels))
            self._num += 1
            self._changed.notify()

    def _pass_over(self):
        """Drops the frame that waits, if there is one."""
        notes = [sample for sample in self._waiting if sample.fault is not None]
        self.passed_over += len(self._waiting) - len(notes)
        self._waiting = notes

    def _silence(self):
        """Returns the seconds since the last frame."""
        return self._clock() - self._last

    def _note_bad_frames(self, num):
        for number in range(self._num - num, self._num):
            self._note(f'frame {number} cannot be read.')

    def _note(self, text):
        with self._changed:
            self._waiting.append(self._blank._replace(
                fault=f'{self.file}: {text}'))
            self._changed.notify()

    def _check_size(self):
        """Asks a camera for a size, as 640x480; says what it gives instead."""
        if not re.fullmatch(r'[1-9]\d*x[1-9]\d*', self._size):
            raise ValueError(f'--camera_size={self._size}: give width and '
                             'height in pixels, such as 640x480.')
        given = self._ask_for_size()
        if given not in (self._size, '0x0'):
            print(f'--camera_size={self._size}: camera {self.file} gives '
                  f'{given}.', file=sys.stderr, flush=True)

    def _ask_for_size(self):
        """Returns the size that is given."""
        keys = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
        for key, value in zip(keys, self._size.split('x'), strict=True):
            self._capture.set(key, int(value))
        return 'x'.join(str(int(captures.number(self._capture, key)))
                        for key in keys)
