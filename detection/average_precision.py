"""Average precision by the rule of the Pascal VOC devkit, in numpy.

A bbox is [ymin, xmin, ymax, xmax] in pixels, both ends included: the width
is xmax - xmin + 1. Classes count from 1, as everywhere; 0 is background.

The rule (VOCevaldet.m): detections of a class, over all images, by descending
score; each belongs to the object of its class and image that it overlaps
most. With an overlap of at least 0.5 it is right if it is the object's first,
else wrong; where the object is difficult it does not count at all. Below 0.5
it is wrong. Recall is with regard to the objects that are not difficult.
Equal scores are ordered by image, then bbox: no result depends on input order.
"""
import typing

import numpy as np

from detection import boxes


class GroundTruths(typing.NamedTuple):
    """The objects of all images, one a row, in the annotations' order."""
    images: np.ndarray  # int [num_objects], the image's number.
    classes: np.ndarray  # int [num_objects].
    bboxes: np.ndarray  # float [num_objects, 4].
    difficult: np.ndarray  # bool [num_objects].


class Detections(typing.NamedTuple):
    """The detections of all images, one a row, in any order."""
    # int [num_detections], the image's number. It settles ties: let it follow
    # from the files' names, not from reading order.
    images: np.ndarray
    classes: np.ndarray  # int [num_detections].
    scores: np.ndarray  # float [num_detections].
    bboxes: np.ndarray  # float [num_detections, 4].


class Matches(typing.NamedTuple):
    """What becomes of each detection, in the order of Detections.

    One that is neither a true positive nor ignored is a false positive: a
    duplicate where its overlap reaches the threshold.
    """
    # int [num_detections], the row in GroundTruths of the object of the same
    # class and image that it overlaps most; -1 if there is none.
    objects: np.ndarray
    overlaps: np.ndarray  # float [num_detections], with it; 0 without one.
    is_true_positive: np.ndarray  # bool [num_detections].
    is_ignored: np.ndarray  # bool [num_detections]: the object is difficult.


class ClassResult(typing.NamedTuple):
    """What is measured of one class; the curve is by descending score."""
    name: str
    metrics: dict[str, float]  # NaN without an object to find.
    num_objects: int  # Without the difficult ones.
    num_detections: int  # With the ignored ones.
    scores: np.ndarray  # float [detections not ignored], the curve.
    precision: np.ndarray  # As scores.
    recall: np.ndarray  # As scores.


class Results(typing.NamedTuple):
    """What is measured of all classes, by any rule.

    The name of a metric is what it measures and, after an underscore, by
    whose rule. The first is the headline. A class may lack some of them.
    """
    metrics: dict[str, float]  # NaN without an object to find.
    classes: list[ClassResult]


def overlap(bboxes_a: np.ndarray, bboxes_b: np.ndarray) -> np.ndarray:
    """Returns the overlap (IoU) of broadcastable bboxes in pixels, [...]."""
    end_included = np.array([0, 0, 1, 1])
    return boxes.jaccard(
        bboxes_a + end_included, bboxes_b + end_included, xp=np)


def best_objects(
        object_groups: np.ndarray, object_bboxes: np.ndarray,
        detection_groups: np.ndarray, detection_bboxes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the object of its group that each detection overlaps most.

    A group is an int, such as the image's number; bboxes are float [n, 4].

    Returns:
      objects int [num_detections], -1 if nothing of the group is touched,
      and overlaps float [num_detections]. Of equals, the first object.
    """
    order = np.argsort(object_groups, kind='stable')
    starts, ends = (
        np.searchsorted(object_groups[order], detection_groups, side)
        for side in ('left', 'right'))
    objects = np.full(len(detection_groups), -1)
    overlaps = np.zeros(len(detection_groups))
    # Each round compares all detections with the next object of their group:
    # there are few rounds, and no array of all the pairs.
    for i in range((ends - starts).max(initial=0)):
        rows = np.flatnonzero(starts + i < ends)
        candidates = order[starts[rows] + i]
        found = overlap(detection_bboxes[rows], object_bboxes[candidates])
        is_better = found > overlaps[rows]
        objects[rows[is_better]] = candidates[is_better]
        overlaps[rows[is_better]] = found[is_better]
    return objects, overlaps


def match_detections(groundtruths: GroundTruths, detections: Detections,
                     matching_threshold: float = 0.5) -> Matches:
    """Returns the Matches of Detections with GroundTruths."""
    num_classes = 1 + max(groundtruths.classes.max(initial=0),
                          detections.classes.max(initial=0))
    objects, overlaps = best_objects(
        groundtruths.images * num_classes + groundtruths.classes,
        groundtruths.bboxes,
        detections.images * num_classes + detections.classes,
        detections.bboxes)
    is_match = (objects >= 0) & (overlaps >= matching_threshold)
    # The False at the end is for the detections without an object, -1.
    is_ignored = is_match & np.append(groundtruths.difficult, False)[objects]
    order = by_score(detections)
    order = order[(is_match & ~is_ignored)[order]]
    _, firsts = np.unique(objects[order], return_index=True)
    is_true_positive = np.zeros(len(objects), bool)
    is_true_positive[order[firsts]] = True
    return Matches(objects, overlaps, is_true_positive, is_ignored)


def average_precision_voc07(
        precision: np.ndarray, recall: np.ndarray) -> float:
    """Returns the mean of the best precision at recalls 0, 0.1, ... 1.

    `precision` and `recall` are float [n], at each detection by descending
    score: recall ascends.
    """
    # 0:0.1:1 with its rounding: 3 objects of 10 do not reach 3 * 0.1.
    first = np.searchsorted(recall, np.arange(11) * 0.1)
    return float(np.append(_envelope(precision), 0)[first].mean())


def average_precision_voc12(
        precision: np.ndarray, recall: np.ndarray) -> float:
    """Returns the area below the best precision from each recall on."""
    return float(np.sum(np.diff(recall, prepend=0) * _envelope(precision)))


METRICS = {'AP_VOC07': average_precision_voc07,
           'AP_VOC12': average_precision_voc12}


def evaluate(groundtruths: GroundTruths, detections: Detections,
             class_names: list[str],
             matching_threshold: float = 0.5) -> Results:
    """Returns the METRICS of a data set; class_names are from class 1 on.

    Raises:
      ValueError: the class of an object or a detection has no name.
    """
    for of_what, classes in (('an object', groundtruths.classes),
                             ('a detection', detections.classes)):
        unknown = classes[(classes < 1) | (classes > len(class_names))]
        if unknown.size:
            raise ValueError(
                f'The class of {of_what} is {unknown[0]}; it must be in 1 to '
                f'{len(class_names)}, the number of names.')
    matches = match_detections(groundtruths, detections, matching_threshold)
    order, results = by_score(detections), []
    for label, name in enumerate(class_names, 1):
        num_objects = np.count_nonzero(
            (groundtruths.classes == label) & ~groundtruths.difficult)
        rows = order[detections.classes[order] == label]
        kept = rows[~matches.is_ignored[rows]]
        num_right = np.cumsum(matches.is_true_positive[kept])
        precision = num_right / np.arange(1, len(kept) + 1)
        recall = num_right / (num_objects or np.nan)
        results.append(ClassResult(
            name, {key: measure(precision, recall) if num_objects else np.nan
                   for key, measure in METRICS.items()},
            num_objects, len(rows), detections.scores[kept], precision, recall))
    return mean_over_classes(results)


def mean_over_classes(classes: list[ClassResult]) -> Results:
    """Returns Results with the mean of what the classes hold of a metric."""
    values = {}
    for result in classes:
        for name, value in result.metrics.items():
            values.setdefault(name, []).extend(
                [] if np.isnan(value) else [value])
    return Results({name: float(np.mean(numbers)) if numbers else np.nan
                    for name, numbers in values.items()}, classes)


def by_score(detections: Detections) -> np.ndarray:
    """Returns the rows by descending score, then by image and bbox."""
    return np.lexsort(
        (*detections.bboxes.T[::-1], detections.images, -detections.scores))


def _envelope(precision):
    """Returns the best precision from each detection on, [n]."""
    return np.maximum.accumulate(precision[::-1])[::-1]
