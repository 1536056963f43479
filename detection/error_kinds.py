"""Why detections are wrong: kinds of errors, after Hoiem et al. 2012.

"Diagnosing Error in Object Detectors" (ECCV 2012), section 2. Each detection
that is not right is wrong for one reason, the first of these that holds:

* duplicate: fits an object of its class (overlap >= the matching threshold)
  that a detection of a higher score has found;
* wrong class: fits an object of another class (the paper: overlaps one from
  0.1 on; here the box has to be right);
* localisation: overlaps an object of its class by at least 0.1;
* background: none of these.

So that no threshold on scores has to be chosen, what is counted of a class
are its N most confident detections, N being the number of its objects; what
none of them finds is missed: N = correct + missed. Difficult objects, and
the detections that fit them, are left out as in average_precision.
"""
import collections
import typing

import numpy as np

from detection import average_precision

CORRECT, IGNORED = 'correct', 'ignored'
ERRORS = CLASS, LOCALISATION, DUPLICATE, BACKGROUND = (
    'wrong class', 'localisation', 'duplicate', 'background')
MIN_OVERLAP = 0.1  # Section 2.2.


class Breakdown(typing.NamedTuple):
    """What is wrong with each detection, and which objects are missed."""
    groundtruths: average_precision.GroundTruths
    detections: average_precision.Detections
    kinds: np.ndarray  # str [num_detections]: CORRECT, IGNORED, or of ERRORS.
    # int [num_detections], the row in GroundTruths of the object that the
    # kind is about; -1 for background.
    objects: np.ndarray
    is_counted: np.ndarray  # bool [num_detections], of the N most confident.
    is_missed: np.ndarray  # bool [num_objects], by those; none is difficult.


def break_down(groundtruths: average_precision.GroundTruths,
               detections: average_precision.Detections,
               matching_threshold: float = 0.5) -> Breakdown:
    """Returns the Breakdown of Detections with regard to GroundTruths."""
    matches = average_precision.match_detections(
        groundtruths, detections, matching_threshold)
    # Of whatever class: one of the detection's own class comes first below.
    any_objects, any_overlaps = average_precision.best_objects(
        groundtruths.images, groundtruths.bboxes,
        detections.images, detections.bboxes)
    kinds = np.select(
        [matches.is_true_positive, matches.is_ignored,
         (matches.objects >= 0) & (matches.overlaps >= matching_threshold),
         (any_objects >= 0) & (any_overlaps >= matching_threshold),
         matches.overlaps >= MIN_OVERLAP],
        [CORRECT, IGNORED, DUPLICATE, CLASS, LOCALISATION], BACKGROUND)
    objects = np.where(kinds == CLASS, any_objects, matches.objects)
    objects[kinds == BACKGROUND] = -1
    is_counted = _most_confident(groundtruths, detections, kinds != IGNORED)
    is_missed = ~groundtruths.difficult
    is_missed[objects[is_counted & (kinds == CORRECT)]] = False
    return Breakdown(
        groundtruths, detections, kinds, objects, is_counted, is_missed)


def count(breakdown: Breakdown, num_classes: int) -> list[dict[str, int]]:
    """Counts 'objects', CORRECT, each of ERRORS, and 'missed' by class.

    Returns a dict for each class, from 1 on.
    """
    groundtruths, counts = breakdown.groundtruths, []
    for label in range(1, num_classes + 1):
        of_class = groundtruths.classes == label
        kinds = breakdown.kinds[
            breakdown.is_counted & (breakdown.detections.classes == label)]
        counts.append({
            'objects': np.count_nonzero(of_class & ~groundtruths.difficult),
            **{kind: np.count_nonzero(kinds == kind)
               for kind in (CORRECT, *ERRORS)},
            'missed': np.count_nonzero(of_class & breakdown.is_missed)})
    return counts


def confusions(breakdown: Breakdown) -> list[tuple[tuple[int, int], int]]:
    """Counts which class is taken for which, among the counted detections.

    Returns ((class of the object, class of the detection), count), the most
    frequent first.
    """
    rows = breakdown.is_counted & (breakdown.kinds == CLASS)
    return collections.Counter(sorted(zip(
        breakdown.groundtruths.classes[breakdown.objects[rows]].tolist(),
        breakdown.detections.classes[rows].tolist()))).most_common()


def _most_confident(groundtruths, detections, is_candidate):
    """Returns which detections are counted: bool [num_detections]."""
    order = average_precision.by_score(detections)
    order = order[is_candidate[order]]
    is_counted = np.zeros(len(is_candidate), bool)
    to_find = groundtruths.classes[~groundtruths.difficult]
    for label, num in zip(*np.unique(to_find, return_counts=True)):
        is_counted[order[detections.classes[order] == label][:num]] = True
    return is_counted
