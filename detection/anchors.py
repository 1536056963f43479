"""Anchors (default boxes, Caffe's priors): [cy, cx, h, w], relative.

Order, as in Caffe and in every checkpoint: layer, row, column, kind; the
kinds of a cell are the small square, the square of the geometric mean size,
then one anchor per ratio. Paper section 2.2; Caffe prior_box_layer.cpp.
"""
import math
from collections.abc import Sequence

import numpy as np

from detection import boxes


def num_kinds(sizes: Sequence[float], ratios: Sequence[float]) -> int:
    """Returns the number of anchors of a cell."""
    return len(sizes) + len(ratios)


def layer_anchors(feat_shape: tuple[int, int], img_shape: tuple[int, int],
                  sizes: Sequence[float], ratios: Sequence[float],
                  step: float, offset: float = 0.5) -> np.ndarray:
    """Returns the anchors of one feature layer.

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
    sides = [(min_size, min_size)]
    if len(sizes) > 1:
        sides.append((math.sqrt(min_size * sizes[1]),) * 2)
    sides += [(min_size / math.sqrt(ratio), min_size * math.sqrt(ratio))
              for ratio in ratios]
    cells = np.moveaxis(np.indices(feat_shape), 0, 2)  # [height, width, 2]
    anchors = np.empty((*feat_shape, len(sides), 4))
    anchors[..., :2] = (cells[:, :, None] + offset) * step
    anchors[..., 2:] = sides
    anchors /= (*img_shape, *img_shape)
    return anchors.reshape(-1, 4).astype(np.float32)


def all_anchors(feat_shapes: Sequence[tuple[int, int]],
                img_shape: tuple[int, int], sizes: Sequence[Sequence[float]],
                ratios: Sequence[Sequence[float]], steps: Sequence[float],
                offset: float | Sequence[float] = 0.5,
                clip: str | None = None) -> np.ndarray:
    """Returns the anchors of all layers: float32 [num_anchors, 4].

    The arguments are those of layer_anchors, plural ones with one entry a
    layer, as `offset` may have.

    Args:
      clip: None; 'corners', at the image's edges (Caffe's clip: true); or
        'sides', heights and widths to 0..1 (torchvision's clip); or
        'centres_and_sides', all four numbers (that of other PyTorch SSDs).

    Raises:
      ValueError: clip is something else.
    """
    all_layers = np.concatenate([
        layer_anchors(feat_shape, img_shape, *layer)
        for feat_shape, *layer in zip(
            feat_shapes, sizes, ratios, steps,
            layer_offsets(offset, len(steps)), strict=True)])
    if clip is None:
        return all_layers
    if clip == 'sides':
        return np.clip(all_layers, [-np.inf, -np.inf, 0, 0], [
            np.inf, np.inf, 1, 1]).astype(np.float32)
    if clip == 'centres_and_sides':
        return np.clip(all_layers, 0, 1)
    if clip == 'corners':
        return boxes.to_centres(
            np.clip(boxes.to_corners(all_layers), 0, 1))
    raise ValueError(f'anchor_clip is {clip!r}, not corners, sides, '
                     'centres_and_sides or null.')


def layer_offsets(offset: float | Sequence[float],
                  num_layers: int) -> Sequence[float]:
    """Returns the offset of each layer, of one for all or one for each."""
    return [offset] * num_layers if isinstance(offset, (int, float)) else offset


def best_overlaps(bboxes: np.ndarray, feat_shapes: Sequence[tuple[int, int]],
                  img_shape: tuple[int, int],
                  sizes: Sequence[Sequence[float]],
                  ratios: Sequence[Sequence[float]], steps: Sequence[float],
                  offset: float | Sequence[float] = 0.5) -> np.ndarray:
    """Returns each bbox's overlap (IoU) with the anchor that fits it best.

    Of the anchors of one layer and kind, all of the same size, the one with
    the nearest centre fits best: no other has to be looked at.

    Args:
      bboxes: float [n, 4], [ymin, xmin, ymax, xmax], relative.
      feat_shapes, img_shape, sizes, ratios, steps, offset: as in all_anchors,
        which are not clipped.

    Returns:
      float64 [n].
    """
    bboxes = np.asarray(bboxes, np.float64)
    pixels = boxes.to_centres(bboxes)[:, :2] * img_shape
    best = np.zeros(len(bboxes))
    for feat_shape, *layer, step, layer_offset in zip(
            feat_shapes, sizes, ratios, steps,
            layer_offsets(offset, len(steps)), strict=True):
        grid = layer_anchors(
            feat_shape, img_shape, *layer, step, layer_offset).reshape(
                *feat_shape, -1, 4)
        cells = np.clip(np.round(pixels / step - layer_offset).astype(int),
                        0, np.array(feat_shape) - 1)
        corners = boxes.to_corners(
            grid[cells[:, 0], cells[:, 1]].astype(np.float64))
        overlaps = boxes.jaccard(
            bboxes[:, None], corners)  # [n, num_kinds]
        best = np.maximum(best, overlaps.max(axis=1))
    return best
