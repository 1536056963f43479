"""The multibox loss: paper section 2.2, Caffe multibox_loss_layer.cpp."""
import collections

import tensorflow.compat.v1 as tf

Losses = collections.namedtuple(
    'Losses', 'localisation positives negatives num_positives')
Losses.__doc__ = """Parts of the loss, float32 scalars; their sum is the loss.

localisation: smooth L1, times alpha, over the matched anchors.
positives: cross entropy of the matched anchors.
negatives: cross entropy of the mined background anchors.
num_positives: matched anchors of the batch; not a part of the loss.
The first three are divided by the normaliser.
"""


def smooth_l1(x):
    """Returns 0.5 x^2 where |x| < 1, else |x| - 0.5, elementwise."""
    absolute = tf.abs(x)
    clipped = tf.minimum(absolute, 1)
    return clipped * (absolute - 0.5 * clipped)


def hard_negative_mask(background_losses, positives, negative_ratio=3.,
                       negatives_per_empty_image=0):
    """Selects the hardest background anchors of each image.

    Caffe's MAX_NEGATIVE (bbox_util.cpp, MineHardExamples): per image,
    negative_ratio times its positives, at most what there is. Of equal
    losses the first anchor is taken.

    Args:
      background_losses: float32 [batch, num_anchors], -log p(background).
      positives: bool [batch, num_anchors], the matched anchors.
      negative_ratio: negatives per positive.
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
        taken, tf.fill(tf.shape(taken)[:1], 1), tf.shape(positives)) > 0


def cross_entropy(logits, labels, label_smoothing=0.):
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


def ssd_losses(logits, localisations, target_labels, target_localisations,
               negative_ratio=3., alpha=1., label_smoothing=0.,
               negatives_per_empty_image=0, normaliser=None):
    """Returns the Losses of a batch.

    Args:
      logits: float32 [batch, num_anchors, num_classes].
      localisations: float32 [batch, num_anchors, 4].
      target_labels: int64 [batch, num_anchors], 0 where unmatched.
      target_localisations: float32 [batch, num_anchors, 4].
      negative_ratio: mined negatives per positive.
      alpha: weight of the localisation loss.
      label_smoothing: share of the class target spread over all classes.
      negatives_per_empty_image: mined negatives of an image without
        matched anchor.
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
