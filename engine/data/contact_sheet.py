"""One picture of many images with their objects: are the labels right?"""
import collections
from collections.abc import Sequence

import numpy as np

from common import drawing
from datasets import records
from datasets import tfrecords

NUM_IMAGES, NUM_COLUMNS = 40, 5
# An image's longer side, the line above it with its name, and the distance
# to the next, in pixels.
SIDE, LINE, GAP = 320, 16, 12


def choose(image_labels: Sequence[np.ndarray], num_images: int) -> list[int]:
    """Chooses images so that every class is seen.

    The classes take turns, the rarest first; the images of a class, and
    those without objects, come from all over the data.

    Args:
      image_labels: the objects' classes, int [num_objects], per image.
      num_images: how many, if there are as many.

    Returns:
      Their indices, ascending.
    """
    queues = collections.defaultdict(list)
    for index in np.random.default_rng(0).permutation(len(image_labels)):
        for label in set(image_labels[index].tolist()) or {0}:
            queues[label].append(int(index))
    chosen = set()
    queues = sorted(queues.values(), key=len)
    while len(chosen) < min(num_images, len(image_labels)):
        for queue in queues:
            while queue and queue[-1] in chosen:
                queue.pop()
            if queue and len(chosen) < num_images:
                chosen.add(queue.pop())
    return sorted(chosen)


def draw(samples: Sequence[tuple[str, tfrecords.Sample]],
         class_names: Sequence[str]) -> np.ndarray:
    """Draws the sheet.

    Args:
      samples: names and samples, at least one.
      class_names: from class 1 on.

    Returns:
      uint8 [height, width, 3], RGB.
    """
    cells = [_cell(name, sample, class_names) for name, sample in samples]
    num_columns = min(NUM_COLUMNS, len(cells))
    rows = []
    for first in range(0, len(cells), num_columns):
        row = cells[first:first + num_columns]
        shape = max(cell.shape[0] for cell in row), num_columns * (SIDE + GAP)
        rows.append(np.full((*shape, 3), 255, np.uint8))
        for column, cell in enumerate(row):
            left = column * (SIDE + GAP)
            rows[-1][:cell.shape[0], left:left + cell.shape[1]] = cell
    return np.concatenate(rows)


def _cell(name, sample, class_names):
    """Returns an image with its name above: uint8 [height, width, 3]."""
    picture = records.thumbnail(sample, SIDE)
    if picture is None:
        name += ': cannot be decoded'
        picture = np.zeros((0, SIDE, 3), np.uint8)
    height, width = picture.shape[:2]
    cell = np.full((LINE + height + GAP, SIDE, 3), 255, np.uint8)
    drawing.draw_text(cell[:LINE], name)
    if height:
        cell[LINE:LINE + height, :width] = drawing.draw_bboxes(
            picture, sample.bboxes * np.tile([height, width], 2),
            sample.labels,
            [class_names[label - 1] for label in sample.labels])
    return cell
