"""The images of an evaluation's report: which ones, and what is drawn."""
import collections
import itertools
import typing

import cv2
import numpy as np

from common import drawing
from datasets import records
from datasets import tfrecords
from detection import error_kinds
from engine.evaluation import results

NUM_PICTURES = 12
MAX_SIDE = 560
JPEG_QUALITY = 82
# Colors tell what became of a box, not its class: these ids of
# drawing.class_color are green, orange, crimson and blue.
FOUND, MISSED, WRONG, DIFFICULT = 7, 5, 8, 1


class Choice(typing.NamedTuple):
    """An image that is shown."""
    image: int  # Its number.
    rows: np.ndarray  # int [n], the wrong detections, to be drawn.
    text: str  # Why it is shown.


def most_confident_errors(scored: results.Scored,
                          breakdown: error_kinds.Breakdown) -> list[Choice]:
    """Chooses the images of the wrong detections of the highest scores.

    At most NUM_PICTURES, an image once.
    """
    detections = scored.detections
    wrong = np.flatnonzero(np.isin(breakdown.kinds, error_kinds.ERRORS))
    wrong = wrong[np.lexsort((wrong, -detections.scores[wrong]))]
    _, firsts = np.unique(detections.images[wrong], return_index=True)
    choices = []
    for row in wrong[np.sort(firsts)[:NUM_PICTURES]]:
        image = int(detections.images[row])
        others = _counted_errors(detections, breakdown, image)
        choices.append(Choice(image, np.append(row, others[others != row]),
                              describe(row, scored, breakdown)))
    return choices


def most_missed(scored: results.Scored,
                breakdown: error_kinds.Breakdown) -> list[Choice]:
    """Chooses the images with the most missed objects, of NUM_PICTURES."""
    missed = collections.Counter(
        scored.groundtruths.images[breakdown.is_missed].tolist())
    most = sorted(missed.items(), key=lambda item: (-item[1], item[0]))
    return [Choice(image, _counted_errors(scored.detections, breakdown, image),
                   f'{num_missed} missed')
            for image, num_missed in most[:NUM_PICTURES]]


def read_images(paths: list[str],
                indices: set[int]) -> dict[int, tfrecords.Sample]:
    """Reads some records again, by their indices through all the shards."""
    samples = itertools.islice(
        records.read_samples(paths), max(indices, default=-1) + 1)
    return {index: sample for index, sample in enumerate(samples)
            if index in indices}


def draw(choice: Choice, sample: tfrecords.Sample, scored: results.Scored,
         breakdown: error_kinds.Breakdown) -> bytes | None:
    """Returns the JPEG of an image with its objects and errors.

    None if the image, which `sample` is the record of, cannot be decoded.
    """
    picture = records.thumbnail(sample, MAX_SIDE)
    if picture is None:
        return None
    groundtruths = scored.groundtruths
    objects = np.flatnonzero(groundtruths.images == choice.image)
    # What comes first is drawn on top.
    objects = objects[np.argsort(~breakdown.is_missed[objects],
                                 kind='stable')]
    colors = [WRONG] * len(choice.rows)
    labels = [describe(row, scored, breakdown) for row in choice.rows]
    for row in objects:
        color, remark = ((DIFFICULT, ' (difficult)')
                         if groundtruths.difficult[row] else
                         (MISSED, ' missed') if breakdown.is_missed[row] else
                         (FOUND, ''))
        colors.append(color)
        labels.append(
            scored.class_names[groundtruths.classes[row] - 1] + remark)
    bboxes = np.concatenate([scored.detections.bboxes[choice.rows],
                             groundtruths.bboxes[objects]])
    scale = np.array(picture.shape[:2]) / (sample.height, sample.width)
    picture = drawing.draw_bboxes(
        picture, bboxes * np.tile(scale, 2), colors, labels)
    _, encoded = cv2.imencode(
        '.jpg', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()


def describe(row: int, scored: results.Scored,
             breakdown: error_kinds.Breakdown) -> str:
    """Returns what a detection is, such as 'dog 0.98: wrong class (cat)'."""
    names, detections = scored.class_names, scored.detections
    text = (f'{names[detections.classes[row] - 1]} '
            f'{detections.scores[row]:.2f}: {breakdown.kinds[row]}')
    if breakdown.kinds[row] == error_kinds.CLASS:
        label = scored.groundtruths.classes[breakdown.objects[row]]
        text += f' ({names[label - 1]})'
    return text


def _counted_errors(detections, breakdown, image):
    rows = np.flatnonzero(
        (detections.images == image) & breakdown.is_counted
        & np.isin(breakdown.kinds, error_kinds.ERRORS))
    return rows[np.argsort(-detections.scores[rows], kind='stable')]
