"""Tests of detection.average_precision.

data/voc_eval: ground truth, detections in the devkit's format, and what the
devkit's rule gives for them, computed by an independent program.
"""
import json
import math
import random

import numpy as np
import pytest

from detection import average_precision
from tests import rows
from tests import scripts

DATA = scripts.DATA / 'voc_eval'
# Eleven rows and ten columns of pixels; others that it does not touch.
OBJECT, FAR = [0, 0, 10, 9], [50, 50, 60, 60]


def match(objects, found):
    return average_precision.match_detections(
        rows.objects(*objects), rows.found(*found))


def evaluate(objects, found, names=('cat',)):
    return average_precision.evaluate(
        rows.objects(*objects), rows.found(*found), names)


@pytest.mark.parametrize('is_shuffled', [False, True])
def test_equals_the_reference_in_any_order_of_detections(is_shuffled):
    expected = json.loads((DATA / 'expected.json').read_text())
    names = [name for name in expected if not name.startswith('mAP')]
    objects_of = json.loads((DATA / 'groundtruth.json').read_text())
    stems = sorted(objects_of)
    objects = [
        (stems.index(stem), names.index(target['name']) + 1,
         np.array(target['bbox_xyxy'])[[1, 0, 3, 2]], target['difficult'])
        for stem, targets in objects_of.items() for target in targets]
    found = []
    for label, name in enumerate(names, 1):
        lines = (DATA / f'comp4_det_test_{name}.txt').read_text().splitlines()
        found += [(stems.index(stem), label, score,
                   np.array(xyxy)[[1, 0, 3, 2]])
                  for stem, score, *xyxy in map(str.split, lines)]
    if is_shuffled:
        random.Random(0).shuffle(found)
    results = evaluate(objects, found, names)
    assert list(results.metrics.values()) == pytest.approx(
        [expected['mAP_VOC07'], expected['mAP_VOC12']], rel=0, abs=1e-9)
    for result in results.classes:
        wanted = expected[result.name]
        assert list(result.metrics.values()) == pytest.approx(
            [wanted['AP_VOC07'], wanted['AP_VOC12']], rel=0, abs=1e-9)
        assert (result.num_objects, result.num_detections) == (
            wanted['num_objects'], wanted['num_detections'])


def test_overlap_counts_the_last_pixel():
    one_pixel = np.array([3., 3., 3., 3.])
    assert average_precision.overlap(one_pixel, one_pixel) == 1
    assert average_precision.overlap(np.array([0., 0., 10., 2.]), np.array(
        [0., 1., 10., 2.])) == pytest.approx(2 / 3)


@pytest.mark.parametrize('xmax, is_right', [(19, True), (20, False)])
def test_an_overlap_of_half_is_enough(xmax, is_right):
    matches = match([(0, 1, OBJECT, False)], [(0, 1, 0.9, [0, 0, 10, xmax])])
    assert matches.is_true_positive.tolist() == [is_right]
    assert matches.overlaps[0] == pytest.approx(10 / (xmax + 1))


def test_matches_of_every_kind():
    matches = match(
        [(0, 1, FAR, True), (0, 1, OBJECT, False), (1, 2, OBJECT, False)],
        [(0, 1, 0.5, OBJECT),  # A duplicate of the next but one.
         (1, 1, 0.9, OBJECT),  # An object of another class.
         (0, 1, 0.8, [0, 0, 10, 10]),
         (0, 1, 0.7, FAR), (0, 1, 0.6, FAR),  # Difficult.
         (0, 1, 0.4, [90, 90, 99, 99]),  # Nothing there.
         (2, 1, 0.3, OBJECT)])  # Another image.
    assert matches.is_true_positive.tolist() == [
        False, False, True, False, False, False, False]
    assert matches.is_ignored.tolist() == [
        False, False, False, True, True, False, False]
    assert matches.objects.tolist() == [1, -1, 1, 0, 0, -1, -1]


def test_the_object_overlapped_most_is_taken_even_if_it_is_gone():
    # Both overlap the first most; the devkit does not look further.
    matches = match(
        [(0, 1, [0, 0, 9, 9], False), (0, 1, [0, 2, 9, 11], False)],
        [(0, 1, 0.9, [0, 0, 9, 9]), (0, 1, 0.8, [0, 0, 9, 10])])
    assert matches.is_true_positive.tolist() == [True, False]


def test_average_precision_by_hand():
    # Right, wrong, right, of 4 objects: recall stops at 0.5.
    precision = np.array([1, 1 / 2, 2 / 3])
    recall = np.array([0.25, 0.25, 0.5])
    # 1 at 0, 0.1, 0.2; 2 / 3 at 0.3, 0.4, 0.5.
    assert average_precision.average_precision_voc07(
        precision, recall) == pytest.approx(5 / 11)
    assert average_precision.average_precision_voc12(
        precision, recall) == pytest.approx(0.25 + 0.25 * 2 / 3)


@pytest.mark.parametrize('num_found, num_reached', [
    (2, 3), (3, 3), (4, 5), (5, 6), (6, 6), (7, 7), (8, 9), (10, 11)])
def test_recall_steps_are_rounded_as_in_the_devkit(num_found, num_reached):
    # 3, 6 and 7 tenths lie just below 3 * 0.1, 6 * 0.1 and 7 * 0.1.
    recall = np.arange(1, num_found + 1) / 10
    assert average_precision.average_precision_voc07(
        np.ones(num_found), recall) == pytest.approx(num_reached / 11)


@pytest.mark.parametrize('found, value, recall', [
    ([(0, 1, .9, OBJECT), (1, 1, .2, OBJECT)], 1, [.5, 1]), ([], 0, [])])
def test_a_perfect_detector_scores_one_and_none_zero(found, value, recall):
    results = evaluate([(0, 1, OBJECT, False), (1, 1, OBJECT, False)], found)
    assert results.metrics == {'AP_VOC07': value, 'AP_VOC12': value}
    assert results.classes[0].recall.tolist() == recall


def test_a_class_without_objects_to_find_is_left_out_of_the_mean():
    # What fits a difficult object does not lower the precision, either.
    results = evaluate(
        [(0, 1, OBJECT, False), (0, 1, FAR, True), (0, 3, OBJECT, True)],
        [(0, 1, 0.8, OBJECT), (0, 1, 0.9, FAR), (0, 2, 0.9, OBJECT),
         (0, 3, 0.9, OBJECT)], ['cat', 'dog', 'hidden'])
    cat, dog, hidden = results.classes
    assert cat.metrics == results.metrics == {'AP_VOC07': 1, 'AP_VOC12': 1}
    for result, num_counted in ((dog, 1), (hidden, 0)):
        assert all(map(math.isnan, result.metrics.values()))
        assert (result.num_objects, result.num_detections) == (0, 1)
        assert len(result.precision) == num_counted
    assert list(map(math.isnan, evaluate([], []).metrics.values())) == [
        True, True]


def best(scores_of_right, scores_of_wrong, num_objects=2, **kwargs):
    """Returns the best OperatingPoint of one class."""
    found = [(image, 1, score, OBJECT)
             for image, score in enumerate(scores_of_right)]
    found += [(0, 1, score, FAR) for score in scores_of_wrong]
    results = average_precision.evaluate(
        rows.objects(*((image, 1, OBJECT, False)
                       for image in range(num_objects))),
        rows.found(*found, dtype=np.float32), ['cat'], **kwargs)
    assert results.pooled.best == results.classes[0].best
    return results.classes[0].best


def test_the_best_threshold():
    # F1 is 2 * right / (found + objects): 2 / 3, 2 / 4, 4 / 5, 4 / 6.
    point = best([.9, .6], [.8, .3])
    assert point == pytest.approx((.45, .8, 2 / 3, 1))
    # Of equal scores none can be left out.
    assert best([.9, .6], [.8, .6]).threshold == .85
    assert best([.9, .6], []).threshold == .3
    assert best([.9, .6], [], min_score=.2).threshold == .4
    assert best([], [.9]) is None
    assert best([.9], [], num_objects=0) is None


@pytest.mark.parametrize('low, threshold', [
    (.5, .55), (.59, .595), (.5999, .59995), (.5999999, .59999996),
    (np.nextafter(np.float32(.6), np.float32(0)), .59999996)])
def test_a_threshold_parts_scores_with_few_digits(low, threshold):
    point = best([.6], [low, .1], 1)
    assert point.threshold == pytest.approx(threshold, rel=0, abs=2e-8)
    assert np.float32(low) <= np.float32(point.threshold) < np.float32(.6)
    assert len(f'{point.threshold:.9g}') <= len('0.599999993')


def test_the_best_threshold_of_all_classes():
    results = evaluate(
        [(0, 1, OBJECT, False), (0, 2, OBJECT, False), (0, 2, FAR, True)],
        [(0, 1, .9, OBJECT), (0, 2, .6, OBJECT), (0, 2, .95, FAR),
         (0, 3, .7, OBJECT), (0, 1, .3, FAR)], ['cat', 'dog', 'never'])
    assert results.pooled.best == pytest.approx((.45, .8, 2 / 3, 1))
    assert results.pooled.scores.tolist() == [.9, .7, .6, .3]
    assert results.pooled.num_objects == 2
    assert results.pooled.num_detections == 5
    assert results.classes[1].best.f1 == 1
    assert results.classes[2].best is None


@pytest.mark.parametrize('label', [0, 2])
def test_a_class_without_a_name_is_refused(label):
    with pytest.raises(ValueError, match=f'a detection is {label}; it must'):
        evaluate([], [(0, label, 0.9, OBJECT)])
    with pytest.raises(ValueError, match=f'an object is {label}; it must'):
        evaluate([(0, label, OBJECT, False)], [])


def by_devkit(objects, found, label):
    """VOCevaldet.m and VOCap.m, loop by loop; equal scores as documented."""
    by_score = sorted((-score, image, tuple(bbox)) for image, classes, score,
                      bbox in zip(*found) if classes == label)
    # Image, bbox, whether it is difficult, whether it has been found.
    targets = [[image, bbox, is_difficult, False] for image, classes, bbox,
               is_difficult in zip(*objects) if classes == label]
    num_objects = sum(not target[2] for target in targets)
    if not num_objects:
        return math.nan, math.nan
    precision, recall, num_right, num_wrong = [], [], 0, 0
    for _, image, bbox in by_score:
        best, best_overlap = None, -math.inf
        for target in targets:
            height, width = (
                min(bbox[i + 2], target[1][i + 2])
                - max(bbox[i], target[1][i]) + 1 for i in range(2))
            if target[0] == image and height > 0 and width > 0:
                union = sum(
                    (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
                    for box in (bbox, target[1])) - height * width
                if height * width / union > best_overlap:
                    best, best_overlap = target, height * width / union
        if best_overlap >= 0.5 and best[2]:
            continue
        is_right = best_overlap >= 0.5 and not best[3]
        if is_right:
            best[3] = True
        num_right, num_wrong = num_right + is_right, num_wrong + (not is_right)
        precision.append(num_right / (num_right + num_wrong))
        recall.append(num_right / num_objects)
    reached = [[p for p, r in zip(precision, recall, strict=True)
                if r >= i * 0.1] for i in range(11)]
    ap_voc12 = sum(
        (r - before) * max(precision[i:]) for i, (r, before)
        in enumerate(zip(recall, [0, *recall], strict=False)))
    return sum(max(values, default=0) for values in reached) / 11, ap_voc12


@pytest.mark.parametrize('num_images', [1, 5])
@pytest.mark.parametrize('num_objects, num_found, share_difficult', [
    (0, 0, 0), (0, 30, 0), (20, 0, .3), (20, 200, 0), (20, 200, .5),
    (20, 100, 1), (1, 40, 0), (60, 300, .3)])
@pytest.mark.parametrize('num_scores', [1, 4, 10 ** 9])
def test_equals_the_devkit_on_odd_data(
        num_images, num_objects, num_found, share_difficult, num_scores):
    rng = np.random.default_rng(num_objects + num_found + num_scores)

    def bboxes(num):
        corners = rng.integers(0, 12, (num, 2))
        return np.hstack([corners, corners + rng.integers(0, 9, (num, 2))])

    objects = rows.objects(*zip(
        rng.integers(0, num_images, num_objects),
        rng.integers(1, 3, num_objects), bboxes(num_objects),
        rng.uniform(size=num_objects) < share_difficult))
    found = average_precision.Detections(
        rng.integers(0, num_images, num_found),
        rng.integers(1, 4, num_found),
        rng.integers(1, num_scores + 1, num_found) / num_scores,
        bboxes(num_found).astype(float))
    results = average_precision.evaluate(objects, found, ['a', 'b', 'never'])
    for label, result in enumerate(results.classes, 1):
        assert tuple(result.metrics.values()) == pytest.approx(
            by_devkit(objects[:4], found, label), abs=1e-12, nan_ok=True)
