"""The line in a corner of a video's frames: how fast, how old."""
import collections
import time
from collections import abc

from engine.detecting import detections
from engine.detecting import sources

# Frames over which their rate is measured.
_NUM_FRAMES_OF_RATE = 60


class Status:
    """Tells of each frame, when it is shown, how the detection goes."""

    def __init__(self, source: sources.Source,
                 clock: abc.Callable[[], float] = time.monotonic):
        self._source, self._clock = source, clock
        self._times = collections.deque([clock()], _NUM_FRAMES_OF_RATE)

    def text(self, sample: detections.Sample) -> str:
        """Returns the line: detections per second; of a live source more."""
        self._times.append(self._clock())
        seconds = max(self._times[-1] - self._times[0], 1e-6)
        text = f'{(len(self._times) - 1) / seconds:.1f} fps'
        if sample.tracks is not None:
            text = ', '.join([text, *(
                f'{num} {name}' for name, num
                in sample.tracks.counts.items())])
        if not self._source.is_live:
            return text
        return (f'{text}, {self._source.age(sample):.2f} s old, '
                f'{sample.passed_over} passed over')
