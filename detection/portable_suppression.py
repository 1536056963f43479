"""The suppression of postprocessing, in operations that every runtime has.

tf.cond and CombinedNonMaxSuppression, of postprocessing, are in no other
runtime, or are other than TensorFlow's there. Here is what ONNX Runtime,
OpenVINO and LiteRT compute alike: shapes are fixed, so is the batch.
"""
import math

import tensorflow.compat.v1 as tf

from detection import boxes
from detection import postprocessing

# Candidates that are looked at, where they would be more, and scores of the
# best anchors that they are chosen from, but of at least so many anchors.
NUM_CANDIDATES, NUM_SCORES, MIN_ANCHORS = 2000, 30000, 800
MAX_CANDIDATES = 2 ** 12  # See _in_order.
# Where the sides of suppressed bboxes end, relative to the image: one of no
# image's size would cost all others their precision.
_WINDOW = (-4., -4., 5., 5.)


def select_detections(scores: tf.Tensor, bboxes: tf.Tensor,
                      select_threshold: float = 0.01, select_top_k: int = 400,
                      nms_threshold: float = 0.45, keep_top_k: int = 200,
                      ) -> postprocessing.Detections:
    """Returns what postprocessing.select_detections does.

    But for images of many candidates that overlap: if the NUM_CANDIDATES best
    (of all classes, at most select_top_k of each) give less than keep_top_k
    detections, those beyond are not looked at here. Up to five classes there
    are none beyond.

    Args:
      scores: float32 [batch, num_anchors, num_classes], all three known.
      bboxes: float32 [batch, num_anchors, 4], decoded.
      select_threshold, select_top_k, nms_threshold, keep_top_k: see there.

    Raises:
      ValueError: an argument is out of its range.
    """
    postprocessing.check_arguments(
        scores, select_threshold, select_top_k, nms_threshold, keep_top_k)
    with tf.name_scope('select_detections'):
        images = [
            _select(*image, select_threshold, select_top_k, nms_threshold,
                    keep_top_k)
            for image in zip(tf.unstack(scores[..., 1:]), tf.unstack(bboxes),
                             strict=True)]
        return postprocessing.Detections(
            *(tf.stack(parts) for parts in zip(*images, strict=True)))


def _select(scores, bboxes, select_threshold, select_top_k, nms_threshold,
            keep_top_k):
    """Returns an image's Detections; scores are without the background."""
    scores = tf.where_v2(scores > select_threshold, scores, 0.)
    scores, bboxes = _best_anchors(scores, bboxes)
    num_anchors, num_labels = scores.shape.as_list()
    num_candidates = min(
        max(NUM_CANDIDATES, 4 * keep_top_k), MAX_CANDIDATES)
    scores, anchors, labels = _best_candidates(
        scores, min(select_top_k, num_anchors), num_candidates)
    bboxes = tf.gather(bboxes, anchors)
    num_candidates = scores.shape[0]
    # Ranks, which differ, and not scores, whose order is left open if equal.
    ranks = tf.where_v2(
        scores > 0, tf.range(num_candidates, 0., -1.), 0.)
    kept, num = tf.raw_ops.NonMaxSuppressionV4(
        boxes=_apart(bboxes, labels, num_labels), scores=ranks,
        max_output_size=keep_top_k, iou_threshold=nms_threshold,
        score_threshold=.5, pad_to_max_output_size=True)
    is_kept = tf.range(keep_top_k) < num
    kept = tf.where_v2(is_kept, kept, 0)
    return postprocessing.Detections(
        tf.where_v2(is_kept, tf.gather(labels, kept) + 1, 0),
        tf.where_v2(is_kept, tf.gather(scores, kept), 0.),
        tf.where_v2(is_kept[:, None], tf.gather(bboxes, kept), 0.), num)


def _best_anchors(scores, bboxes):
    """Leaves the anchors of the best scores, in their order."""
    num_all, num_labels = scores.shape.as_list()
    num_anchors = max(NUM_SCORES // num_labels, MIN_ANCHORS)
    if num_all <= num_anchors:
        return scores, bboxes
    anchors = tf.nn.top_k(tf.reduce_max(scores, 1), num_anchors).indices
    # By their number, ascending.
    anchors = num_all - tf.nn.top_k(num_all - anchors, num_anchors).values
    return tf.gather(scores, anchors), tf.gather(bboxes, anchors)


def _best_candidates(scores, select_top_k, num):
    """Returns the best `num`, with at most select_top_k of each label.

    Returns:
      float32 scores [n], descending, 0 if there is none; int32 anchors [n],
      labels [n]: of equal scores in their order, anchors first.
    """
    num_anchors, num_labels = scores.shape.as_list()
    num = min(num, select_top_k * num_labels)
    scores, anchors = tf.nn.top_k(tf.transpose(scores), select_top_k)
    # A number of anchor and label, [num_labels, select_top_k].
    indices = anchors * num_labels + tf.range(num_labels)[:, None]
    scores, places = tf.nn.top_k(tf.reshape(scores, [-1]), num)
    indices = _in_order(scores, tf.gather(tf.reshape(indices, [-1]), places),
                        num_anchors * num_labels)
    anchors = indices // num_labels
    return scores, anchors, indices - anchors * num_labels


def _in_order(scores, indices, num_indices):
    """Returns indices, below num_indices, with those of equal scores ascending.

    Scores are descending. top_k leaves the order of equal ones open in some
    runtimes, and sorts integers as float32, which are exact up to 2 ** 24.
    """
    num = scores.shape[0]
    is_lower = tf.cast(scores[1:] < scores[:-1], tf.int32)
    levels = tf.cumsum(tf.concat([[0], is_lower], 0))
    by_index = tf.nn.top_k(num_indices - indices, num).indices
    order = tf.nn.top_k(
        num * (num - tf.gather(levels, by_index)) - tf.range(num), num).indices
    return tf.gather(tf.gather(indices, by_index), order)


def _apart(bboxes, labels, num_labels):
    """Moves the bboxes of each label where those of no other label are.

    To cells of a square around 0, so that little precision is lost: with 80
    labels as much as at 4.5 times the image's size.
    """
    bboxes = boxes.clip(bboxes, _WINDOW)
    # A little wider, so that what is rounded does not overlap.
    pitch = 1.01 * (tf.reduce_max(bboxes) - tf.reduce_min(bboxes))
    num_columns = math.isqrt(num_labels - 1) + 1
    rows = labels // num_columns
    cells = tf.stack([rows, labels - rows * num_columns] * 2, 1)
    return bboxes + pitch * (
        tf.cast(cells, tf.float32) - (num_columns - 1) / 2)
