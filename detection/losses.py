"""The multibox loss: paper section 2.2, Caffe multibox_loss_layer.cpp."""
from typing import NamedTuple

import tensorflow.compat.v1 as tf


class Losses(NamedTuple):
    """Float32 scalars; the first three, each normalised, add up to the loss."""
    localisation: tf.Tensor   # Smooth L1, times alpha, of matched anchors.
    positives: tf.Tensor      # Cross entropy of the matched anchors,
    negatives: tf.Tensor      # and of the mined background anchors.
    num_positives: tf.Tensor  # Matched anchors of the batch.


def smooth_l1(x: tf.Tensor) -> tf.Tensor:
    """Returns 0.5 x^2 where |x| < 1, else |x| - 0.5, elementwise."""
    absolute = tf.abs(x)
    clipped = tf.minimum(absolute, 1)
    return clipped * (absolute - 0.5 * clipped)


def hard_negative_mask(background_losses: tf.Tensor, positives: tf.Tensor,
                       negative_ratio: float = 3.,
                       negatives_per_empty_image: int = 0) -> tf.Tensor:
    """Selects the hardest background anchors of each image.

    Caffe's MAX_NEGATIVE (bbox_util.cpp, MineHardExamples): at most what there
    is. Of equal losses the first anchor is taken.

    Args:
      background_losses: float32 [batch, num_anchors], -log p(background).
      positives: bool [batch, num_anchors], the matched anchors.
      negative_ratio: negatives per positive of the image.
      negatives_per_empty_image: for images without any positive; Caffe: 0.

    Returns:
      bool [batch, num_anchors].
    """
    num_positives = tf.reduce_sum(tf.cast(positives, tf.int32), axis=1)
    num_anchors = tf.shape(positives)[1]
    num_wanted = tf.where_v2(
        num_positives > 0,
        tf.cast(negative_ratio * tf.cast(num_positives, tf.float32),
                tf.int32),
        negatives_per_empty_image)
    num_negatives = tf.minimum(num_wanted, num_anchors - num_positives)
    candidates = tf.where_v2(positives, -1., background_losses)
    _, hardest = tf.math.top_k(candidates, k=tf.reduce_max(num_negatives))
    is_taken = tf.sequence_mask(num_negatives, tf.shape(hardest)[1])
    images = tf.broadcast_to(
        tf.range(tf.shape(hardest)[0])[:, None], tf.shape(hardest))
    taken = tf.boolean_mask(tf.stack([images, hardest], -1), is_taken)
    return tf.scatter_nd(
        taken, tf.ones_like(taken[:, 0]), tf.shape(positives)) > 0


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor,
                  label_smoothing: float = 0.) -> tf.Tensor:
    """Returns -log p(label), float32 [...].

    Args:
      logits: float32 [..., num_classes].
      labels: int [...].
      label_smoothing: share of the target spread evenly over all classes.
    """
    if not label_smoothing:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=logits)
    num_classes = logits.shape.as_list()[-1]
    targets = tf.one_hot(labels, num_classes) * (1 - label_smoothing)
    return tf.nn.softmax_cross_entropy_with_logits_v2(
        labels=targets + label_smoothing / num_classes, logits=logits)


def ssd_losses(logits: tf.Tensor, localisations: tf.Tensor,
               target_labels: tf.Tensor, target_localisations: tf.Tensor,
               negative_ratio: float = 3., alpha: float = 1.,
               label_smoothing: float = 0., negatives_per_empty_image: int = 0,
               normaliser: tf.Tensor | None = None) -> Losses:
    """Returns the Losses of a batch.

    Args:
      logits: float32 [batch, num_anchors, num_classes].
      localisations: float32 [batch, num_anchors, 4].
      target_labels: int64 [batch, num_anchors], 0 where unmatched.
      target_localisations: float32 [batch, num_anchors, 4].
      negative_ratio, negatives_per_empty_image: see hard_negative_mask.
      alpha: weight of the localisation loss.
      label_smoothing: see cross_entropy.
      normaliser: float32 scalar that divides the losses, by default the
        matched anchors of this batch; at least 1 is used. A batch that is
        split gives the count of the whole.
    """
    positives = target_labels > 0
    negatives = hard_negative_mask(
        tf.stop_gradient(cross_entropy(logits, tf.zeros_like(target_labels))),
        positives, negative_ratio, negatives_per_empty_image)
    num_positives = tf.reduce_sum(tf.cast(positives, tf.float32))
    if normaliser is None:
        normaliser = num_positives
    normaliser = tf.maximum(normaliser, 1.)
    class_losses = cross_entropy(logits, target_labels, label_smoothing)
    localisation_losses = tf.reduce_sum(
        smooth_l1(localisations - target_localisations), axis=-1)

    def mean(losses, mask):
        # where(), not a product: a masked infinity would make a NaN.
        return tf.reduce_sum(tf.where_v2(mask, losses, 0.)) / normaliser

    return Losses(
        alpha * mean(localisation_losses, positives),
        mean(class_losses, positives), mean(class_losses, negatives),
        num_positives)
