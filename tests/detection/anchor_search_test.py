"""Anchors from boxes: better than a network's own, never worse."""
import itertools

import numpy as np
import pytest

from detection import anchor_search
from detection import anchors

# A layer of one size, as MobileNet's first, and two of two.
GEOMETRY = [(8, 8), (4, 4), (1, 1)], (64, 64)
SIZES = (10.,), (20., 40.), (40., 64.)
RATIOS = (2., .5), (2., .5), ()
STEPS = 8, 16, 64


def search(bboxes, **kwargs):
    return anchor_search.search(
        bboxes, *GEOMETRY, SIZES, RATIOS, STEPS, **kwargs)


def overlaps(bboxes, sizes=SIZES, ratios=RATIOS):
    return anchors.best_overlaps(bboxes, *GEOMETRY, sizes, ratios, STEPS)


def anywhere(height, width, num=50):
    low = np.random.default_rng(1).uniform(size=(num, 2)) * (
        1 - height, 1 - width)
    return np.concatenate([low, low + (height, width)], axis=1)


@pytest.mark.parametrize('height, width', [(.15, .75), (.75, .15), (.2, .2)])
def test_boxes_that_fit_nothing_are_covered(height, width):
    bboxes = anywhere(height, width)
    sizes, ratios = search(bboxes)
    assert [*map(len, sizes)] == [*map(len, SIZES)]
    assert [*map(len, ratios)] == [*map(len, RATIOS)]
    bounds = [*(layer[0] for layer in sizes), sizes[-1][-1]]
    assert all(low <= high for low, high in itertools.pairwise(bounds))
    before, after = overlaps(bboxes), overlaps(bboxes, sizes, ratios)
    assert (after >= .5).mean() >= (before >= .5).mean() + .4
    assert after.mean() > before.mean()
    if width > height:  # All that is free became as wide as they are.
        assert min(ratios[0] + ratios[1]) > 2


def test_the_same_boxes_give_the_same_anchors():
    bboxes = anywhere(.3, .2)
    assert search(bboxes) == search(bboxes)


def test_where_nothing_fits_better_all_stays(monkeypatch):
    monkeypatch.setattr(anchor_search, 'SCALES', ())
    bboxes = np.array([[.5 - 20 / 64, .5 - 20 / 64, .5 + 20 / 64,
                        .5 + 20 / 64]])
    assert overlaps(bboxes) == pytest.approx([1])
    assert search(bboxes) == (SIZES, RATIOS)


@pytest.mark.parametrize('bbox', [
    [0, 0, 1, 1], [.5, .5, .5, .5], [.2, 0, .201, 1]])
def test_a_single_box_of_any_size(bbox):
    sizes, ratios = search(np.array([bbox]))
    assert np.isfinite([*itertools.chain(*sizes, *ratios)]).all()
    assert all(.099 < ratio < 10.01 for ratio in itertools.chain(*ratios))
