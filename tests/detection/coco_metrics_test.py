"""Tests of detection.coco_metrics; pycocotools' own summary is the oracle."""
import contextlib
import io
import json
import math

import numpy as np
import pytest
from pycocotools import coco
from pycocotools import cocoeval

from detection import average_precision
from detection import coco_metrics
from detection import coco_rows
from tests import rows

# Of 100 x 40 pixels, and what shares 100 x 35 of it: an overlap of 0.875.
CAT, BESIDE_CAT = [0, 0, 100, 40], [0, 5, 100, 40]
FAR = [200, 200, 220, 220]


def evaluate(objects, found, names=('cat',)):
    return coco_metrics.evaluate(
        rows.objects(*objects), rows.found(*found), names)


def drawn(num_images, num_classes, seed=0):
    """Draws images with crowds, ties, and some without objects."""
    rng = np.random.default_rng(seed)
    objects, found = [], []
    for image in sorted(rng.choice(10 ** 6, num_images, replace=False)):
        num = rng.integers(0, 9) * (rng.random() < .8)
        corners = rng.uniform(0, 300, (num, 2))
        sides = np.exp(rng.uniform(2, 5.5, (num, 2)))
        bboxes = np.round(np.hstack([corners, corners + sides]), 2)
        classes = rng.integers(1, num_classes + 1, num)
        objects += zip([image] * num, classes, bboxes, rng.random(num) < .15)
        for _ in range(rng.integers(0, 25)):
            bbox, label = [10, 10, 60, 60], rng.integers(1, num_classes + 1)
            if num:
                of = rng.integers(num)
                spread = rng.choice([.02, .1, .4]) * np.tile(sides[of], 2)
                bbox = np.sort((bboxes[of] + rng.normal(0, 1, 4) * spread)
                               .reshape(2, 2), axis=0).reshape(4)
                label = classes[of] if rng.random() < .8 else label
            found.append((image, label, np.round(
                rng.uniform(.01, 1), rng.choice([1, 7])), bbox))
    groundtruths = rows.objects(*objects)
    outlines = rng.uniform(.4, 1, len(objects)) * groundtruths.areas
    return (groundtruths._replace(areas=outlines.astype(np.float32)),
            rows.found(*found, dtype=np.float32))


@pytest.mark.filterwarnings('error')
def test_equals_pycocotools_on_the_files(tmp_path):
    groundtruths, detections = drawn(60, 3)
    with open(tmp_path / 'groundtruths.json', 'w') as file:
        json.dump({
            'images': [{'id': image} for image in np.unique(np.append(
                groundtruths.images, detections.images)).tolist()],
            'categories': [{'id': label} for label in (1, 2, 3)],
            'annotations': list(coco_rows.annotation_rows(groundtruths))},
            file)
    with open(tmp_path / 'detections.json', 'w') as file:
        json.dump(list(coco_rows.result_rows(detections)), file)
    with contextlib.redirect_stdout(io.StringIO()):
        index = coco.COCO(tmp_path / 'groundtruths.json')
        oracle = cocoeval.COCOeval(
            index, index.loadRes(str(tmp_path / 'detections.json')), 'bbox')
        oracle.evaluate()
        oracle.accumulate()
        oracle.summarize()
    results = coco_metrics.evaluate(groundtruths, detections, 'abc')
    assert list(results.metrics.values()) == pytest.approx(
        oracle.stats, rel=0, abs=1e-12)
    assert min(results.metrics.values()) > .01


def test_by_hand():
    # Above an overlap of 0.875 the second is wrong, and no other finds it.
    results = evaluate([(7, 1, CAT, False), (8, 1, CAT, False)],
                       [(7, 1, .9, CAT), (8, 1, .8, BESIDE_CAT)])
    # At 8 of 10 thresholds all is right; at 2 of them recall is 1 / 2, which
    # reaches 51 of 101 steps.
    assert results.metrics['AP50-95_COCO'] == pytest.approx(
        (8 + 2 * 51 / 101) / 10)
    assert results.metrics['AP75_COCO'] == pytest.approx(1)
    assert results.metrics['AR1_COCO'] == pytest.approx((8 + 2 * .5) / 10)
    # 4,000 square pixels are more than 32 x 32, less than 96 x 96.
    assert results.metrics['APmedium_COCO'] == (
        results.metrics['AP50-95_COCO'])
    assert math.isnan(results.metrics['APsmall_COCO'])
    assert list(results.metrics) == [f'{name}_COCO' for name in (
        'AP50-95', 'AP50', 'AP75', 'APsmall', 'APmedium', 'APlarge', 'AR1',
        'AR10', 'AR100', 'ARsmall', 'ARmedium', 'ARlarge')]


def test_what_lies_in_a_crowd_does_not_count():
    part, found = [0, 0, 20, 20], (7, 1, .5, CAT)
    objects = [(7, 1, CAT, False), (7, 1, [0, 100, 200, 300], True)]
    within = [(7, 1, .9, [50, 150, 70, 170]), (7, 1, .8, [90, 150, 99, 170])]
    assert evaluate(objects, [found, *within]).metrics['AP50_COCO'] == (
        pytest.approx(1))
    assert evaluate(objects, [found, (7, 1, .9, part)]).metrics[
        'AP50_COCO'] == pytest.approx(.5)


def test_an_image_without_objects_counts_what_is_found_there():
    assert evaluate([(7, 1, CAT, False)], [
        (7, 1, .5, CAT), (3, 1, .9, FAR)]).metrics['AP50_COCO'] == (
            pytest.approx(.5))


@pytest.mark.filterwarnings('error')
def test_nothing_to_find_and_nothing_found():
    results = evaluate(
        [(7, 2, CAT, False), (7, 3, CAT, True)],
        [(7, 1, .5, CAT), (7, 3, .5, CAT)], ['cat', 'dog', 'crowd', 'none'])
    cat, dog, *others = results.classes
    assert (dog.metrics['AP50-95_COCO'], dog.metrics['AR100_COCO']) == (0, 0)
    for result in (cat, *others):
        assert all(map(math.isnan, result.metrics.values()))
    assert results.metrics['AP50_COCO'] == 0
    assert [(row.num_objects, row.num_detections)
            for row in results.classes] == [(0, 1), (1, 0), (0, 1), (0, 0)]
    assert math.isnan(evaluate([], []).metrics['AP50_COCO'])


def test_rows():
    groundtruths, found = rows.objects((7, 2, [1, 2, 4, 8], True)), rows.found(
        (7, 2, .1, [1.00001, 2, 4, 8]), dtype=np.float32)
    assert list(coco_rows.annotation_rows(groundtruths)) == [
        {'id': 1, 'image_id': 7, 'category_id': 2, 'bbox': [2, 1, 6, 3],
         'area': 18, 'iscrowd': 1}]
    assert list(coco_rows.result_rows(found)) == [
        {'image_id': 7, 'category_id': 2, 'bbox': [2, 1, 6, 3], 'score': .1}]
    assert list(coco_rows.result_rows(rows.found())) == []


def test_sizes():
    assert coco_metrics.size_of(np.array([0, 1023.9, 1024, 9216])).tolist() == [
        0, 0, 1, 2]


def test_metrics_are_put_together_in_order():
    objects, found = rows.objects((0, 1, CAT, False)), rows.found(
        (0, 1, .9, CAT))
    by_voc = average_precision.evaluate(objects, found, ['cat'])
    results = average_precision.combine(
        [coco_metrics.evaluate(objects, found, ['cat']), by_voc], by_voc)
    assert next(iter(results.metrics)) == 'AP50-95_COCO'
    assert len(results.metrics) == len(results.classes[0].metrics) == 14
    assert results.classes[0].metrics['AP_VOC07'] == 1
    assert results.classes[0].precision.tolist() == [1]
