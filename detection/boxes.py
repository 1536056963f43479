"""Box geometry, the same formulas for TensorFlow and numpy.

A bbox is [ymin, xmin, ymax, xmax], relative to the image; an anchor is
[cy, cx, h, w]; localisations are cx, cy, w, h, as in Caffe and in every
checkpoint. All are float; the last axis holds the four numbers, the others
broadcast. Of numpy's arrays alone the result is one; else it is a tensor.
"""
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any  # np.ndarray, or tf.Tensor: numpy's need no TensorFlow.

# Caffe SSD "variance": cx, cy, w, h.
PRIOR_SCALING = (0.1, 0.1, 0.2, 0.2)
# Of the image's side; keeps the logarithm of a flat box finite.
MIN_SIDE = 1e-7


def area(bboxes: Array) -> Array:
    """Returns the area of each bbox, [...]; 0 where it is reversed."""
    xp = _library(bboxes)
    return (xp.maximum(bboxes[..., 2] - bboxes[..., 0], 0)
            * xp.maximum(bboxes[..., 3] - bboxes[..., 1], 0))


def clip(bboxes: Array, window: Array | Sequence[float]) -> Array:
    """Returns the parts of bboxes inside `window`, [..., 4].

    The window is [4], or broadcastable to bboxes. A bbox wholly outside has
    no area then, never a negative one.
    """
    xp = _library(bboxes, window)
    window = _as_array(window, xp, bboxes.dtype)
    low = _concat([window[..., :2]] * 2, xp)
    high = _concat([window[..., 2:]] * 2, xp)
    return xp.minimum(xp.maximum(bboxes, low), high)


def resize(bboxes: Array, window: Array | Sequence[float]) -> Array:
    """Returns bboxes relative to `window` ([4], or broadcastable)."""
    xp = _library(bboxes, window)
    window = _as_array(window, xp, bboxes.dtype)
    low, size = window[..., :2], window[..., 2:] - window[..., :2]
    return (bboxes - _concat([low, low], xp)) / _concat([size, size], xp)


def jaccard(bboxes_a: Array, bboxes_b: Array) -> Array:
    """Returns the overlap (IoU) of two broadcastable sets of bboxes, [...].

    Two bboxes without area have overlap 0.
    """
    xp = _library(bboxes_a, bboxes_b)
    ymin = xp.maximum(bboxes_a[..., 0], bboxes_b[..., 0])
    xmin = xp.maximum(bboxes_a[..., 1], bboxes_b[..., 1])
    ymax = xp.minimum(bboxes_a[..., 2], bboxes_b[..., 2])
    xmax = xp.minimum(bboxes_a[..., 3], bboxes_b[..., 3])
    shared = xp.maximum(ymax - ymin, 0) * xp.maximum(xmax - xmin, 0)
    union = area(bboxes_a) + area(bboxes_b) - shared
    if xp is not np:
        return xp.math.divide_no_nan(shared, union)
    return np.divide(shared, union, out=np.zeros_like(union), where=union > 0)


def to_corners(anchors: Array) -> Array:
    """Returns [cy, cx, h, w] as [ymin, xmin, ymax, xmax], [..., 4]."""
    centres, half_sizes = anchors[..., :2], anchors[..., 2:] / 2
    return _concat([centres - half_sizes, centres + half_sizes],
                   _library(anchors))


def to_centres(bboxes: Array) -> Array:
    """Returns [ymin, xmin, ymax, xmax] as [cy, cx, h, w], [..., 4]."""
    low, high = bboxes[..., :2], bboxes[..., 2:]
    return _concat([(low + high) / 2, high - low], _library(bboxes))


def encode(bboxes: Array, anchors: Array,
           prior_scaling: Sequence[float] = PRIOR_SCALING) -> Array:
    """Returns the localisations of bboxes with regard to anchors, [..., 4].

    Caffe's CENTER_SIZE (bbox_util.cpp, EncodeBBox); paper section 2.2. The
    anchors' sides are positive. A bbox's side of 0 counts as MIN_SIDE, so
    that the result, divided by prior_scaling (cx, cy, w, h), is finite.
    """
    xp = _library(bboxes, anchors)
    cy, cx, h, w = _split(to_centres(bboxes))
    anchor_cy, anchor_cx, anchor_h, anchor_w = _split(anchors)
    log = np.log if xp is np else xp.math.log
    return xp.stack([
        (cx - anchor_cx) / anchor_w / prior_scaling[0],
        (cy - anchor_cy) / anchor_h / prior_scaling[1],
        log(xp.maximum(w, MIN_SIDE) / anchor_w) / prior_scaling[2],
        log(xp.maximum(h, MIN_SIDE) / anchor_h) / prior_scaling[3],
    ], -1)


def decode(localisations: Array, anchors: Array,
           prior_scaling: Sequence[float] = PRIOR_SCALING) -> Array:
    """Returns the bboxes of localisations, [..., 4]: encode's inverse.

    They are not clipped.
    """
    xp = _library(localisations, anchors)
    cx, cy, w, h = _split(localisations)
    anchor_cy, anchor_cx, anchor_h, anchor_w = _split(anchors)
    return to_corners(xp.stack([
        cy * prior_scaling[1] * anchor_h + anchor_cy,
        cx * prior_scaling[0] * anchor_w + anchor_cx,
        xp.exp(h * prior_scaling[3]) * anchor_h,
        xp.exp(w * prior_scaling[2]) * anchor_w,
    ], -1))


def _library(*arrays):
    """Returns numpy, or TensorFlow, if one of the arrays is a tensor."""
    if all(isinstance(array, (np.ndarray, Sequence)) for array in arrays):
        return np
    import tensorflow.compat.v1 as tf  # Not above: see Array.
    return tf


def _as_array(value, xp, dtype):
    return np.asarray(value, dtype) if xp is np else xp.cast(value, dtype)


def _concat(parts, xp):
    return np.concatenate(parts, -1) if xp is np else xp.concat(parts, -1)


def _split(numbers):
    return (numbers[..., i] for i in range(4))
