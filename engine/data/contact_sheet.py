"""One picture of many images with their objects: are the labels right?"""
import collections
from collections.abc import Sequence

import numpy as np

from common import drawing
from common import threads
from datasets import records
from datasets import tfrecords

NUM_IMAGES, NUM_COLUMNS = 40, 5
# An image's longer side, the line above it with its name, and the distance
# to the next, in pixels.
SIDE, LINE, GAP = 320, 16, 12
# The names of more objects of an image would hide them.
MAX_NAMES = 40


def choose(image_labels: Sequence[np.ndarray], num_images: int) -> list[int]:
    """Returns the indices of images that show every class, ascending.

    The classes take turns, the rarest first; the images of a class, and
    those without objects, come from all over the data.

    Args:
      image_labels: of each image the objects' classes, int [num_objects].
      num_images: how many, if there are as many.
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
    """Returns the sheet of named samples: uint8 [height, width, 3], RGB."""
    cells = [_cell(name, sample, class_names) for name, sample in samples]
    width = min(NUM_COLUMNS, len(cells)) * (SIDE + GAP)
    rows = []
    for row in threads.batches(cells, NUM_COLUMNS):
        rows.append(np.full((max(map(len, row)), width, 3), 255, np.uint8))
        for column, cell in enumerate(row):
            left = column * (SIDE + GAP)
            rows[-1][:len(cell), left:left + SIDE] = cell
    return np.concatenate(rows)


def _cell(name, sample, class_names):
    """Returns an image with its name above: uint8 [height, width, 3]."""
    picture = records.thumbnail(sample, SIDE)
    if picture is None:
        name += ': cannot be decoded'
        picture = np.zeros((0, SIDE, 3), np.uint8)
    names = [class_names[label - 1] for label in sample.labels]
    if len(names) > MAX_NAMES:
        name += f': {len(names)} objects, without their names'
        names = None
    height, width = picture.shape[:2]
    cell = np.full((LINE + height + GAP, SIDE, 3), 255, np.uint8)
    drawing.draw_text(cell[:LINE], name)
    if height:
        cell[LINE:LINE + height, :width] = drawing.draw_bboxes(
            picture, sample.bboxes * np.tile([height, width], 2),
            sample.labels, names)
    return cell
