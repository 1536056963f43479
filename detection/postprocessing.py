"""From scores and bboxes to detections: Caffe's DetectionOutput.

The rule (detection_output_layer.cpp): per class, candidates are the anchors
with a score above the threshold, at most select_top_k of them; of these,
in the order of their scores, each is kept that overlaps none kept before by
more than nms_threshold; of all that is kept, the keep_top_k best over all
classes remain. Equal scores: the lower anchor, then the lower class, first.
"""
from typing import NamedTuple

import tensorflow.compat.v1 as tf

# Candidates of all classes together that are tried first. Measured: 600 to
# 1000 decide an image of 18,000 candidates; each 200 more cost 0.2 ms.
NUM_FIRST_CANDIDATES = 800


class Detections(NamedTuple):
    """Of a batch, by descending score; 0 after the first `num`."""
    classes: tf.Tensor  # int32 [batch, keep_top_k]; 0, background, if empty.
    scores: tf.Tensor   # float32 [batch, keep_top_k].
    bboxes: tf.Tensor   # float32 [batch, keep_top_k, 4], not clipped.
    num: tf.Tensor      # int32 [batch].


class _Candidates(NamedTuple):
    """Of a batch, by descending score."""
    scores: tf.Tensor   # float32 [batch, num_candidates]; 0: there is none.
    # int32 [batch, num_candidates]: anchor * num_labels + label, where
    # labels, unlike classes, leave the background out.
    indices: tf.Tensor


def select_detections(scores: tf.Tensor, bboxes: tf.Tensor,
                      select_threshold: float = 0.01, select_top_k: int = 400,
                      nms_threshold: float = 0.45, keep_top_k: int = 200,
                      ) -> Detections:
    """Returns the Detections of a batch of images.

    What is kept depends on nothing that comes later in the order of scores.
    So the best candidates over all classes decide alone, unless they run out
    before keep_top_k are kept or a class has too many of them: only then each
    class is sorted, for the whole batch, in two to four times the time.

    Args:
      scores: float32 [batch, num_anchors, num_classes], probabilities; class
        0 is the background. An anchor whose scores are not numbers is no
        candidate.
      bboxes: float32 [batch, num_anchors, 4], decoded.
      select_threshold: a candidate's score is above it; in [0, 1].
      select_top_k: candidates per class.
      nms_threshold: the overlap up to which both bboxes stay; in [0, 1].
      keep_top_k: detections per image.

    Raises:
      ValueError: an argument is out of its range.
    """
    check_arguments(
        scores, select_threshold, select_top_k, nms_threshold, keep_top_k)
    with tf.name_scope('select_detections'):
        scores = scores[..., 1:]
        num_labels = tf.shape(scores)[2]
        candidates = _best_candidates(scores, select_threshold, select_top_k)
        first, num_per_label = _suppress(
            candidates, bboxes, num_labels, nms_threshold, keep_top_k)
        is_enough = tf.equal(first.num, keep_top_k) | tf.equal(
            candidates.scores[:, -1], 0)
        is_within_top_k = num_per_label <= select_top_k
        return tf.cond(
            tf.reduce_all(is_enough) & tf.reduce_all(is_within_top_k),
            lambda: first,
            lambda: _suppress(
                _candidates_per_class(scores, select_threshold, select_top_k),
                bboxes, num_labels, nms_threshold, keep_top_k)[0])


def check_arguments(scores: tf.Tensor, select_threshold: float,
                    select_top_k: int, nms_threshold: float, keep_top_k: int):
    """Raises ValueError if an argument of select_detections is not in range."""
    if scores.shape.rank != 3 or (scores.shape.dims[2].value or 2) < 2:
        raise ValueError(
            f'Scores have the shape {scores.shape}; it must be [batch, '
            'num_anchors, num_classes], of two classes or more, the '
            'background included.')
    if not 0 <= select_threshold <= 1 or not 0 <= nms_threshold <= 1:
        raise ValueError(
            f'select_threshold is {select_threshold} and nms_threshold is '
            f'{nms_threshold}; both must be in [0, 1].')
    if select_top_k < 1 or keep_top_k < 1:
        raise ValueError(
            f'select_top_k is {select_top_k} and keep_top_k is {keep_top_k}; '
            'both must be at least 1.')


def _best_candidates(scores, select_threshold, select_top_k):
    """Returns the best; scores are float32 [batch, anchors, num_labels]."""
    num_candidates = tf.minimum(
        NUM_FIRST_CANDIDATES, select_top_k * tf.shape(scores)[2])
    # Among k anchors with the best scores of their own are the k best scores.
    scores, indices = _best_anchors(
        scores, select_threshold, NUM_FIRST_CANDIDATES)
    return _sort(
        scores, indices, tf.minimum(num_candidates, tf.shape(scores)[1]))


def _candidates_per_class(scores, select_threshold, select_top_k):
    """Returns all classes' best select_top_k; as _best_candidates."""
    batch, num_anchors, num_labels = tf.unstack(tf.shape(scores))
    scores, indices = _best_anchors(scores, select_threshold, num_anchors)
    num_anchors = tf.shape(scores)[1] // num_labels
    anchors = tf.nn.top_k(
        tf.transpose(
            tf.reshape(scores, [batch, num_anchors, num_labels]), [0, 2, 1]),
        tf.minimum(select_top_k, num_anchors)).indices
    # [batch, num_labels, select_top_k]
    positions = anchors * num_labels + tf.range(num_labels)[:, None]
    # In the order of their index, by which top_k settles ties.
    positions = tf.sort(tf.reshape(positions, [batch, -1]))
    scores = tf.gather(scores, positions, batch_dims=1)
    return _sort(
        scores, tf.gather(indices, positions, batch_dims=1),
        tf.maximum(_max_count(scores), 1))


def _best_anchors(scores, select_threshold, max_anchors):
    """Leaves at most max_anchors, with the best scores, of those with any.

    Returns:
      float32 scores [batch, n * num_labels], 0 where there is no candidate,
      and their int32 indices, as in _Candidates, ascending. One anchor more
      than have a candidate, if allowed: its 0 shows that none was left out.
    """
    batch, num_anchors, num_labels = tf.unstack(tf.shape(scores))
    best = _zero_up_to(select_threshold, tf.reduce_max(scores, axis=2))
    num = tf.minimum(tf.minimum(_max_count(best) + 1, num_anchors),
                     max_anchors)
    # In the order of their index, by which top_k settles ties.
    anchors = tf.sort(tf.nn.top_k(best, num).indices)
    scores = _zero_up_to(
        select_threshold, tf.gather(scores, anchors, batch_dims=1))
    indices = anchors[..., None] * num_labels + tf.range(num_labels)
    return (tf.reshape(scores, [batch, num * num_labels]),
            tf.reshape(indices, [batch, num * num_labels]))


def _max_count(scores):
    """Returns how many scores [batch, n] are not 0, the most of the batch."""
    return tf.reduce_max(
        tf.math.count_nonzero(scores, axis=1, dtype=tf.int32))


def _zero_up_to(threshold, scores):
    """Returns the scores with 0 for those not above the threshold, or NaN."""
    return tf.where_v2(scores > threshold, scores, 0.)


def _sort(scores, indices, num_candidates):
    """Returns the _Candidates of the highest scores; ties in their order."""
    best = tf.nn.top_k(scores, num_candidates)
    return _Candidates(
        best.values, tf.gather(indices, best.indices, batch_dims=1))


def _suppress(candidates, bboxes, num_labels, nms_threshold, keep_top_k):
    """Keeps, per class, the _Candidates that overlap nothing better.

    Returns Detections; and candidates per label, float32 [batch, num_labels].
    """
    scores, indices = candidates
    num_candidates = tf.shape(scores)[1]
    labels = indices % num_labels
    one_hot = tf.one_hot(tf.where_v2(scores > 0, labels, -1), num_labels)
    # combined_non_max_suppression leaves the order of equal scores open, so
    # it is given ranks, which differ: num_candidates for the best, down to 1.
    ranks = tf.cast(tf.range(num_candidates, 0, -1), tf.float32)
    kept = tf.image.combined_non_max_suppression(
        tf.gather(bboxes, indices // num_labels, batch_dims=1)[:, :, None],
        one_hot * ranks[:, None],
        max_output_size_per_class=keep_top_k, max_total_size=keep_top_k,
        iou_threshold=nms_threshold, score_threshold=0., clip_boxes=False)
    is_empty = tf.equal(kept.nmsed_scores, 0)  # [batch, keep_top_k]
    positions = tf.where_v2(
        is_empty, 0, num_candidates - tf.cast(kept.nmsed_scores, tf.int32))
    classes = tf.gather(labels, positions, batch_dims=1) + 1
    scores = tf.gather(scores, positions, batch_dims=1)
    return Detections(
        tf.where_v2(is_empty, 0, classes), tf.where_v2(is_empty, 0., scores),
        kept.nmsed_boxes, kept.valid_detections), tf.reduce_sum(one_hot, 1)
