"""Box geometry: literal numbers, inverse pairs, TensorFlow = numpy."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from detection import boxes

UNIT = np.array([0., 0., 1., 1.], np.float32)
ANCHOR = np.array([.5, .5, .2, .4])


@pytest.mark.parametrize('other, overlap', [
    ([0., 1., 2., 3.], 1 / 3), ([0., 0., 2., 2.], 1.), ([5., 5., 6., 6.], 0.)])
def test_jaccard_of_known_boxes(other, overlap):
    np.testing.assert_allclose(boxes.jaccard(
        np.array([0., 0., 2., 2.]), np.array(other)), overlap)


@pytest.mark.parametrize('box', [[.5, .5, .5, .5], [.9, .9, .1, .1]])
def test_a_flat_or_reversed_box_has_no_area_and_overlaps_nothing(box):
    box = np.array(box)
    assert boxes.area(box) == boxes.jaccard(box, box) == 0


def test_clip_never_gives_a_negative_side():
    outside = np.array([[1.2, -.5, 1.4, -.1], [-1., -1., 2., 2.]])
    np.testing.assert_array_equal(
        boxes.clip(outside, UNIT), [[1., 0., 1., 0.], [0., 0., 1., 1.]])


def test_resize_to_a_window():
    np.testing.assert_allclose(boxes.resize(
        np.array([.5, .25, .75, .5]), (.5, 0., 1., .5)), [0., .5, .5, 1.])


def test_encode_of_a_known_box():
    bbox = boxes.to_corners(np.array([.52, .54, .2, .8]))
    np.testing.assert_allclose(
        boxes.encode(bbox, ANCHOR),
        [.04 / .4 / .1, .02 / .2 / .1, np.log(2.) / .2, 0.], atol=1e-12)
    assert np.isfinite(boxes.encode(np.full(4, .5), ANCHOR)).all()


def test_inverse_pairs():
    rng = np.random.RandomState(0)
    anchors = rng.uniform(.1, .9, (50, 4))
    bboxes = boxes.to_corners(rng.uniform(.1, .9, (50, 4)))
    encoded = boxes.encode(bboxes, anchors)
    np.testing.assert_allclose(
        boxes.decode(encoded, anchors), bboxes, atol=1e-12)
    np.testing.assert_allclose(
        boxes.to_corners(boxes.to_centres(bboxes)), bboxes)


def test_tensorflow_equals_numpy():
    rng = np.random.RandomState(1)
    a = np.sort(rng.uniform(-.2, 1.2, (6, 1, 2, 2)), axis=2).reshape(
        6, 1, 4).astype(np.float32)
    b = rng.uniform(-.2, 1.2, (5, 4)).astype(np.float32)  # Some reversed.
    anchors = rng.uniform(.1, .9, (6, 1, 4)).astype(np.float32)
    with tf.Session():
        for function, *args in (
                (boxes.area, a), (boxes.clip, b, UNIT), (boxes.jaccard, a, b),
                (boxes.resize, a, UNIT * .5), (boxes.encode, a, anchors),
                (boxes.decode, a, anchors), (boxes.to_centres, a)):
            np.testing.assert_allclose(
                function(*map(tf.constant, args)).eval(),
                function(*args), 1e-5, 1e-6, err_msg=function.__name__)
