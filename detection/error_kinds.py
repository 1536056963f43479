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

KINDS = (CORRECT, DUPLICATE, CLASS, LOCALISATION, BACKGROUND, IGNORED) = (
    'correct', 'duplicate', 'wrong class', 'localisation', 'background',
    'ignored')
ERRORS = (CLASS, LOCALISATION, DUPLICATE, BACKGROUND)
# Hoiem et al. 2012, section 2.2.
MIN_OVERLAP = 0.1


class Breakdown(typing.NamedTuple):
    """What is wrong with each detection, and which objects are missed."""
    kinds: np.ndarray  # str [num_detections], one of KINDS.
    # int [num_detections], the row in GroundTruths of the object that the
    # kind is about; -1 for background.
    objects: np.ndarray
    # bool [num_detections], among the N most confident of its class.
    is_counted: np.ndarray
    # bool [num_objects], by those that are counted; no difficult ones.
    is_missed: np.ndarray


def break_down(groundtruths: average_precision.GroundTruths,
               detections: average_precision.Detections,
               matching_threshold: float = 0.5) -> Breakdown:
    """Returns the Breakdown of Detections with regard to GroundTruths."""
    matches = average_precision.match_detections(
        groundtruths, detections, matching_threshold)
    # Of whatever class: where it is of the detection's own, `matches` comes
    # first.
    any_objects, any_overlaps = average_precision.best_objects(
        groundtruths.images, groundtruths.bboxes,
        detections.images, detections.bboxes)
    is_own = matches.overlaps >= MIN_OVERLAP
    kinds = np.select(
        [matches.is_true_positive, matches.is_ignored,
         (matches.objects >= 0) & (matches.overlaps >= matching_threshold),
         (any_objects >= 0) & (any_overlaps >= matching_threshold), is_own],
        [CORRECT, IGNORED, DUPLICATE, CLASS, LOCALISATION], BACKGROUND)
    objects = np.where(kinds == CLASS, any_objects, matches.objects)
    objects[kinds == BACKGROUND] = -1
    is_counted = _most_confident(groundtruths, detections, kinds != IGNORED)
    is_missed = ~groundtruths.difficult
    is_missed[objects[is_counted & (kinds == CORRECT)]] = False
    return Breakdown(kinds, objects, is_counted, is_missed)


def count(breakdown: Breakdown, groundtruths: average_precision.GroundTruths,
          detections: average_precision.Detections,
          num_classes: int) -> list[dict[str, int]]:
    """Counts the kinds of a Breakdown per class.

    Returns:
      num_classes dicts, from class 1 on, of 'objects', CORRECT, each of
      ERRORS, and 'missed'.
    """
    counts = []
    for label in range(1, num_classes + 1):
        of_class = groundtruths.classes == label
        kinds = breakdown.kinds[
            breakdown.is_counted & (detections.classes == label)]
        counts.append({
            'objects': np.count_nonzero(of_class & ~groundtruths.difficult),
            **{kind: np.count_nonzero(kinds == kind)
               for kind in (CORRECT, *ERRORS)},
            'missed': np.count_nonzero(of_class & breakdown.is_missed)})
    return counts


def confusions(breakdown: Breakdown,
               groundtruths: average_precision.GroundTruths,
               detections: average_precision.Detections,
               ) -> list[tuple[int, int, int]]:
    """Counts which class is taken for which, among the counted detections.

    Returns:
      Tuples (count, class of the object, class of the detection), the most
      frequent first.
    """
    rows = breakdown.is_counted & (breakdown.kinds == CLASS)
    pairs = collections.Counter(zip(
        groundtruths.classes[breakdown.objects[rows]].tolist(),
        detections.classes[rows].tolist(), strict=True))
    return sorted(((number, *pair) for pair, number in pairs.items()),
                  key=lambda entry: (-entry[0], *entry[1:]))


def _most_confident(groundtruths, detections, is_candidate):
    """Returns which detections are counted: bool [num_detections]."""
    order = average_precision.by_score(detections)
    order = order[is_candidate[order]]
    is_counted = np.zeros(len(is_candidate), bool)
    to_find = groundtruths.classes[~groundtruths.difficult]
    for label in np.unique(to_find):
        rows = order[detections.classes[order] == label]
        is_counted[rows[:np.count_nonzero(to_find == label)]] = True
    return is_counted
