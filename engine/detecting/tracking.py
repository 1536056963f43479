"""Identities of objects over frames: ByteTrack, of Zhang et al. (ECCV 2022).

Confident detections are matched first, then the faint ones, with what is left
of the objects: these are mostly covered, and no new ones begin with a faint
detection. Where an object will be is told by a Kalman filter of constant
speed. An object has an identity from its third frame in a row on.
"""
import collections
import typing

import numpy as np

from detection import boxes

MIN_SCORE = .1  # Of faint detections.
MAX_FRAMES_LOST = 30  # An object that has gone is waited for so long.
TRAIL_LENGTH, MIN_FRAMES = 50, 3  # Of an object with an identity.
# Overlaps, at least: of confident detections, of faint ones, of those of an
# object without identity. The class costs so much if it is another one.
_CONFIDENT, _FAINT, _NEW, _OTHER_CLASS = .2, .5, .3, .3
# Bboxes grow by so much a frame for which an object is lost, up to so much: it
# may have turned (buffered overlaps, Yang et al., WACV 2023).
_GROWTH, _MAX_GROWTH = .1, 1
# Of an object's side: how far a detection is off, and a frame changes speed.
_OF_PLACE, _OF_SPEED = 1 / 20, 1 / 160


class Tracked(typing.NamedTuple):
    """What becomes of a frame's detections."""
    rows: np.ndarray          # int [n], those that are of objects, ascending.
    ids: list[int | None]     # From 1; None in an object's first frames.
    trails: list[np.ndarray]  # float [points, 2], y and x; the last is now.


class Tracker:
    """Follows the objects of one video."""

    def __init__(self, threshold: float):
        """Takes the score above which detections are confident."""
        self._threshold = threshold
        self._objects, self._num_ids, self._frame = [], 0, None
        self._ended = collections.Counter()  # Objects that have gone, by class.

    def update(self, frame: int, bboxes: np.ndarray, scores: np.ndarray,
               class_ids: np.ndarray) -> Tracked:
        """Follows the objects into a frame.

        Args:
          frame: its number, larger than that of the last call.
          bboxes: float [n, 4], ymin, xmin, ymax, xmax in pixels.
          scores: float [n]; above MIN_SCORE they are of use.
          class_ids: int [n].
        """
        steps = 1 if self._frame is None else frame - self._frame
        self._frame = frame
        for one in self._objects:
            one.predict(steps)
        places = boxes.to_centres(np.asarray(bboxes, float))
        is_confident = np.asarray(scores) > self._threshold
        matched = {}  # {row: object}

        def match(objects, is_wanted, min_overlap):
            rows = [row for row in np.flatnonzero(is_wanted).tolist()
                    if row not in matched]
            matched.update({
                rows[column]: objects[index] for index, column in assign(
                    _overlaps(objects, places[rows], class_ids[rows]),
                    min_overlap)})

        known = [one for one in self._objects if one.id is not None]
        match(known, is_confident, _CONFIDENT)
        left = set(known).difference(matched.values())
        # What was lost before does not come back by a faint detection.
        match([one for one in known if one in left and one.num_lost == steps],
              ~is_confident & (np.asarray(scores) > MIN_SCORE), _FAINT)
        match([one for one in self._objects if one.id is None],
              is_confident, _NEW)
        for row, one in matched.items():
            one.update(places[row], class_ids[row])
            if one.id is None and len(one.trail) >= MIN_FRAMES:
                self._num_ids = one.id = self._num_ids + 1
        for row in np.flatnonzero(is_confident).tolist():
            if row not in matched:
                matched[row] = _Object(places[row], class_ids[row])
                self._objects.append(matched[row])
        self._forget()
        rows, objects = zip(*sorted(matched.items())) if matched else ((), ())
        return Tracked(np.array(rows, int), [one.id for one in objects],
                       [np.array(one.trail) for one in objects])

    def _forget(self):
        """Leaves out objects that do not come back."""
        gone = {one for one in self._objects if one.num_lost > (
            0 if one.id is None else MAX_FRAMES_LOST)}
        self._ended.update(one.class_id for one in gone if one.id is not None)
        self._objects = [one for one in self._objects if one not in gone]

    def counts(self) -> dict[int, int]:
        """Returns {class id that objects had most often: how many}."""
        return dict(sorted((self._ended + collections.Counter(
            one.class_id for one in self._objects if one.id)).items()))


class _Object:
    """One object: where it is and how it moves, by a Kalman filter.

    Each of cy, cx, h, w has a filter of its own, of its value and speed.
    """

    def __init__(self, place, class_id):
        self.id, self.num_lost = None, 0
        self.place, self._speed = place, np.zeros(4)
        side = place[2:].mean()
        # Variances and covariance, at first as in the paper's code.
        self._of_place = np.full(4, (2 * _OF_PLACE * side) ** 2)
        self._of_speed = np.full(4, (10 * _OF_SPEED * side) ** 2)
        self._of_both = np.zeros(4)
        self._classes = collections.Counter([int(class_id)])
        self.trail = collections.deque([place[:2]], TRAIL_LENGTH)

    @property
    def class_id(self):
        return self._classes.most_common(1)[0][0]

    def predict(self, steps):
        if self.num_lost:
            self._speed[2:] = 0  # Sizes would grow or vanish.
        self.num_lost += steps
        side = self.place[2:].mean()
        self.place = self.place + steps * self._speed
        self.place[2:] = np.maximum(self.place[2:], 1e-3)
        self._of_place += (2 * steps * self._of_both
                           + steps ** 2 * self._of_speed
                           + steps * (_OF_PLACE * side) ** 2)
        self._of_both += steps * self._of_speed
        self._of_speed += steps * (_OF_SPEED * side) ** 2

    def update(self, place, class_id):
        variance = self._of_place + (_OF_PLACE * self.place[2:].mean()) ** 2
        gain = self._of_place / variance
        gain_of_speed = self._of_both / variance
        change = place - self.place
        self.place = self.place + gain * change
        self._speed = self._speed + gain_of_speed * change
        self._of_speed -= gain_of_speed * self._of_both
        self._of_both *= 1 - gain
        self._of_place *= 1 - gain
        self.num_lost = 0
        self._classes[int(class_id)] += 1
        self.trail.append(place[:2])


def _overlaps(objects, places, class_ids):
    """Returns how well objects and detections fit, float [objects, n]."""
    expected = np.reshape([one.place for one in objects], (-1, 1, 4))
    labels = np.reshape([one.class_id for one in objects], (-1, 1))
    growth = 1 + np.reshape([np.minimum((0, 0, _MAX_GROWTH, _MAX_GROWTH), (
        one.num_lost - 1) * _GROWTH) for one in objects], (-1, 1, 4))
    return boxes.jaccard(
        boxes.to_corners(expected * growth),
        boxes.to_corners(places * growth)
        ) - _OTHER_CLASS * (labels != class_ids)


def assign(values: np.ndarray, minimum: float) -> list[tuple[int, int]]:
    """Returns pairs of rows and columns with the largest sum of values.

    What is below the minimum is no pair. By shortest augmenting paths, as
    Jonker and Volgenant (1987). values: float [n, m].
    """
    if values.shape[0] > values.shape[1]:
        return [(row, column) for column, row in assign(values.T, minimum)]
    num_rows, num_columns = values.shape
    costs = np.minimum(-values, -minimum)
    of_rows, of_columns = np.zeros(num_rows), np.zeros(num_columns + 1)
    # Row of each column, -1 for none; the last column is where a row begins.
    rows = np.full(num_columns + 1, -1)
    for first in range(num_rows):
        column, rows[-1] = num_columns, first
        is_used = np.zeros(num_columns + 1, bool)
        lengths = np.full(num_columns, np.inf)
        before = np.full(num_columns, num_columns)
        while rows[column] >= 0:
            is_used[column] = True
            row = rows[column]
            length = costs[row] - of_rows[row] - of_columns[:-1]
            is_shorter = ~is_used[:-1] & (length < lengths)
            lengths[is_shorter] = length[is_shorter]
            before[is_shorter] = column
            column = int(np.where(is_used[:-1], np.inf, lengths).argmin())
            step = lengths[column]
            of_rows[rows[is_used]] += step
            of_columns[is_used] -= step
            lengths[~is_used[:-1]] -= step
        while column != num_columns:
            rows[column] = rows[before[column]]
            column = int(before[column])
    return [(int(row), column) for column, row in enumerate(rows[:-1])
            if row >= 0 and values[row, column] >= minimum]
