"""The suppression of postprocessing, in operations that every runtime has.

tf.cond and CombinedNonMaxSuppression, of postprocessing, are in no other
runtime, or are other than TensorFlow's there. Here is what ONNX Runtime,
OpenVINO and LiteRT compute alike: shapes are fixed, so is the batch.
"""
import math

import tensorflow.compat.v1 as tf

from detection import boxes
from detection import postprocessing

# Where the sides of suppressed bboxes end, relative to the image: one of no
# image's size would cost all others their precision.
_WINDOW = (-4., -4., 5., 5.)


def select_detections(scores: tf.Tensor, bboxes: tf.Tensor,
                      select_threshold: float = 0.01, select_top_k: int = 400,
                      nms_threshold: float = 0.45, keep_top_k: int = 200,
                      ) -> postprocessing.Detections:
    """Returns what postprocessing.select_detections does.

    But for an image whose best candidates (NUM_FIRST_CANDIDATES, or four times
    keep_top_k) give less than keep_top_k detections, or of which a class has
    more than select_top_k, and that has candidates beyond: these are not
    looked at here.

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
    num_candidates = max(
        postprocessing.NUM_FIRST_CANDIDATES, 4 * keep_top_k)
    scores = tf.where_v2(scores > select_threshold, scores, 0.)
    scores, bboxes = _best_anchors(scores, bboxes, num_candidates)
    num_anchors, num_labels = scores.shape.as_list()
    num_candidates = min(num_candidates, num_anchors * num_labels)
    scores, indices = _sorted(
        tf.nn.top_k(tf.reshape(scores, [-1]), num_candidates),
        num_anchors * num_labels)
    anchors = indices // num_labels
    labels = indices - anchors * num_labels
    bboxes = tf.gather(bboxes, anchors)
    is_candidate = scores > 0
    if select_top_k < num_candidates:
        is_candidate &= _numbers(labels, num_labels) <= select_top_k
    # Ranks, which differ, and not scores, whose order is left open if equal.
    ranks = tf.where_v2(
        is_candidate, tf.range(num_candidates, 0., -1.), 0.)
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


def _best_anchors(scores, bboxes, num_candidates):
    """Leaves the anchors of the best scores, in their order.

    Not all runtimes are quick to sort all the scores.
    """
    if scores.shape[0] <= num_candidates:
        return scores, bboxes
    anchors = tf.nn.top_k(tf.reduce_max(scores, 1), num_candidates).indices
    last = scores.shape[0] - 1
    # By their number, ascending.
    anchors = last - tf.nn.top_k(last - anchors, num_candidates).values
    return tf.gather(scores, anchors), tf.gather(bboxes, anchors)


def _sorted(best, num):
    """Puts the indices of equal scores, each below num, in their order.

    top_k does so by itself, but not in OpenVINO, where it takes a hundred
    times as long then.
    """
    num_best = best.values.shape[0]
    is_other = best.values[1:] < best.values[:-1]
    numbers = tf.cumsum(tf.concat([[0], tf.cast(is_other, tf.int32)], 0))
    order = tf.nn.top_k(
        (num_best - numbers) * num - best.indices, num_best).indices
    return best.values, tf.gather(best.indices, order)


def _numbers(labels, num_labels):
    """Returns the how-manieth of its label each is, from 1: float32 [n]."""
    one_hot = tf.cast(tf.equal(
        labels[:, None], tf.range(num_labels)), tf.float32)
    return tf.reduce_sum(tf.cumsum(one_hot) * one_hot, 1)


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
