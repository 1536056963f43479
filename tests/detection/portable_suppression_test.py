"""The portable suppression against the one of postprocessing."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from detection import boxes
from detection import portable_suppression
from detection import postprocessing
from tests import scripts


def both(scores, bboxes, **rule):
    """Returns the Detections of both suppressions."""
    with tf.Graph().as_default(), tf.Session() as session:
        arguments = tf.constant(scores, tf.float32), tf.constant(
            bboxes, tf.float32)
        return session.run([
            postprocessing.select_detections(*arguments, **rule),
            portable_suppression.select_detections(*arguments, **rule)])


def assert_same(expected, got):
    for name, value in expected._asdict().items():
        assert value.dtype == getattr(got, name).dtype
        np.testing.assert_array_equal(value, getattr(got, name), name)


def random_heads(num_classes, seed):
    """Scores and bboxes of SSD300: 60 objects and much that is none."""
    rng = np.random.default_rng(seed)
    anchors = np.load(scripts.DATA / 'anchors.npz')['ssd_300_voc']
    logits = rng.normal(0, 1.2, (len(anchors), num_classes))
    logits[:, 0] += 6
    hot = rng.choice(len(anchors), 60, replace=False)
    logits[hot, rng.integers(1, num_classes, 60)] += rng.uniform(4, 10, 60)
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return scores, boxes.decode(
        rng.normal(0, .8, (len(anchors), 4)), anchors)


def test_equals_the_other_one_on_random_heads(num_classes=81):
    images = [random_heads(num_classes, seed) for seed in range(6)]
    expected, got = both(*map(np.stack, zip(*images, strict=True)))
    assert (expected.num > 50).all()
    assert_same(expected, got)


def test_all_candidates_of_a_few_classes_are_looked_at():
    rng = np.random.default_rng(0)
    # Of the first class all are better than any of the others.
    scores = rng.uniform(.1, .5, (2, 3000, 4)) + [0, .5, 0, 0]
    low = rng.uniform(0, .1, (2, 3000, 2))
    bboxes = np.concatenate([low, low + rng.uniform(.1, .5, low.shape)], 2)
    expected, got = both(scores, bboxes)
    assert {1, 2, 3} <= set(expected.classes[0])
    assert_same(expected, got)


@pytest.mark.parametrize('rule', [
    {}, {'select_top_k': 7}, {'keep_top_k': 9}, {'keep_top_k': 600},
    {'select_threshold': 0, 'nms_threshold': 0},
    {'select_threshold': .9, 'nms_threshold': 1}])
def test_follows_the_rule_where_scores_are_equal(rule):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 50, (2, 260, 4)) / 50
    low = rng.uniform(0, 1, (2, 260, 2))
    bboxes = np.concatenate([low, low + rng.uniform(.1, .5, low.shape)], 2)
    scores[1, 40:] = 0
    assert_same(*both(scores, bboxes, **rule))


def test_bboxes_of_other_classes_and_of_any_size_suppress_nothing():
    bboxes = np.tile([[[0, 0, 1, 1], [-1e9, -1e9, 1e9, 1e9]]], [1, 13, 1])
    scores = np.tile(np.eye(27)[1:, :], [1, 1, 1]) * .9
    expected, got = both(scores, bboxes)
    assert expected.num == 26
    assert_same(expected, got)


@pytest.mark.parametrize('background', [1, np.nan])
def test_no_candidate_at_all(background):
    scores = np.zeros((2, 5, 3)) + [background, background - 1, 0]
    expected, got = both(scores, np.ones((2, 5, 4)), keep_top_k=4)
    assert not got.num.any()
    assert_same(expected, got)


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match='keep_top_k is 0; both must be at'):
        portable_suppression.select_detections(
            tf.zeros([1, 2, 3]), tf.zeros([1, 2, 4]), keep_top_k=0)
