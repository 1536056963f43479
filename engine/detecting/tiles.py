"""Large pictures in tiles: what is found in their windows, as one.

A window is ymin, xmin, ymax, xmax in whole pixels of its picture. There are
the whole picture and grids of square tiles, each grid's twice as large as
those of the one before. Tiles overlap by a third: an object that is whole in
none of them is so large that it is easily found in the next grid. So what a
tile cuts is left out, not put together.
"""
import typing
from collections import abc

import numpy as np

from common import threads
from detection import boxes

OVERLAP = 1 / 3
# Smaller ones would show nothing but pixels.
MIN_SIDE = 64
# The whole picture shows as much as tiles that are not much smaller.
_MIN_GAIN = 1.5
# Parts of a tile's side. What ends so near to an edge that is not the
# picture's is cut; what ends so near may be, and others know better.
_CUT, _NEAR = .02, .1


class Found(typing.NamedTuple):
    """Detections of one image, in its pixels, by descending score."""
    bboxes: np.ndarray     # float32 [n, 4], ymin, xmin, ymax, xmax.
    scores: np.ndarray     # float32 [n].
    class_ids: np.ndarray  # int32 [n].


def in_pixels(images: abc.Sequence[np.ndarray], classes: np.ndarray,
              scores: np.ndarray, bboxes: np.ndarray, num: np.ndarray,
              min_score: float) -> list[Found]:
    """Returns what a network found in a batch of images, in their pixels.

    Args:
      images: n of [height, width, 3].
      classes, scores, bboxes, num: int [n, k], float32 [n, k], by descending
        score, and [n, k, 4], relative; int [n], how many of the k there are.
      min_score: scores are above it.
    """
    results = []
    for row, image in enumerate(images):
        kept = np.count_nonzero(scores[row, :num[row]] > min_score)
        scale = np.tile(np.float32(image.shape[:2]), 2)
        results.append(Found(
            bboxes[row, :kept] * scale, scores[row, :kept],
            classes[row, :kept]))
    return results


def parse(text: str, input_shape: tuple[int, int]) -> int:
    """Returns the side of the smallest tiles that --tile=`text` means.

    'auto' is the side of the network's input: no pixel is lost.

    Raises:
      ValueError: it is neither auto nor a number of pixels.
    """
    if text == 'auto':
        return max(input_shape)
    if not text.isdecimal() or int(text) < MIN_SIDE:
        raise ValueError(f'--tile={text}: give auto or the side of a tile in '
                         f'pixels, at least {MIN_SIDE}.')
    return int(text)


def windows(size: tuple[int, int], side: int) -> np.ndarray:
    """Returns the windows of a picture, int [n, 4]; the whole is the first.

    Args:
      size: height and width of the picture.
      side: of the smallest tiles.
    """
    found = [(0, 0, *size)]
    while side * _MIN_GAIN <= max(size):
        starts_y, starts_x = (_starts(length, side) for length in size)
        found += [(top, left, min(top + side, size[0]),
                   min(left + side, size[1]))
                  for top in starts_y for left in starts_x]
        side *= 2
    return np.array(found)


def _starts(length, side):
    """Returns where tiles begin along a side of the picture, evenly."""
    if length <= side:
        return [0]
    overlap = round(OVERLAP * side)
    num = -(-(length - overlap) // (side - overlap))
    return np.round(np.linspace(0, length - side, num)).astype(int).tolist()


def detect(images: abc.Sequence[np.ndarray], side: int, batch_size: int,
           nms_threshold: float,
           run: abc.Callable[[list[np.ndarray]], abc.Sequence[Found]],
           ) -> list[Found]:
    """Detects in all windows of images.

    Args:
      images: uint8 [height, width, 3] of any sizes.
      side: of the smallest tiles, in pixels.
      batch_size: windows that `run` gets at a time.
      nms_threshold: overlap that suppresses.
      run: what detects in images.

    Returns:
      Found of each image.
    """
    places = [(index, window) for index, image in enumerate(images)
              for window in windows(image.shape[:2], side).tolist()]
    parts = [[] for _ in images]
    for batch in threads.batches(places, batch_size):
        crops = [images[index][top:bottom, left:right]
                 for index, (top, left, bottom, right) in batch]
        for (index, window), found in zip(batch, run(crops), strict=True):
            parts[index].append((window, found))
    return [merge(image.shape[:2], some, nms_threshold)
            for image, some in zip(images, parts, strict=True)]


def merge(size: tuple[int, int],
          parts: abc.Sequence[tuple[abc.Sequence[int], Found]],
          nms_threshold: float) -> Found:
    """Returns what is found in a picture's windows, each object once.

    Args:
      size: height and width of the picture.
      parts: windows, and what is found in each, in pixels of the window.
      nms_threshold: overlap of two of a class that are one object.
    """
    origins = [np.tile(window[:2], 2) for window, _ in parts]
    bboxes = np.concatenate([
        found.bboxes + origin for origin, (_, found)
        in zip(origins, parts)]).astype(np.float32)
    scores = np.concatenate([found.scores for _, found in parts])
    class_ids = np.concatenate([found.class_ids for _, found in parts])
    frames = np.repeat([window for window, _ in parts], [
        len(found.scores) for _, found in parts], axis=0)
    room = _room(size, frames, bboxes)
    is_near = room < _NEAR
    # Those that may be cut come last, whatever their scores.
    order = np.lexsort((-scores, is_near))
    order = order[room[order] >= _CUT]
    kept = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        overlaps = boxes.jaccard(bboxes[first], bboxes[order])
        seen = _overlaps_as_both_see(first, order, frames, bboxes)
        overlaps = np.where(
            is_near[first] | is_near[order], np.maximum(overlaps, seen),
            overlaps)
        order = order[(class_ids[order] != class_ids[first])
                      | (overlaps <= nms_threshold)]
    kept = np.array(kept, int)
    kept = kept[np.argsort(-scores[kept], kind='stable')]
    return Found(bboxes[kept], scores[kept], class_ids[kept])


def _room(size, frames, bboxes):
    """Returns how far bboxes are from the edges of their windows, float [n].

    In parts of the windows' sides; the edges of the picture do not count.
    """
    gaps = np.concatenate(
        [bboxes[:, :2] - frames[:, :2], frames[:, 2:] - bboxes[:, 2:]], 1)
    sides = np.tile(frames[:, 2:] - frames[:, :2], 2)
    is_outer = frames == (0, 0, *size)
    return np.where(is_outer, np.inf, gaps / sides).min(1)


def _overlaps_as_both_see(first, others, frames, bboxes):
    """Returns the overlaps of what lies in the windows of both, float [n]."""
    shared = np.concatenate([
        np.maximum(frames[first, :2], frames[others, :2]),
        np.minimum(frames[first, 2:], frames[others, 2:])], 1)
    return boxes.jaccard(
        boxes.clip(bboxes[first], shared), boxes.clip(bboxes[others], shared))
