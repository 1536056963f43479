"""Selection, sorting and suppression in numpy, for notebooks and tests.

The functions of the original's module of this name, over one flat anchor
axis, with the formulas of detection.boxes. A bbox is [ymin, xmin, ymax,
xmax]; classes, int [n], scores, float [n], and bboxes, float [n, 4], come and
go in this order.

    classes, scores, bboxes = np_methods.ssd_bboxes_select(
        predictions, localisations, net.anchors(), select_threshold=0.5)
    bboxes = np_methods.bboxes_clip((0, 0, 1, 1), bboxes)
    classes, scores, bboxes = np_methods.bboxes_sort(classes, scores, bboxes)
    classes, scores, bboxes = np_methods.bboxes_nms(classes, scores, bboxes)
    bboxes = np_methods.bboxes_resize(bbox_image, bboxes)
"""
from collections.abc import Sequence

import numpy as np

from detection import boxes

Array = np.ndarray
Selection = tuple[Array, Array, Array]


def ssd_bboxes_select(
        predictions: Array, localisations: Array, anchors: Array,
        select_threshold: float = 0.5,
        prior_scaling: Sequence[float] = boxes.PRIOR_SCALING) -> Selection:
    """Returns what one image's network output has above a threshold.

    In the order of anchors, then classes, not clipped; an anchor once for
    each class whose score is above.

    Args:
      predictions: float [num_anchors, num_classes], the softmax of the
        logits; class 0 is the background.
      localisations: float [num_anchors, 4].
      anchors: float [num_anchors, 4], [cy, cx, h, w].
      select_threshold: the score above which an anchor is selected.
      prior_scaling: of cx, cy, w, h.
    """
    indices, classes = np.nonzero(predictions[:, 1:] > select_threshold)
    classes += 1
    bboxes = boxes.decode(
        localisations[indices], anchors[indices], prior_scaling)
    return classes, predictions[indices, classes], bboxes


def bboxes_sort(classes: Array, scores: Array, bboxes: Array,
                top_k: int = 400) -> Selection:
    """Returns the top_k best by descending score; ties in their order."""
    order = np.argsort(-scores, kind='stable')[:top_k]
    return classes[order], scores[order], bboxes[order]


def bboxes_clip(bbox_reference: Sequence[float], bboxes: Array) -> Array:
    """Returns the parts of bboxes inside bbox_reference, [4]."""
    return boxes.clip(bboxes, bbox_reference)


def bboxes_resize(bbox_reference: Sequence[float], bboxes: Array) -> Array:
    """Returns bboxes relative to bbox_reference, [4]."""
    return boxes.resize(bboxes, bbox_reference)


def bboxes_jaccard(bboxes_a: Array, bboxes_b: Array) -> Array:
    """Returns the overlap (IoU) of two broadcastable sets of bboxes."""
    return boxes.jaccard(bboxes_a, bboxes_b)


def bboxes_nms(classes: Array, scores: Array, bboxes: Array,
               nms_threshold: float = 0.45) -> Selection:
    """Keeps, per class, what overlaps nothing better of its class.

    The scores are descending: see bboxes_sort. With an overlap up to
    nms_threshold both bboxes stay.
    """
    is_kept = np.ones(len(scores), bool)
    for i in range(len(scores)):
        if is_kept[i]:
            rest = np.arange(i + 1, len(scores))
            rest = rest[is_kept[i + 1:] & (classes[i + 1:] == classes[i])]
            overlaps = bboxes_jaccard(bboxes[i], bboxes[rest])
            is_kept[rest[overlaps > nms_threshold]] = False
    return classes[is_kept], scores[is_kept], bboxes[is_kept]
