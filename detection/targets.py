"""Matches anchors with the objects of one image and encodes them.

Caffe's rule (bbox_util.cpp, MatchBBox with PER_PREDICTION; paper section
2.2): first each object takes an anchor of its own, greedily by overlap; then
every other anchor takes the object that it overlaps most, from a threshold.
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from detection import boxes

# Overlaps up to this do not count (bbox_util.cpp, MatchBBox).
MIN_OVERLAP = 1e-6
# Far more than float32 can be wrong in an overlap with an anchor whose sides
# are a hundredth of the image's or more.
_ROUNDING = 1e-4


class Targets(NamedTuple):
    """What a network is to say of each anchor of an image."""
    labels: tf.Tensor         # int64 [num_anchors], 0 (background) unmatched.
    localisations: tf.Tensor  # float32 [num_anchors, 4]; 0 where unmatched.


def match(overlaps: tf.Tensor, match_threshold: float = 0.5) -> tf.Tensor:
    """Matches anchors with objects.

    Args:
      overlaps: float [num_objects, num_anchors], jaccard overlaps.
      match_threshold: from this overlap an anchor takes its best object.

    Returns:
      int32 [num_anchors]: the index of the anchor's object, -1 for none.
    """
    best_overlaps = tf.reduce_max(overlaps, axis=0)
    over = tf.where((best_overlaps >= match_threshold)
                    & (best_overlaps > MIN_OVERLAP))
    # Only here, on a few anchors: an argmax is slow. A row of -1 makes it
    # defined where there is no object.
    best = tf.argmax(tf.pad(
        tf.gather(overlaps, over[:, 0], axis=1), [[0, 1], [0, 0]],
        constant_values=-1), axis=0, output_type=tf.int32)
    anchors, objects = _match_bipartite(overlaps)
    matches = tf.fill(tf.shape(best_overlaps), -1)
    matches = tf.tensor_scatter_nd_update(matches, over, best)
    return tf.tensor_scatter_nd_update(matches, anchors[:, None], objects)


def _match_bipartite(overlaps):
    """Gives every object an anchor of its own, the largest overlap first.

    Of objects with equal overlaps (within MIN_OVERLAP, the precision of
    their float32 boxes) the first is served first; of anchors with equal
    overlaps the first is taken. An object that overlaps no anchor by more
    than MIN_OVERLAP gets none.

    Returns (anchors, objects), pairs: int32 [num_matched], twice.
    """
    def keep_best():
        objects = tf.cast(tf.where(
            tf.reduce_max(overlaps, axis=1) > MIN_OVERLAP)[:, 0], tf.int32)
        return tf.gather(best, objects), objects

    # A column of -1 makes it defined where there is no anchor.
    best = tf.argmax(tf.pad(overlaps, [[0, 0], [0, 1]], constant_values=-1),
                     axis=1, output_type=tf.int32)
    is_shared = tf.size(tf.unique(best)[0]) < tf.size(best)
    return tf.cond(
        is_shared, lambda: _match_greedily(overlaps), keep_best)


def encode(labels: tf.Tensor, bboxes: tf.Tensor, anchors: np.ndarray,
           prior_scaling: Sequence[float] = boxes.PRIOR_SCALING,
           match_threshold: float = 0.5) -> Targets:
    """Returns the Targets of one image.

    Args:
      labels: int64 [num_objects], 1 .. num_classes - 1; may be empty.
      bboxes: float32 [num_objects, 4], [ymin, xmin, ymax, xmax].
      anchors: float32 numpy [num_anchors, 4], [cy, cx, h, w].
      prior_scaling: of cx, cy, w, h.
      match_threshold: as in `match`.
    """
    corners = boxes.to_corners(anchors.astype(np.float64))
    candidates = _candidates(
        boxes.jaccard(bboxes[:, None], corners.astype(np.float32)),
        match_threshold)
    # A small object inside several anchors overlaps them all alike; in
    # float32 rounding would choose among them.
    overlaps = boxes.jaccard(
        tf.cast(bboxes, tf.float64)[:, None],
        tf.gather(corners, candidates))  # [num_objects, num_candidates]
    matches = match(overlaps, match_threshold)
    is_matched = matches >= 0
    matched = tf.boolean_mask(candidates, is_matched)[:, None]
    objects = tf.boolean_mask(matches, is_matched)
    localisations = boxes.encode(
        tf.gather(bboxes, objects), tf.gather(anchors, matched[:, 0]),
        prior_scaling)
    return Targets(
        tf.scatter_nd(matched, tf.gather(labels, objects), [len(anchors)]),
        tf.scatter_nd(matched, localisations, [len(anchors), 4]))


def _candidates(overlaps, match_threshold):
    """Returns the anchors that `match` may choose: int32 [n], ascending.

    Few of them, so that few overlaps have to be computed exactly: `overlaps`,
    float32 [num_objects, num_anchors], are wrong by less than _ROUNDING.
    """
    def reaching(lowest):
        lowest = tf.minimum(lowest, match_threshold) - _ROUNDING
        # A maximum of numbers takes a third of the time of an `any`.
        return tf.cast(tf.where(tf.reduce_max(
            overlaps - lowest[:, None], axis=0) >= 0)[:, 0], tf.int32)

    def reaching_last_choice():
        # Of num_objects anchors the others leave an object one at least.
        choices, _ = tf.math.top_k(overlaps, tf.minimum(*tf.unstack(
            tf.shape(overlaps))))
        return reaching(tf.reduce_min(choices, axis=1))

    best = tf.reduce_max(overlaps, axis=1)
    candidates = reaching(best)
    is_best = (tf.gather(overlaps, candidates, axis=1)
               >= best[:, None] - _ROUNDING)
    is_shared = tf.reduce_any(
        tf.reduce_sum(tf.cast(is_best, tf.int32), axis=0) > 1)
    return tf.cond(is_shared, reaching_last_choice, lambda: candidates)


def _match_greedily(overlaps):
    """Does _match_bipartite where objects share their best anchor."""
    num_objects, num_anchors = tf.unstack(tf.shape(overlaps))
    # The others take at most num_objects - 1 anchors, so that an object
    # always gets one of the num_objects that it overlaps most.
    _, candidates = tf.math.top_k(
        overlaps, k=tf.minimum(num_objects, num_anchors))
    candidates = tf.sort(tf.unique(tf.reshape(candidates, [-1]))[0])
    num_candidates = tf.size(candidates)
    remaining = tf.gather(overlaps, candidates, axis=1)
    remaining = tf.where_v2(remaining > MIN_OVERLAP, remaining, 0)

    def is_any_left(remaining, anchors, objects):
        return tf.reduce_max(remaining) > 0

    def take_first(remaining, anchors, objects):
        # In one round all that one by one would find too: an object and
        # its best free anchor, which no other object overlaps more. Of equal
        # ones the first; so a round has the largest overlap at least.
        best = tf.argmax(remaining, axis=1, output_type=tf.int32)
        first = tf.argmax(tf.round(
            tf.gather(remaining, best, axis=1) / MIN_OVERLAP),
            axis=0, output_type=tf.int32)
        is_taken = (tf.equal(first, tf.range(num_objects))
                    & (tf.reduce_max(remaining, axis=1) > 0))
        taken = tf.boolean_mask(best, is_taken)
        is_free = tf.tensor_scatter_nd_update(
            tf.fill([num_candidates], True), taken[:, None],
            tf.zeros_like(taken, tf.bool))
        return (tf.where_v2(~is_taken[:, None] & is_free, remaining, 0),
                tf.concat([anchors, tf.gather(candidates, taken)], 0),
                tf.concat([objects, tf.where(is_taken)[:, 0]], 0))

    _, anchors, objects = tf.while_loop(
        is_any_left, take_first,
        (remaining, tf.zeros([0], tf.int32), tf.zeros([0], tf.int64)),
        shape_invariants=(tf.TensorShape([None, None]),
                          tf.TensorShape([None]), tf.TensorShape([None])))
    return anchors, tf.cast(objects, tf.int32)
