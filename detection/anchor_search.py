"""Anchors that fit the boxes of a data set better than the defaults do.

Sizes and ratios begin at medians of the logarithms of the boxes' sides, as in
k-medians, and climb from there, and from those of the network, to the largest
mean jaccard of each box with its best anchor. Which layer a size is for, and
how near an anchor's centre comes to a box, is in the measure: it looks at
every cell of every layer.
"""
import itertools
from collections.abc import Sequence

import numpy as np

from detection import anchors
from detection import boxes

MIN_OVERLAP = 0.5  # Of a match; Caffe SSD, ssd_pascal.py, overlap_threshold.
# What augmentation does to the sides of a box: the recipe's expansion and
# crops. The boxes as they are weigh as much as all of these together.
SCALES = (.35, .5, .7, 1.4, 2.)
# Ratios beyond are no use to a head of 3x3 cells, and are labelling errors.
MAX_RATIO = 10.
MAX_BOXES = 1000
STEPS = (1.3, 1.1, 1.03)  # Of the climb, coarse to fine.
MAX_ROUNDS = 20

Layers = tuple[tuple[float, ...], ...]


def search(bboxes: np.ndarray, feat_shapes: Sequence[tuple[int, int]],
           img_shape: tuple[int, int], sizes: Layers, ratios: Layers,
           steps: Sequence[float], offset: float | Sequence[float] = .5,
           random_seed: int = 0) -> tuple[Layers, Layers]:
    """Returns anchor sizes, in pixels, and ratios, as many as were given.

    Args:
      bboxes: float [n, 4], [ymin, xmin, ymax, xmax], relative, n > 0.
      feat_shapes, img_shape, sizes, ratios, steps, offset: a network's
        geometry, as in anchors.all_anchors; where nothing fits better, its
        sizes and ratios are returned.
      random_seed: of the choice of boxes, where there are many, and of where
        enlarged ones lie.
    """
    rng = np.random.default_rng(random_seed)
    bboxes = np.asarray(bboxes, np.float64)
    if len(bboxes) > MAX_BOXES:
        bboxes = rng.choice(bboxes, MAX_BOXES, replace=False)
    measure = _Measure(*_with_scaled(bboxes, rng), feat_shapes, img_shape,
                       steps, anchors.layer_offsets(offset, len(steps)))
    candidates = [(sizes, ratios), _medians(
        measure.bboxes * np.tile(img_shape, 2), sizes, ratios, steps)]
    climbed = [_climb(measure, *start) for start in candidates]
    return max([candidates[0], *climbed], key=lambda found: measure(*found))


class _Measure:
    """The mean jaccard of boxes with their best anchors, and their share.

    Both count alike: the share of matches is what teaches a network, the
    mean is smooth. Layers that stay the same are not computed again.
    """

    def __init__(self, bboxes, weights, feat_shapes, img_shape, steps,
                 offsets):
        self.bboxes, self._weights = bboxes, weights / weights.sum()
        self._img_shape = img_shape
        self._layers = list(zip(feat_shapes, steps, offsets, strict=True))
        self._overlaps = {}

    def __call__(self, sizes, ratios):
        best = np.max([self._of_layer(index, *layer) for index, layer
                       in enumerate(zip(sizes, ratios, strict=True))], axis=0)
        return ((best >= MIN_OVERLAP) + best) @ self._weights

    def _of_layer(self, index, sizes, ratios):
        key = index, sizes, ratios
        if key not in self._overlaps:
            if len(self._overlaps) > 500:  # Of the past.
                self._overlaps.clear()
            feat_shape, step, offset = self._layers[index]
            self._overlaps[key] = anchors.best_overlaps(
                self.bboxes, [feat_shape], self._img_shape, [sizes], [ratios],
                [step], offset)
        return self._overlaps[key]


def _with_scaled(bboxes, rng):
    """Returns bboxes with those of SCALES, anywhere, and their weights."""
    centres = boxes.to_centres(bboxes)
    scaled = [bboxes]
    for scale in SCALES:
        sides = centres[:, 2:] * scale
        sides = sides[(sides <= 1).all(axis=1)]
        low = rng.uniform(size=sides.shape) * (1 - sides)
        scaled.append(np.concatenate([low, low + sides], axis=1))
    weights = np.ones(sum(map(len, scaled)))
    weights[:len(bboxes)] = max(
        len(weights) - len(bboxes), 1) / len(bboxes)
    return np.concatenate(scaled), weights


def _medians(bboxes, sizes, ratios, steps):
    """Returns sizes and ratios that divide the boxes, in pixels, evenly."""
    sides = np.log(np.maximum(boxes.to_centres(bboxes)[:, 2:], 1e-3))
    means = sides.mean(axis=1)  # Of the logarithms: root of the area.
    log_ratios = np.clip(sides[:, 1] - sides[:, 0],
                         -np.log(MAX_RATIO), np.log(MAX_RATIO))
    bounds = np.exp(np.quantile(
        means, (np.arange(len(sizes) + 1) + .5) / (len(sizes) + 1)))
    # Smaller than a step no anchor finds its box.
    bounds[:-1] = np.maximum.accumulate(np.maximum(bounds[:-1], steps))
    bounds[-1] = max(bounds[-1], bounds[-2] * 1.1)
    found = []
    for index, layer in enumerate(ratios):
        near = np.argsort(np.abs(means - np.log(bounds[index])))
        medians = _k_medians(
            log_ratios[near[:max(len(near) // 2, 1)]], len(layer))
        found.append(tuple(np.exp(medians).tolist()))
    return _as_sizes(bounds.tolist(), sizes), tuple(found)


def _k_medians(values, num):
    """Returns the medians of `num` clusters of numbers, ascending."""
    if not num:
        return np.zeros(0)
    centres = np.quantile(values, (np.arange(num) + .5) / num)
    for _ in range(MAX_ROUNDS):
        nearest = np.abs(values[:, None] - centres).argmin(axis=1)
        before, centres = centres, np.array([
            np.median(values[nearest == index])
            if (nearest == index).any() else centre
            for index, centre in enumerate(centres)])
        if (centres == before).all():
            break
    return centres


def _climb(measure, sizes, ratios):
    """Returns sizes and ratios of a local maximum of the measure.

    One number at a time: the bounds between layers, each the largest size of
    one and the smallest of the next, and the ratios.
    """
    bounds = [layer[0] for layer in sizes] + [sizes[-1][-1]]
    ratios, best = [list(layer) for layer in ratios], measure(sizes, ratios=(
        tuple(map(tuple, ratios))))

    def places():
        yield from ((bounds, index) for index in range(len(bounds)))
        yield from ((layer, index) for layer in ratios
                    for index in range(len(layer)))

    def value():
        if any(low > high for low, high in itertools.pairwise(bounds)):
            return -np.inf
        return measure(_as_sizes(bounds, sizes), tuple(map(tuple, ratios)))

    for step in STEPS:
        for _ in range(MAX_ROUNDS):
            before = best
            for numbers, index in places():
                for factor in (step, 1 / step):
                    start = numbers[index]
                    numbers[index] *= factor
                    is_allowed = numbers is bounds or (
                        1 / MAX_RATIO <= numbers[index] <= MAX_RATIO)
                    if is_allowed and (found := value()) > best:
                        best = found
                        break
                    numbers[index] = start
            if best - before < 1e-4:
                break
    return _as_sizes(bounds, sizes), tuple(map(tuple, ratios))


def _as_sizes(bounds, like):
    """Returns the sizes of layers between bounds, one or two each as `like`."""
    return tuple(tuple(bounds[index:index + len(layer)])
                 for index, layer in enumerate(like))
