"""The multibox loss against worked numbers and the reference."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from detection import losses
from tests import scripts


def evaluate(tensors):
    with tf.Session() as session:
        return session.run(tensors)


@pytest.fixture(scope='module')
def reference_inputs():
    """The draws that tests/data/losses.npz was computed from."""
    data = np.load(scripts.DATA / 'targets.npz')
    cases = np.load(scripts.DATA / 'losses.npz')['cases']
    rng = np.random.RandomState(11)
    logits = (rng.standard_normal((4, 8732, 21)) * 1.5).astype(np.float32)
    logits[..., 0] += 2
    localisations = rng.standard_normal((4, 8732, 4)).astype(np.float32)
    return (logits, localisations, *(
        np.stack([data[f'case{i}_target_{name}'] for i in cases])
        for name in ('labels', 'localisations')))


def test_smooth_l1():
    np.testing.assert_array_equal(
        evaluate(losses.smooth_l1(tf.constant([0., .5, -1., 3.]))),
        [0., .125, .5, 2.5])


@pytest.mark.parametrize('background_losses, positives, rule, expected', [
    # The hardest unmatched anchors, per image.
    ([[9., 1., 3., 2.], [4., 3., 2., 1.]], [[1, 0, 0, 0]] * 2,
     {'negative_ratio': 2.}, [[0, 0, 1, 1], [0, 1, 1, 0]]),
    # Of equal ones exactly as many as wanted.
    ([[1.] * 6], [[0, 1, 0, 0, 0, 0]], {}, [[1, 0, 1, 1, 0, 0]]),
    # Where no anchor is left it stops.
    ([[1., 1., 1.]], [[1, 1, 0]], {}, [[0, 0, 1]]),
    ([[1., 2., 3.]], [[0, 0, 0]], {}, [[0, 0, 0]]),
    ([[1., 2., 3.]], [[0, 0, 0]], {'negatives_per_empty_image': 2},
     [[0, 1, 1]])])
def test_mining(background_losses, positives, rule, expected):
    mask = evaluate(losses.hard_negative_mask(
        tf.constant(background_losses), tf.cast(positives, tf.bool),
        **rule))
    np.testing.assert_array_equal(mask, np.array(expected, bool))


def test_label_smoothing_by_hand():
    logits = np.log([[.7, .2, .1]]).astype(np.float32)
    np.testing.assert_allclose(
        evaluate(losses.cross_entropy(
            tf.constant(logits), tf.constant([0]), .3)),
        [-.8 * np.log(.7) - .1 * np.log(.2) - .1 * np.log(.1)], rtol=1e-6)


def test_reference_batch_and_its_halves(reference_inputs):
    expected = np.load(scripts.DATA / 'losses.npz')
    whole = losses.ssd_losses(*map(tf.constant, reference_inputs))
    halves = [losses.ssd_losses(
        *(tf.constant(value[part]) for value in reference_inputs),
        normaliser=whole.num_positives)
        for part in (slice(0, 2), slice(2, 4))]
    whole, halves = evaluate((whole, halves))
    assert whole.num_positives == expected['num_positives']
    np.testing.assert_allclose(
        [whole.localisation, whole.positives + whole.negatives],
        [expected['localisation'], expected['confidence']], rtol=1e-5)
    np.testing.assert_allclose(np.sum(halves, axis=0), whole, rtol=1e-5)


def test_batch_without_a_matched_anchor_is_zero_with_zero_gradient():
    logits = tf.constant(np.full((2, 5, 3), 50., np.float32))
    parts = losses.ssd_losses(
        logits, tf.fill([2, 5, 4], np.inf), tf.zeros([2, 5], tf.int64),
        tf.zeros([2, 5, 4]))
    total = parts.localisation + parts.positives + parts.negatives
    value, gradient = evaluate([total, tf.gradients(total, logits)[0]])
    assert value == 0 and not gradient.any()
