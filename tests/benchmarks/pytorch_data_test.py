"""The alternative's data: boxes follow their images, targets by hand."""
import cv2
import numpy as np

from benchmarks import pytorch_data
from datasets import tfrecords


def test_boxes_follow_the_image():
    # Red on grey: still the reddest after any change of colour but a swap of
    # channels, so the place is found by what differs from the background.
    image = np.full((200, 300, 3), 128, np.uint8)
    image[80:120, 150:210] = 30
    sample = tfrecords.Sample(
        cv2.imencode('.png', image)[1].tobytes(), b'PNG', '', 200, 300,
        np.array([[80 / 200, 150 / 300, 120 / 200, 210 / 300]], np.float32),
        np.array([2]), ['b'], np.array([0]), np.array([0]))
    random = np.random.default_rng(0)
    for _ in range(20):
        changed, bboxes, labels = pytorch_data.augmented(sample, random)
        assert changed.shape == (3, 300, 300)
        assert labels.tolist() == [2]
        (top, left), (bottom, right) = np.round(
            bboxes.reshape(2, 2) * 300).astype(int)
        brightness = changed.sum(0)
        inside = brightness[top + 3:bottom - 3, left + 3:right - 3]
        around = np.concatenate([
            brightness[max(top - 6, 0):max(top - 3, 0), left:right].ravel(),
            brightness[bottom + 3:bottom + 6, left:right].ravel()])
        assert not around.size or inside.max() < around.min()


def test_targets():
    anchors = np.array([[.5, .5, .2, .2], [.5, .5, .4, .4],
                        [.1, .1, .1, .1]], np.float32)
    labels, localisations = pytorch_data.encoded(
        np.array([[.4, .4, .6, .6]], np.float32), np.array([3]), anchors)
    assert labels.tolist() == [3, 0, 0]
    np.testing.assert_allclose(localisations[0], 0, atol=1e-5)
    np.testing.assert_allclose(
        localisations[1], [0, 0, np.log(.5) / .2, np.log(.5) / .2], atol=1e-5)
