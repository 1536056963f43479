"""Recordings: video files, and addresses of those that end."""
import math
from collections import abc

import cv2
import numpy as np

from engine.detecting import captures
from engine.detecting import detections

# In which a rate is looked for that loses none of them.
_NUM_FRAMES_TO_LOOK_AT = 100
# A longer time between two frames is taken for a damaged one.
MAX_SECONDS_OF_FRAME = 600
# Of a video of every n-th frame: fewer would make it longer than the recording.
_MIN_FRAMES_PER_SECOND = 5
_TOLERANCE = 1e-3  # Of times, in seconds; some formats round them to it.
# A header may count otherwise than the frames are.
_SECONDS_OF_DOUBT, _PART_OF_DOUBT = 1, .05


class Recording:
    """The frames of a video, each at its own time.

    Attributes:
      file, files: what is read, without a password; a list of it.
      name: for the video that is made of it, without ending.
      sound_file: where its sound is; None if that is not on this machine.
      num: frames to come as the header tells; None if it does not.
      frames_per_second: of a video that has room for all of them.
      start_seconds, end_seconds: from where to where it was read so far, or
        what its sink says was used of that.
    """
    is_live, is_video = False, True

    def __init__(self, target: str, name: str, open_capture: captures.Open,
                 capture: cv2.VideoCapture, every_n_frames: int = 1,
                 start: float | None = None, end: float | None = None):
        """Takes the open capture of a target, and closes it in the end."""
        self.file = captures.shown(target)
        self.files, self.name = [self.file], name
        is_here = not captures.is_address(target)
        self.sound_file = target if is_here else None
        self._capture = capture
        self._every = every_n_frames
        self.start_seconds = self.end_seconds = start or 0.
        self._end = math.inf if end is None else end
        rate = captures.frames_per_second(capture)
        num = captures.number(capture, cv2.CAP_PROP_FRAME_COUNT)
        self._seconds_told = num / rate if rate else 0.
        if is_here:
            rate = _rate_without_loss(open_capture(target), rate)
        rate = rate or captures.DEFAULT_FRAMES_PER_SECOND
        self._step = 1 / rate
        self.frames_per_second = max(
            rate / every_n_frames, min(rate, _MIN_FRAMES_PER_SECOND))
        self.num = math.ceil(num / every_n_frames) if (
            num >= 1 and start is None and end is None) else None
        # Of the frame that was read last, and what is added to what it tells.
        self._seconds, self._shift = -self._step, 0.
        self._is_begun = False  # A frame was given.

    def samples(self) -> abc.Iterator[detections.Sample]:
        """Yields a Sample of each frame that is wanted, bad ones too.

        The last one tells the time of the end alone.

        Raises:
          ValueError: no frame is between its start and its end.
        """
        blank = detections.Sample(self.file, self.name)
        number, failed = 0, []
        try:
            while len(failed) < captures.MAX_FAILED_READS:
                is_good = self._go_on()
                if is_good and self._seconds >= self._end - _TOLERANCE:
                    self._check_part(self._end)
                    self.end_seconds = self._end
                    yield blank._replace(seconds=self._end)
                    return
                pixels = None
                is_wanted = number % self._every == 0 and (
                    self._seconds >= self.start_seconds - _TOLERANCE)
                if is_good and is_wanted:
                    pixels = captures.retrieve(self._capture)
                    is_good = pixels is not None
                if is_good:
                    # With a good one after them, they were not the end.
                    for bad in failed:
                        yield blank._replace(frame=bad, fault=(
                            f'{self.file}: frame {bad} cannot be read.'))
                    failed = []
                    self.end_seconds = self._seconds + self._step
                else:
                    failed.append(number)
                if pixels is not None:
                    self._is_begun = True
                    yield blank._replace(
                        frame=number, seconds=self._seconds, pixels=pixels)
                number += 1
        finally:
            self._capture.release()
        fault = self._fault_of_end(number - len(failed))
        if fault is not None:
            yield blank._replace(frame=number - len(failed), fault=fault)
        yield blank._replace(seconds=self.end_seconds)

    def account(self) -> dict[str, float]:
        """Returns what detections.json says of it."""
        return {'start_seconds': round(self.start_seconds, 3),
                'end_seconds': round(self.end_seconds, 3)}

    def _go_on(self):
        """Goes to the next frame and its time; returns whether it is good."""
        if not captures.grab(self._capture):
            return False
        told = captures.number(self._capture, cv2.CAP_PROP_POS_MSEC) / 1000
        seconds = told + self._shift
        if not 0 < seconds - self._seconds <= MAX_SECONDS_OF_FRAME:
            # It tells none, or a damaged one: a frame as all others.
            seconds = self._seconds + self._step
            self._shift = seconds - told
        self._seconds = seconds
        return True

    def _fault_of_end(self, num):
        """Returns what is wrong with an end after so many frames, or None."""
        seconds = self._seconds + self._step
        if num:
            self._check_part(seconds)
        missing = self._seconds_told - seconds
        if missing <= max(_SECONDS_OF_DOUBT,
                          _PART_OF_DOUBT * self._seconds_told):
            return None
        return (f'{self.file}: its frames end after {seconds:.3g} seconds '
                f'({num} frames), its header says {self._seconds_told:.3g}: '
                'it is cut off, or its sound is longer.')

    def _check_part(self, end):
        """Raises ValueError if there was no frame from the start to an end."""
        if self.start_seconds >= end:
            raise ValueError(f'--start={self.start_seconds:g}: {self.file} '
                             f'ends after {end:.3g} seconds.')
        if not self._is_begun:
            raise ValueError(
                f'--input={self.file}: of its frames, {self._step:.3g} seconds '
                'apart, --start, --end and --every_n_frames leave none.')


def _rate_without_loss(capture, told):
    """Returns frames per second at which each has a place; 0 if unknown.

    With a variable rate, what a header tells is a mean, or nothing true.
    """
    milliseconds = []
    while len(milliseconds) < _NUM_FRAMES_TO_LOOK_AT and captures.grab(capture):
        milliseconds.append(captures.number(capture, cv2.CAP_PROP_POS_MSEC))
    capture.release()
    steps = np.diff(milliseconds)
    steps = steps[steps >= 1000 / captures.MAX_FRAMES_PER_SECOND]
    # Not the smallest: clocks of phones waver.
    measured = 1000 / np.percentile(steps, 10) if len(steps) else 0.
    return float(measured) if measured > 1.1 * told else told
