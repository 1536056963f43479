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
none of them finds is missed: N = correct + missed. Where there is a threshold,
what is above it is counted. Difficult objects, and the detections that fit
them, are left out as in average_precision.
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
    is_counted: np.ndarray  # bool [num_detections]; none that is ignored.
    is_missed: np.ndarray  # bool [num_objects], by those; none is difficult.

    def rows_of(self, image: int, *kinds: str) -> np.ndarray:
        """Returns an image's counted detections of kinds, the best first."""
        rows = np.flatnonzero((self.detections.images == image)
                              & self.is_counted & np.isin(self.kinds, kinds))
        return rows[np.argsort(-self.detections.scores[rows], kind='stable')]


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
    return _counting(
        Breakdown(groundtruths, detections, kinds, objects, None, None),
        _most_confident(groundtruths, detections, kinds != IGNORED))


def above(breakdown: Breakdown, threshold: float) -> Breakdown:
    """Returns a Breakdown that counts the scores above a threshold."""
    return _counting(breakdown, (breakdown.kinds != IGNORED) & (
        breakdown.detections.scores > threshold))


def _counting(breakdown, is_counted):
    """Returns a Breakdown with these counted, bool [num_detections]."""
    is_missed = ~breakdown.groundtruths.difficult
    is_missed[breakdown.objects[
        is_counted & (breakdown.kinds == CORRECT)]] = False
    return breakdown._replace(is_counted=is_counted, is_missed=is_missed)


def count_by_image(breakdown: Breakdown, num_images: int) -> np.ndarray:
    """Counts objects found, missed, and wrong detections: [num_images, 3]."""
    detections, is_right = breakdown.detections, breakdown.kinds == CORRECT
    return np.stack([np.bincount(images, minlength=num_images) for images in (
        detections.images[breakdown.is_counted & is_right],
        breakdown.groundtruths.images[breakdown.is_missed],
        detections.images[breakdown.is_counted & ~is_right])], axis=1)


def confusion_matrix(groundtruths: average_precision.GroundTruths,
                     detections: average_precision.Detections,
                     num_classes: int, threshold: float,
                     matching_threshold: float = 0.5) -> np.ndarray:
    """Counts as what the objects of each class are found.

    By descending score each detection takes, of the objects in its image
    that are left, whatever their class, the one that it overlaps most. One
    that fits only difficult objects is left out.

    Args:
      groundtruths, detections: of all images.
      num_classes: without background.
      threshold: scores above it count.
      matching_threshold: the overlap from which a detection fits.

    Returns:
      int [1 + num_classes, 1 + num_classes], by the class of the object and
      by that of the detection. 0, the background, is that of no object, and
      of no detection: objects missed.
    """
    matrix = np.zeros((1 + num_classes,) * 2, int)
    order = average_precision.by_score(detections)
    by_image = np.argsort(groundtruths.images, kind='stable')
    starts, ends = (np.searchsorted(
        groundtruths.images[by_image], detections.images, side)
        for side in ('left', 'right'))
    is_left = np.ones(len(by_image), bool)
    for row in order[detections.scores[order] > threshold]:
        objects = by_image[starts[row]:ends[row]]
        overlaps = average_precision.overlap(
            detections.bboxes[row], groundtruths.bboxes[objects])
        fits = is_left[objects] & (overlaps >= matching_threshold)
        is_difficult = groundtruths.difficult[objects]
        label = 0
        if (fits & ~is_difficult).any():
            taken = objects[np.argmax(overlaps * (fits & ~is_difficult))]
            is_left[taken], label = False, groundtruths.classes[taken]
        elif fits.any():
            continue
        matrix[label, detections.classes[row]] += 1
    missed = groundtruths.classes[is_left & ~groundtruths.difficult]
    matrix[:, 0] = np.bincount(missed, minlength=1 + num_classes)
    return matrix


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
