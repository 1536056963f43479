"""The images that a report shows, with what was found in them."""
import collections
import itertools
import typing
from collections.abc import Sequence

import cv2
import numpy as np

from common import drawing
from datasets import records
from detection import error_kinds
from engine.evaluation import detection_files

NUM_PICTURES = 12  # Of each kind.
MAX_SIDE, JPEG_QUALITY = 560, 82  # Of a picture, in pixels.
# Colors tell what became of a box, not its class: these ids of
# drawing.class_color are green, orange, crimson and blue.
FOUND, MISSED, WRONG, DIFFICULT = 7, 5, 8, 1


class Choice(typing.NamedTuple):
    """An image to be drawn."""
    image: int  # Its number.
    text: str  # Why it is shown.
    breakdown: error_kinds.Breakdown  # Which objects are missed.
    # int [n], the detections that are drawn, the first on top. An object that
    # one of them finds is not drawn itself.
    rows: np.ndarray


class Picture(typing.NamedTuple):
    """An image as a report shows it."""
    name: str
    text: str
    jpeg: bytes | None  # None: it cannot be decoded.


def most_confident_errors(breakdown: error_kinds.Breakdown,
                          class_names: Sequence[str]) -> list[Choice]:
    """Returns the images of the wrong detections of the highest scores."""
    detections, chosen = breakdown.detections, []
    wrong = np.flatnonzero(np.isin(breakdown.kinds, error_kinds.ERRORS))
    wrong = wrong[np.argsort(-detections.scores[wrong], kind='stable')]
    _, firsts = np.unique(detections.images[wrong], return_index=True)
    for row in wrong[np.sort(firsts)[:NUM_PICTURES]]:
        image = int(detections.images[row])
        others = breakdown.rows_of(image, *error_kinds.ERRORS)
        chosen.append(Choice(
            image, _describe(row, breakdown, class_names), breakdown,
            np.append(row, others[others != row])))
    return chosen


def most_missed(breakdown: error_kinds.Breakdown) -> list[Choice]:
    """Returns the images where most objects are missed."""
    missed = collections.Counter(sorted(
        breakdown.groundtruths.images[breakdown.is_missed].tolist()))
    return [Choice(image, f'{num} missed', breakdown,
                   breakdown.rows_of(image, *error_kinds.ERRORS))
            for image, num in missed.most_common(NUM_PICTURES)]


def best_finds(breakdown: error_kinds.Breakdown,
               num_images: int) -> list[Choice]:
    """Returns the images where most is found and least is wrong."""
    counts = error_kinds.count_by_image(breakdown, num_images)
    found, missed, wrong = counts.T
    order = np.argsort(missed + wrong - found, kind='stable')
    return [all_found(image, breakdown, counts[image])
            for image in order[:NUM_PICTURES].tolist() if found[image]]


def all_found(image: int, breakdown: error_kinds.Breakdown,
              counts: Sequence[int]) -> Choice:
    """Returns the Choice of all counted detections of an image."""
    return Choice(image, describe_counts(counts), breakdown, breakdown.rows_of(
        image, error_kinds.CORRECT, *error_kinds.ERRORS))


def describe_counts(counts: Sequence[int]) -> str:
    """Returns what is found, missed and wrong in an image, in words."""
    return ', '.join(f'{number} {what}' for number, what in zip(
        counts, ('found', 'missed', 'wrong'), strict=True)
        if number or what == 'found')


def draw(paths: Sequence[str], scored: detection_files.Scored,
         groups: Sequence[Sequence[Choice]]) -> list[list[Picture]]:
    """Returns the pictures of groups; paths are those of the shards."""
    images, names = scored.images, scored.class_names
    indices = {images[choice.image].record
               for group in groups for choice in group}
    samples = {
        index: sample for index, sample in enumerate(itertools.islice(
            records.read_samples(paths), max(indices, default=-1) + 1))
        if index in indices}
    return [[Picture(images[choice.image].name, choice.text, _draw(
                samples[images[choice.image].record], choice, names))
             for choice in group] for group in groups]


def _draw(sample, choice, class_names):
    """Returns the JPEG of an image with its objects and some detections."""
    picture = records.thumbnail(sample, MAX_SIDE)
    if picture is None:
        return None
    image, _, breakdown, rows = choice
    groundtruths, detections = breakdown.groundtruths, breakdown.detections
    is_right = breakdown.kinds[rows] == error_kinds.CORRECT
    objects = np.setdiff1d(np.flatnonzero(groundtruths.images == image),
                           breakdown.objects[rows[is_right]])
    # What comes first is drawn on top.
    objects = objects[np.argsort(~breakdown.is_missed[objects],
                                 kind='stable')]
    marks = [(FOUND if right else WRONG,
              _describe(row, breakdown, class_names))
             for row, right in zip(rows, is_right, strict=True)]
    for row in objects:
        name = class_names[groundtruths.classes[row] - 1]
        marks.append(
            (DIFFICULT, name + ' (difficult)') if groundtruths.difficult[row]
            else (MISSED, name + ' missed') if breakdown.is_missed[row]
            else (FOUND, name))
    bboxes = np.concatenate([
        detections.bboxes[rows], groundtruths.bboxes[objects]])
    scale = np.array(picture.shape[:2]) / (sample.height, sample.width)
    picture = drawing.draw_bboxes(
        picture, bboxes * np.tile(scale, 2),
        [color for color, _ in marks], [text for _, text in marks])
    return cv2.imencode(
        '.jpg', picture[..., ::-1],
        [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _describe(row, breakdown, class_names):
    """Returns what a detection is, such as 'dog 0.98: wrong class (cat)'."""
    detections, kind = breakdown.detections, breakdown.kinds[row]
    text = (f'{class_names[detections.classes[row] - 1]} '
            f'{detections.scores[row]:.2f}')
    if kind == error_kinds.CORRECT:
        return text
    if kind == error_kinds.CLASS:
        label = breakdown.groundtruths.classes[breakdown.objects[row]]
        kind += f' ({class_names[label - 1]})'
    return f'{text}: {kind}'
