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
    # bool [num_objects]: neither to be found nor wrong to find; so are crowds.
    difficult: np.ndarray
    areas: np.ndarray  # float [num_objects], of the outlines, else the bboxes.


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


class OperatingPoint(typing.NamedTuple):
    """A threshold on scores, and what the detections above it are worth."""
    threshold: float
    f1: float  # The harmonic mean of precision and recall.
    precision: float
    recall: float


class ClassResult(typing.NamedTuple):
    """What is measured of one class; the curve is by descending score."""
    name: str
    metrics: dict[str, float]  # NaN without an object to find.
    num_objects: int  # Without the difficult ones.
    num_detections: int  # With the ignored ones.
    # float [detections not ignored], the curve; empty of a rule without one.
    scores: np.ndarray = np.zeros(0)
    precision: np.ndarray = np.zeros(0)  # As scores.
    recall: np.ndarray = np.zeros(0)  # As scores.
    # Where the F1 of this curve is best; None if it never is above 0.
    best: OperatingPoint | None = None


class Results(typing.NamedTuple):
    """What is measured of all classes, by any rule.

    The name of a metric is what it measures and, after an underscore, by
    whose rule. The first is the headline. A class may lack some of them.
    """
    metrics: dict[str, float]  # NaN without an object to find.
    classes: list[ClassResult]
    # The curve of the detections of all classes, whatever their class.
    pooled: ClassResult | None = None


def overlap(bboxes_a: np.ndarray, bboxes_b: np.ndarray) -> np.ndarray:
    """Returns the overlap (IoU) of broadcastable bboxes in pixels, [...]."""
    end_included = np.array([0, 0, 1, 1])
    return boxes.jaccard(
        bboxes_a + end_included, bboxes_b + end_included)


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
             class_names: list[str], matching_threshold: float = 0.5,
             min_score: float = 0.) -> Results:
    """Returns the METRICS of a data set, and the curves.

    Args:
      groundtruths, detections: of all images.
      class_names: from class 1 on.
      matching_threshold: the overlap from which a detection is right.
      min_score: what the scores of the detections are above; what is below
        is unknown, so that no best threshold lies there.

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
    order, results, all_right = by_score(detections), [], []
    for label, name in enumerate(class_names, 1):
        num_objects = np.count_nonzero(
            (groundtruths.classes == label) & ~groundtruths.difficult)
        rows = order[detections.classes[order] == label]
        kept = rows[~matches.is_ignored[rows]]
        is_right = matches.is_true_positive[kept]
        all_right.append(is_right)
        curve = _curve(name, num_objects, len(rows), detections.scores[kept],
                       is_right, min_score)
        results.append(curve._replace(metrics={
            key: measure(curve.precision, curve.recall) if num_objects
            else np.nan for key, measure in METRICS.items()}))
    return mean_over_classes(results)._replace(
        pooled=_pool(results, all_right, min_score))


def _curve(name, num_objects, num_detections, scores, is_right, min_score):
    """Returns a ClassResult of detections by descending score, unmeasured."""
    num_right = np.cumsum(is_right)
    precision = num_right / np.arange(1, len(scores) + 1)
    recall = num_right / (num_objects or np.nan)
    return ClassResult(
        name, {}, num_objects, num_detections, scores, precision, recall,
        _best(scores, precision, recall, min_score) if num_objects else None)


def _pool(classes, all_right, min_score):
    """Returns the curve of all classes' detections by descending score."""
    scores = np.concatenate([result.scores for result in classes])
    order = np.argsort(-scores, kind='stable')
    return _curve(
        'all', sum(result.num_objects for result in classes),
        sum(result.num_detections for result in classes), scores[order],
        np.concatenate(all_right)[order], min_score)


def _best(scores, precision, recall, min_score):
    """Returns the OperatingPoint of the best F1, or None.

    Its threshold lies midway between the last score that is above it and the
    next, with as few digits as tell them apart. Equal scores stay together.
    """
    ends = np.flatnonzero(np.diff(scores, append=-1))
    f1 = harmonic_mean(precision[ends], recall[ends])
    if not f1.any():
        return None
    row = ends[np.argmax(f1)]
    high = scores[row]
    low = scores[row + 1] if row + 1 < len(scores) else min_score
    middle = (float(high) + float(low)) / 2
    threshold = next(
        (value for digits in range(2, 10)
         # As a graph compares it.
         if low < np.float32(value := round(middle, digits)) < high),
        float(low))
    return OperatingPoint(
        threshold, float(f1.max()), float(precision[row]), float(recall[row]))


def harmonic_mean(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Returns F1, [n]: 0 where nothing is right."""
    total = precision + recall
    return np.divide(2 * precision * recall, total,
                     out=np.zeros_like(total), where=total > 0)


def combine(chosen: list[Results], curves: Results) -> Results:
    """Returns the metrics of `chosen`, in that order, in one Results.

    Counts and curves are those of `curves`. All are of the same classes.
    """
    return curves._replace(
        metrics={name: value for results in chosen
                 for name, value in results.metrics.items()},
        classes=[result._replace(metrics={
            name: value for part in parts
            for name, value in part.metrics.items()})
            for result, *parts in zip(
                curves.classes, *(results.classes for results in chosen),
                strict=True)])


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
