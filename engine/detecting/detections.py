"""What goes from a source through the detector to a sink."""
import typing

import numpy as np


class Detected(typing.NamedTuple):
    """What is found in one image, by descending score."""
    bboxes: np.ndarray     # float32 [n, 4], ymin, xmin, ymax, xmax in pixels.
    scores: np.ndarray     # float32 [n], above the select_threshold.
    class_ids: np.ndarray  # int32 [n], from 1.
    names: list[str]       # Of the n classes.
    size: tuple[int, int]  # Height and width of the image, in pixels.

    def at(self, rows: np.ndarray) -> 'Detected':
        """Returns some of what is found, int [m]."""
        return Detected(self.bboxes[rows], self.scores[rows],
                        self.class_ids[rows],
                        [self.names[row] for row in rows], self.size)


class Tracks(typing.NamedTuple):
    """Which objects those that are found in a frame are."""
    ids: list[int | None]     # Of the n; None in an object's first frames.
    trails: list[np.ndarray]  # float [points, 2], y and x; the last is now.
    counts: dict[str, int]    # Objects so far, of each class that was seen.


class Sample(typing.NamedTuple):
    """An image or frame; or why there is none; or only a time that passes.

    Without pixels and without a fault a live source says that there is
    nothing new, and a recording that this is its end.
    """
    file: str           # Path, or what stands for it.
    name: str           # Of the picture made of it, with '/' for folders.
    frame: int | None = None  # In a video or animation, from 0.
    seconds: float | None = None  # In a video, from its beginning.
    passed_over: int = 0  # Frames of a live source so far.
    pixels: np.ndarray | None = None  # uint8 [height, width, 3], RGB.
    fault: str | None = None  # One line that names the file or frame.
    found: Detected | None = None
    tracks: Tracks | None = None  # If objects are followed.
