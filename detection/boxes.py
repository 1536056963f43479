"""Box geometry, the same formulas for TensorFlow and numpy.

A bbox is [ymin, xmin, ymax, xmax], relative to the image; an anchor is
[cy, cx, h, w]; localisations are cx, cy, w, h, as in Caffe and in every
checkpoint. The last axis holds the four numbers, all others broadcast.
`xp` is the library that computes: `tf` or `np`.
"""
import numpy as np
import tensorflow.compat.v1 as tf

# Caffe SSD "variance": cx, cy, w, h.
PRIOR_SCALING = (0.1, 0.1, 0.2, 0.2)
# Of the image's side; keeps the logarithm of a flat box finite.
MIN_SIDE = 1e-7


def sides(bboxes, xp=tf):
    """Returns heights and widths, 0 where a bbox is reversed: two [...]."""
    heights = xp.maximum(bboxes[..., 2] - bboxes[..., 0], 0)
    widths = xp.maximum(bboxes[..., 3] - bboxes[..., 1], 0)
    return heights, widths


def area(bboxes, xp=tf):
    """Returns the area of each bbox, [...]; 0 where it is reversed."""
    heights, widths = sides(bboxes, xp)
    return heights * widths


def clip(bboxes, window, xp=tf):
    """Returns the parts of bboxes inside `window`.

    Args:
      bboxes: float [..., 4].
      window: float [4], or broadcastable to bboxes; e.g. (0, 0, 1, 1).
      xp: tf or np.

    Returns:
      float [..., 4]; a bbox wholly outside has no area, never a negative one.
    """
    window = _as_array(window, xp, bboxes.dtype)
    low = _concat([window[..., :2]] * 2, xp)
    high = _concat([window[..., 2:]] * 2, xp)
    return xp.minimum(xp.maximum(bboxes, low), high)


def intersection(bboxes_a, bboxes_b, xp=tf):
    """Returns the area that two broadcastable sets of bboxes share, [...]."""
    ymin = xp.maximum(bboxes_a[..., 0], bboxes_b[..., 0])
    xmin = xp.maximum(bboxes_a[..., 1], bboxes_b[..., 1])
    ymax = xp.minimum(bboxes_a[..., 2], bboxes_b[..., 2])
    xmax = xp.minimum(bboxes_a[..., 3], bboxes_b[..., 3])
    return xp.maximum(ymax - ymin, 0) * xp.maximum(xmax - xmin, 0)


def jaccard(bboxes_a, bboxes_b, xp=tf):
    """Returns the overlap (IoU) of two broadcastable sets of bboxes, [...].

    Two bboxes without area have overlap 0.
    """
    shared = intersection(bboxes_a, bboxes_b, xp)
    union = area(bboxes_a, xp) + area(bboxes_b, xp) - shared
    if xp is tf:
        return tf.math.divide_no_nan(shared, union)
    return np.divide(shared, union, out=np.zeros_like(union), where=union > 0)


def resize(bboxes, window, xp=tf):
    """Returns bboxes relative to `window` ([4], or broadcastable)."""
    offset, size = _offset_and_size(window, xp, bboxes.dtype)
    return (bboxes - offset) / size


def unresize(bboxes, window, xp=tf):
    """Returns bboxes that were relative to `window`: resize's inverse."""
    offset, size = _offset_and_size(window, xp, bboxes.dtype)
    return bboxes * size + offset


def to_corners(anchors, xp=tf):
    """Returns [cy, cx, h, w] as [ymin, xmin, ymax, xmax], [..., 4]."""
    centres, half_sizes = anchors[..., :2], anchors[..., 2:] / 2
    return _concat([centres - half_sizes, centres + half_sizes], xp)


def to_centres(bboxes, xp=tf):
    """Returns [ymin, xmin, ymax, xmax] as [cy, cx, h, w], [..., 4]."""
    low, high = bboxes[..., :2], bboxes[..., 2:]
    return _concat([(low + high) / 2, high - low], xp)


def encode(bboxes, anchors, prior_scaling=PRIOR_SCALING, xp=tf):
    """Returns the localisations of bboxes with regard to anchors.

    Caffe's CENTER_SIZE (bbox_util.cpp, EncodeBBox); paper section 2.2.

    Args:
      bboxes: float [..., 4], [ymin, xmin, ymax, xmax]. A side of 0 counts
        as MIN_SIDE, so that the result is finite.
      anchors: float [..., 4], [cy, cx, h, w], with positive sides.
      prior_scaling: of cx, cy, w, h.
      xp: tf or np.

    Returns:
      float [..., 4]: cx, cy, w, h, divided by prior_scaling.
    """
    centres = to_centres(bboxes, xp)
    cy, cx, h, w = (centres[..., i] for i in range(4))
    anchor_cy, anchor_cx, anchor_h, anchor_w = (
        anchors[..., i] for i in range(4))
    log = tf.math.log if xp is tf else np.log
    return xp.stack([
        (cx - anchor_cx) / anchor_w / prior_scaling[0],
        (cy - anchor_cy) / anchor_h / prior_scaling[1],
        log(xp.maximum(w, MIN_SIDE) / anchor_w) / prior_scaling[2],
        log(xp.maximum(h, MIN_SIDE) / anchor_h) / prior_scaling[3],
    ], -1)


def decode(localisations, anchors, prior_scaling=PRIOR_SCALING, xp=tf):
    """Returns the bboxes of localisations: encode's inverse, not clipped.

    Args:
      localisations: float [..., 4], cx, cy, w, h.
      anchors: float [..., 4], [cy, cx, h, w].
      prior_scaling: of cx, cy, w, h.
      xp: tf or np.

    Returns:
      float [..., 4], [ymin, xmin, ymax, xmax].
    """
    anchor_cy, anchor_cx, anchor_h, anchor_w = (
        anchors[..., i] for i in range(4))
    return to_corners(xp.stack([
        localisations[..., 1] * prior_scaling[1] * anchor_h + anchor_cy,
        localisations[..., 0] * prior_scaling[0] * anchor_w + anchor_cx,
        xp.exp(localisations[..., 3] * prior_scaling[3]) * anchor_h,
        xp.exp(localisations[..., 2] * prior_scaling[2]) * anchor_w,
    ], -1), xp)


def _as_array(value, xp, dtype):
    return tf.cast(value, dtype) if xp is tf else np.asarray(value, dtype)


def _concat(parts, xp):
    return tf.concat(parts, -1) if xp is tf else np.concatenate(parts, -1)


def _offset_and_size(window, xp, dtype):
    window = _as_array(window, xp, dtype)
    low, high = window[..., :2], window[..., 2:]
    return _concat([low, low], xp), _concat([high - low, high - low], xp)
