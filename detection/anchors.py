"""Anchors (default boxes, Caffe's priors): [cy, cx, h, w], relative.

Order, as in Caffe and in every checkpoint: layer, row, column, kind; the
kinds of a cell are the small square, the square of the geometric mean size,
then one anchor per ratio.
"""
import math

import numpy as np

from detection import boxes


def num_kinds(sizes, ratios):
    """Returns the number of anchors of a cell."""
    return len(sizes) + len(ratios)


def layer_anchors(feat_shape, img_shape, sizes, ratios, step, offset=0.5):
    """Returns the anchors of one feature layer.

    Paper section 2.2; Caffe prior_box_layer.cpp with clip: false.

    Args:
      feat_shape: (height, width) of the feature map, in cells.
      img_shape: (height, width) of the network's input, in pixels.
      sizes: (min_size,) or (min_size, max_size), in pixels.
      ratios: width / height of the further anchors, of size min_size.
      step: pixels between the centres of neighbouring cells.
      offset: centre of the first cell, in steps.

    Returns:
      float32 [height * width * num_kinds, 4]; some reach outside the image.
    """
    min_size = sizes[0]
    heights, widths = [min_size], [min_size]
    if len(sizes) > 1:
        heights.append(math.sqrt(min_size * sizes[1]))
        widths.append(heights[-1])
    for ratio in ratios:
        heights.append(min_size / math.sqrt(ratio))
        widths.append(min_size * math.sqrt(ratio))
    rows, columns = np.mgrid[:feat_shape[0], :feat_shape[1]] + offset
    anchors = np.empty((*feat_shape, len(heights), 4))
    anchors[..., 0] = rows[..., None] * step / img_shape[0]
    anchors[..., 1] = columns[..., None] * step / img_shape[1]
    anchors[..., 2] = np.array(heights) / img_shape[0]
    anchors[..., 3] = np.array(widths) / img_shape[1]
    return anchors.reshape(-1, 4).astype(np.float32)


def all_anchors(feat_shapes, img_shape, sizes, ratios, steps, offset=0.5):
    """Returns the anchors of all layers: float32 [num_anchors, 4].

    Args:
      feat_shapes, sizes, ratios, steps: one entry per layer, as in
        layer_anchors.
      img_shape: (height, width) of the network's input, in pixels.
      offset: centre of the first cell, in steps.
    """
    return np.concatenate([
        layer_anchors(feat_shape, img_shape, *layer, offset)
        for feat_shape, *layer in zip(
            feat_shapes, sizes, ratios, steps, strict=True)])


def best_overlaps(bboxes, feat_shapes, img_shape, sizes, ratios, steps,
                  offset=0.5):
    """Returns each bbox's overlap (IoU) with the anchor that fits it best.

    Of the anchors of one layer and kind, all of the same size, the one with
    the nearest centre fits best: no other has to be looked at.

    Args:
      bboxes: float [n, 4], [ymin, xmin, ymax, xmax], relative.
      feat_shapes, img_shape, sizes, ratios, steps, offset: as in all_anchors.

    Returns:
      float64 [n].
    """
    bboxes = np.asarray(bboxes, np.float64)
    pixels = boxes.to_centres(bboxes, np)[:, :2] * img_shape
    best = np.zeros(len(bboxes))
    for feat_shape, *layer in zip(
            feat_shapes, sizes, ratios, steps, strict=True):
        grid = layer_anchors(feat_shape, img_shape, *layer, offset).reshape(
            *feat_shape, -1, 4)
        cells = np.clip(np.round(pixels / layer[-1] - offset).astype(int),
                        0, np.array(feat_shape) - 1)
        corners = boxes.to_corners(
            grid[cells[:, 0], cells[:, 1]].astype(np.float64), np)
        overlaps = boxes.jaccard(
            bboxes[:, None], corners, np)  # [n, num_kinds]
        best = np.maximum(best, overlaps.max(axis=1))
    return best
