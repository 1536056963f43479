"""Suppression against the rule, word by word, and the reference.

data/detections.npz: what OpenCV's DetectionOutput and a float64 version agree
on; data/anchors.npz: a closed formula, equal to OpenCV's PriorBox.
"""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from detection import boxes
from detection import postprocessing
from nets import np_methods
from tests import scripts


def run(scores, bboxes, **rule):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(postprocessing.select_detections(
            tf.constant(scores, tf.float32), tf.constant(bboxes, tf.float32),
            **rule))


def by_numpy(scores, bboxes, select_threshold=0.01, select_top_k=400,
             nms_threshold=0.45, keep_top_k=200):
    """The rule, word by word, for one image: rows class, score, bbox."""
    rows = []
    for label in range(1, scores.shape[1]):
        selected = np.flatnonzero(scores[:, label] > select_threshold)
        classes, class_scores, class_bboxes = np_methods.bboxes_sort(
            np.full(len(selected), label), scores[selected, label],
            np.column_stack([bboxes[selected], selected]), select_top_k)
        kept = np_methods.bboxes_nms(
            classes, class_scores, class_bboxes, nms_threshold)
        rows += [(-score, bbox[4], label, bbox[:4]) for label, score, bbox
                 in zip(*kept, strict=True)]
    rows.sort(key=lambda row: row[:3])
    return [(label, -score, *bbox) for score, _, label, bbox
            in rows[:keep_top_k]]


def random_image(seed, num_anchors=300, num_classes=4, num_levels=50):
    """Overlapping bboxes, and scores of few levels: many are equal."""
    rng = np.random.RandomState(seed)
    scores = rng.randint(0, num_levels, (num_anchors, num_classes))
    scores = (scores / num_levels).astype(np.float32)
    low = rng.uniform(0, 1, (num_anchors, 2))
    high = low + rng.uniform(0.1, 0.5, (num_anchors, 2))
    return scores, np.concatenate([low, high], 1).astype(np.float32)


def check_against_numpy(images, **rule):
    scores, bboxes = (np.stack(parts) for parts in zip(*images, strict=True))
    detections = run(scores, bboxes, **rule)
    for i, (image_scores, image_bboxes) in enumerate(images):
        expected = by_numpy(image_scores, image_bboxes, **rule)
        num = len(expected)
        assert detections.num[i] == num
        rows = np.column_stack([values[i] for values in detections[:3]])
        np.testing.assert_array_equal(
            rows[:num], np.reshape(expected, (num, 6)).astype(np.float32))
        assert not rows[num:].any()


@pytest.mark.parametrize('num_first', [100, 1000])
def test_equals_the_reference(num_first, monkeypatch):
    monkeypatch.setattr(postprocessing, 'NUM_FIRST_CANDIDATES', num_first)
    anchors = np.load(scripts.DATA / 'anchors.npz')['ssd_300_voc']
    reference = np.load(scripts.DATA / 'detections.npz')
    classes, scores, bboxes, num = run(*map(np.stack, zip(
        *(reference_input(seed, anchors) for seed in (21, 22)), strict=True)))
    np.testing.assert_array_equal(num, [200, 200])
    expected = np.stack([reference[f'seed{seed}'] for seed in (21, 22)])
    np.testing.assert_array_equal(classes, expected[..., 0])
    np.testing.assert_allclose(scores, expected[..., 1], atol=1e-5)
    np.testing.assert_allclose(bboxes, expected[..., 2:], atol=1e-5)


def reference_input(seed, anchors):
    rng = np.random.RandomState(seed)
    logits = (rng.standard_normal((8732, 21)) * 1.2).astype(np.float32)
    logits[:, 0] += 6
    hot = rng.choice(8732, 60, replace=False)
    labels = rng.randint(1, 21, 60)
    logits[hot, labels] += rng.uniform(4, 10, 60).astype(np.float32)
    localisations = (rng.standard_normal((8732, 4)) * .8).astype(np.float32)
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return scores, boxes.decode(localisations, anchors)


@pytest.mark.parametrize('num_first', [3, 20, 150, 1000])
@pytest.mark.parametrize('rule', [
    {}, {'select_top_k': 7}, {'keep_top_k': 9},
    {'select_threshold': 0.9, 'nms_threshold': 0.1},
    {'select_top_k': 60, 'keep_top_k': 25, 'nms_threshold': 0.2}])
def test_equals_numpy_whatever_the_first_candidates(
        rule, num_first, monkeypatch):
    monkeypatch.setattr(postprocessing, 'NUM_FIRST_CANDIDATES', num_first)
    check_against_numpy([random_image(seed) for seed in range(3)], **rule)


def test_equal_scores_are_ordered_by_anchor_then_class():
    bboxes = [[[i, i, i + 1, i + 1] for i in range(3)]]
    scores = [[[0, 0.5, 0.5], [0, 0.5, 0.5], [0, 0.5, 0.75]]]
    detections = run(scores, bboxes, keep_top_k=5)
    np.testing.assert_array_equal(detections.classes, [[2, 1, 2, 1, 2]])
    np.testing.assert_array_equal(
        detections.bboxes[0, :, 0], [2, 0, 0, 1, 1])


def test_threshold_is_strict_and_an_equal_overlap_is_kept():
    bboxes = [[[-1, 0, 1, 2], [-1, 0, 1, 1], [5, 5, 6, 6]]]  # IoU 0.5
    scores = [[[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]]]
    rule = {'select_threshold': 0.25, 'keep_top_k': 4}
    detections = run(scores, bboxes, nms_threshold=0.5, **rule)
    np.testing.assert_array_equal(detections.scores, [[0.75, 0.5, 0, 0]])
    # They are not clipped.
    np.testing.assert_array_equal(detections.bboxes[0, :2], bboxes[0][:2])
    assert run(scores, bboxes, nms_threshold=0.49, **rule).num == [1]


@pytest.mark.parametrize('background', [1, np.nan])
def test_no_candidate_at_all(background):
    scores = np.zeros((2, 5, 3)) + [background, background - 1, 0]
    detections = run(scores, np.ones((2, 5, 4)), keep_top_k=4)
    assert [values.shape for values in detections] == [
        (2, 4), (2, 4), (2, 4, 4), (2,)]
    assert not any(values.any() for values in detections)


def test_few_anchors_one_class_and_thousands_of_equal_scores():
    check_against_numpy([random_image(5, num_anchors=6, num_classes=2)])
    check_against_numpy([random_image(6, num_anchors=900, num_classes=2)])
    scores, bboxes = random_image(0, num_anchors=3000)
    check_against_numpy([(np.full_like(scores, 0.25), bboxes)])


def test_shapes_are_known_in_the_graph():
    with tf.Graph().as_default():
        detections = postprocessing.select_detections(
            tf.placeholder(tf.float32, [None, 30, 3]),
            tf.placeholder(tf.float32, [None, 30, 4]), keep_top_k=10)
    assert detections.classes.dtype == detections.num.dtype == tf.int32
    assert [tensor.shape.as_list() for tensor in detections] == [
        [None, 10], [None, 10], [None, 10, 4], [None]]


@pytest.mark.parametrize('num_classes, rule, message', [
    (3, {'select_threshold': 1.5},
     r'select_threshold is 1.5 and .* in \[0, 1\]'),
    (3, {'nms_threshold': -0.1}, r'nms_threshold is -0.1; both must be in'),
    (3, {'select_top_k': 0}, r'select_top_k is 0 and .* must be at least 1'),
    (3, {'keep_top_k': 0}, r'keep_top_k is 0; both must be at least 1'),
    (1, {}, 'of two classes or more')])
def test_arguments_out_of_range_are_refused(num_classes, rule, message):
    with pytest.raises(ValueError, match=message):
        run(np.zeros((1, 2, num_classes)), np.zeros((1, 2, 4)), **rule)
