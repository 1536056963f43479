"""Tests of nets.np_methods."""
import numpy as np
import pytest

from nets import np_methods

# The third is the first moved by a tenth, the second lies on the first.
BBOXES = np.array([
    [0., 0., 1., 1.], [0., 0., 1., 1.], [0., 0.1, 1., 1.1],
    [2., 2., 3., 3.]])


def test_select_takes_every_class_above_the_threshold_once():
    predictions = np.array([
        [0.1, 0.5, 0.4], [0.2, 0.3, 0.5], [0.8, 0.1, 0.1]], np.float32)
    anchors = np.array([[0.5, 0.5, 0.2, 0.4]] * 3, np.float32)
    classes, scores, bboxes = np_methods.ssd_bboxes_select(
        predictions, np.zeros((3, 4), np.float32), anchors, 0.3)
    np.testing.assert_array_equal(classes, [1, 2, 2])  # 0.3 is not above.
    np.testing.assert_allclose(scores, [0.5, 0.4, 0.5])
    np.testing.assert_allclose(bboxes, [[0.4, 0.3, 0.6, 0.7]] * 3, rtol=1e-6)


def test_select_of_nothing_is_empty():
    classes, scores, bboxes = np_methods.ssd_bboxes_select(
        np.full((3, 3), 0.1), np.zeros((3, 4)), np.ones((3, 4)))
    assert classes.shape == scores.shape == (0,) and bboxes.shape == (0, 4)
    assert np_methods.bboxes_nms(classes, scores, bboxes)[2].shape == (0, 4)


def test_sort_keeps_the_order_of_ties_and_cuts():
    classes, scores, bboxes = np_methods.bboxes_sort(
        np.array([1, 2, 3, 4]), np.array([0.1, 0.5, 0.9, 0.5]), BBOXES, 3)
    np.testing.assert_array_equal(classes, [3, 2, 4])
    np.testing.assert_array_equal(scores, [0.9, 0.5, 0.5])
    np.testing.assert_array_equal(bboxes, BBOXES[[2, 1, 3]])


@pytest.mark.parametrize('classes, bboxes, threshold, kept', [
    ([1, 2, 1, 1], BBOXES, 0.45, [0, 1, 3]),  # Per class.
    # An overlap of 0.5, equal to the threshold, and above it.
    ([1, 1], [[0., 0., 2., 2.], [0., 0., 2., 1.]], 0.5, [0, 1]),
    ([1, 1], [[0., 0., 2., 2.], [0., 0., 2., 1.]], 0.49, [0]),
    # Each overlaps its neighbour by 0.6 and the one after that by 1 / 3:
    # something suppressed suppresses nothing.
    ([1] * 3, [[0., x, 1., x + 1.] for x in (0., .25, .5)], 0.45, [0, 2])])
def test_nms(classes, bboxes, threshold, kept):
    values = (np.array(classes), np.linspace(0.9, 0.1, len(classes)),
              np.array(bboxes))
    for got, value in zip(np_methods.bboxes_nms(*values, threshold), values,
                          strict=True):
        np.testing.assert_array_equal(got, value[kept])


def test_clip_and_resize_by_the_image_inside_the_network_input():
    window = (0., 0.25, 1., 0.75)
    clipped = np_methods.bboxes_clip(window, np.array([[0., 0., 0.5, 0.5]]))
    np.testing.assert_array_equal(clipped, [[0., 0.25, 0.5, 0.5]])
    np.testing.assert_array_equal(
        np_methods.bboxes_resize(window, clipped), [[0., 0., 0.5, 0.5]])
