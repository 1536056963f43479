"""Matching and encoding against worked cases and Caffe's rule."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from detection import boxes
from detection import targets
from nets import ssd_vgg_300
from tests import scripts


@pytest.mark.parametrize('overlaps, matches', [
    # From the threshold on anchors take their best object.
    ([[.9, .5, .49, .6], [.1, .2, .3, .7]], [0, 0, -1, 1]),
    # Both prefer anchor 0; the larger overlap wins it, the other object
    # takes its second choice although that is below the threshold.
    ([[.4, .1, .05], [.3, .2, 0.]], [0, 1, -1]),
    # Anchor 1 overlaps object 0 more, but is object 1's only anchor.
    ([[.9, .8], [0., .6]], [0, 1]),
    # Equal overlaps go to the first anchor and object.
    ([[.3, .3, .3], [.3, .3, .3]], [0, 1, -1]),
    ([[0., 1e-7]], [-1, -1]),
    # What does not count is in nobody's way, though it rounds to the same.
    ([[8e-7, .0], [1.2e-6, 0.]], [1, -1]),
    # Each prefers an anchor that the one before it has.
    ([[.4, 0., 0.], [.3, .2, 0.], [0., .1, .05]], [0, 1, 2]),
    ([[.2], [.4], [.3]], [1])])
def test_match(overlaps, matches):
    with tf.Session() as session:
        np.testing.assert_array_equal(
            session.run(targets.match(tf.constant(overlaps))), matches)


def test_objects_are_served_in_the_order_of_their_overlaps():
    rng = np.random.RandomState(0)
    with tf.Session() as session:
        values = tf.placeholder(tf.float64, [None, None])
        matches = targets.match(values, 2.)  # No anchor takes its best one.
        for _ in range(300):
            overlaps = rng.rand(rng.randint(1, 9), rng.randint(1, 12))
            expected = np.full(overlaps.shape[1], -1)
            left = overlaps.copy()
            while left.max() > 0:
                row, column = np.unravel_index(left.argmax(), left.shape)
                expected[column] = row
                left[row] = left[:, column] = 0
            np.testing.assert_array_equal(
                session.run(matches, {values: overlaps}), expected)


def test_no_object():
    with tf.Session() as session:
        labels, localisations = session.run(targets.encode(
            tf.zeros([0], tf.int64), tf.zeros([0, 4]),
            np.array([[.5, .5, .1, .1]] * 3, np.float32)))
    assert labels.tolist() == [0, 0, 0] and not localisations.any()


def test_cases_of_the_reference():
    """tests/data/targets.npz: Caffe's rule computed in float64."""
    data = np.load(scripts.DATA / 'targets.npz')
    anchors = data['anchors']
    labels = tf.placeholder(tf.int64, [None])
    bboxes = tf.placeholder(tf.float32, [None, 4])
    encoded = targets.encode(labels, bboxes, anchors)
    cases = [{key.partition('_')[2]: data[key] for key in data
              if key.startswith(f'case{case}_')}
             for case in range(data['num_cases'])]
    with tf.Session() as session:
        results = [session.run(encoded, {
            labels: case['labels'], bboxes: case['bboxes']}) for case in cases]
    for case, got in zip(cases[:-1], results[:-1], strict=True):
        np.testing.assert_array_equal(got.labels, case['target_labels'])
        np.testing.assert_allclose(
            got.localisations, case['target_localisations'], 1e-5, 1e-5)
    # In the last one eight anchors overlap a flat object alike. The first is
    # Caffe's; the reference has the last, by the last bit of its float64.
    case, got = cases[-1], results[-1]
    matched, = np.flatnonzero(got.labels)
    reference, = np.flatnonzero(case['target_labels'])
    overlaps = boxes.jaccard(
        case['bboxes'].astype(np.float64),
        boxes.to_corners(anchors.astype(np.float64)))
    np.testing.assert_allclose(
        overlaps[[matched, reference]], [overlaps.max()] * 2, rtol=1e-12)
    assert matched == np.argmax(overlaps)
    assert got.labels[matched] == 2
    np.testing.assert_allclose(
        got.localisations[matched],
        boxes.encode(case['bboxes'][0], anchors[matched]), rtol=1e-5)


def test_candidates_alone_give_what_all_anchors_give():
    """Random objects, in crowds that share anchors, and inside several."""
    anchors = ssd_vgg_300.SSDNet().anchors()
    corners = boxes.to_corners(anchors.astype(np.float64))
    bboxes = tf.placeholder(tf.float32, [None, 4])
    # As labels the numbers of the objects.
    numbers = tf.range(1, tf.shape(bboxes)[0] + 1)
    encoded = targets.encode(numbers, bboxes, anchors)
    matches = targets.match(boxes.jaccard(
        tf.cast(bboxes, tf.float64)[:, None], corners))
    rng = np.random.RandomState(0)
    with tf.Session() as session:
        for case in range(60):
            # From a crowd of small objects to a few large ones.
            size, spread = rng.choice([.02, .1, .4]), rng.choice([.05, 1])
            centres = rng.uniform(.5 - spread / 2, .5 + spread / 2,
                                  (rng.randint(1, 30), 2))
            sides = rng.uniform(size / 4, size, centres.shape)
            objects = np.hstack([centres - sides / 2, centres + sides / 2])
            objects = np.clip(objects, 0, 1).astype(np.float32)
            if case % 3 == 0:  # Equal objects, all of them ties.
                objects[1::2] = objects[0]
            got, expected = session.run(
                [encoded.labels, matches], {bboxes: objects})
            np.testing.assert_array_equal(got, expected + 1)
