"""Box geometry, the same formulas for TensorFlow and numpy.

A bbox is [ymin, xmin, ymax, xmax], relative to the image; an anchor is
[cy, cx, h, w]; localisations are cx, cy, w, h, as in Caffe and in every
checkpoint. All are float; the last axis holds the four numbers, the others
broadcast. `xp` is the library that computes: `tf` or `np`.
"""
from collections.abc import Sequence

import numpy as np
import tensorflow.compat.v1 as tf

Array = np.ndarray | tf.Tensor

# Caffe SSD "variance": cx, cy, w, h.
PRIOR_SCALING = (0.1, 0.1, 0.2, 0.2)
# Of the image's side; keeps the logarithm of a flat box finite.
MIN_SIDE = 1e-7


def area(bboxes: Array, xp=tf) -> Array:
    """Returns the area of each bbox, [...]; 0 where it is reversed."""
    return (xp.maximum(bboxes[..., 2] - bboxes[..., 0], 0)
            * xp.maximum(bboxes[..., 3] - bboxes[..., 1], 0))


def clip(bboxes: Array, window: Array | Sequence[float], xp=tf) -> Array:
    """Returns the parts of bboxes inside `window`, [..., 4].

    The window is [4], or broadcastable to bboxes. A bbox wholly outside has
    no area then, never a negative one.
    """
    window = _as_array(window, xp, bboxes.dtype)
    low = _concat([window[..., :2]] * 2, xp)
    high = _concat([window[..., 2:]] * 2, xp)
    return xp.minimum(xp.maximum(bboxes, low), high)


def resize(bboxes: Array, window: Array | Sequence[float], xp=tf) -> Array:
    """Returns bboxes relative to `window` ([4], or broadcastable)."""
    window = _as_array(window, xp, bboxes.dtype)
    low, size = window[..., :2], window[..., 2:] - window[..., :2]
    return (bboxes - _concat([low, low], xp)) / _concat([size, size], xp)


def jaccard(bboxes_a: Array, bboxes_b: Array, xp=tf) -> Array:
    """Returns the overlap (IoU) of two broadcastable sets of bboxes, [...].

    Two bboxes without area have overlap 0.
    """
    ymin = xp.maximum(bboxes_a[..., 0], bboxes_b[..., 0])
    xmin = xp.maximum(bboxes_a[..., 1], bboxes_b[..., 1])
    ymax = xp.minimum(bboxes_a[..., 2], bboxes_b[..., 2])
    xmax = xp.minimum(bboxes_a[..., 3], bboxes_b[..., 3])
    shared = xp.maximum(ymax - ymin, 0) * xp.maximum(xmax - xmin, 0)
    union = area(bboxes_a, xp) + area(bboxes_b, xp) - shared
    if xp is tf:
        return tf.math.divide_no_nan(shared, union)
    return np.divide(shared, union, out=np.zeros_like(union), where=union > 0)


def to_corners(anchors: Array, xp=tf) -> Array:
    """Returns [cy, cx, h, w] as [ymin, xmin, ymax, xmax], [..., 4]."""
    centres, half_sizes = anchors[..., :2], anchors[..., 2:] / 2
    return _concat([centres - half_sizes, centres + half_sizes], xp)


def to_centres(bboxes: Array, xp=tf) -> Array:
    """Returns [ymin, xmin, ymax, xmax] as [cy, cx, h, w], [..., 4]."""
    low, high = bboxes[..., :2], bboxes[..., 2:]
    return _concat([(low + high) / 2, high - low], xp)


def encode(bboxes: Array, anchors: Array,
           prior_scaling: Sequence[float] = PRIOR_SCALING, xp=tf) -> Array:
    """Returns the localisations of bboxes with regard to anchors, [..., 4].

    Caffe's CENTER_SIZE (bbox_util.cpp, EncodeBBox); paper section 2.2. The
    anchors' sides are positive. A bbox's side of 0 counts as MIN_SIDE, so
    that the result, divided by prior_scaling (cx, cy, w, h), is finite.
    """
    cy, cx, h, w = _split(to_centres(bboxes, xp))
    anchor_cy, anchor_cx, anchor_h, anchor_w = _split(anchors)
    log = tf.math.log if xp is tf else np.log
    return xp.stack([
        (cx - anchor_cx) / anchor_w / prior_scaling[0],
        (cy - anchor_cy) / anchor_h / prior_scaling[1],
        log(xp.maximum(w, MIN_SIDE) / anchor_w) / prior_scaling[2],
        log(xp.maximum(h, MIN_SIDE) / anchor_h) / prior_scaling[3],
    ], -1)


def decode(localisations: Array, anchors: Array,
           prior_scaling: Sequence[float] = PRIOR_SCALING, xp=tf) -> Array:
    """Returns the bboxes of localisations, [..., 4]: encode's inverse.

    They are not clipped.
    """
    cx, cy, w, h = _split(localisations)
    anchor_cy, anchor_cx, anchor_h, anchor_w = _split(anchors)
    return to_corners(xp.stack([
        cy * prior_scaling[1] * anchor_h + anchor_cy,
        cx * prior_scaling[0] * anchor_w + anchor_cx,
        xp.exp(h * prior_scaling[3]) * anchor_h,
        xp.exp(w * prior_scaling[2]) * anchor_w,
    ], -1), xp)


def _as_array(value, xp, dtype):
    return tf.cast(value, dtype) if xp is tf else np.asarray(value, dtype)


def _concat(parts, xp):
    return tf.concat(parts, -1) if xp is tf else np.concatenate(parts, -1)


def _split(numbers):
    return (numbers[..., i] for i in range(4))
