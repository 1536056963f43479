"""The multibox loss against worked numbers and the reference."""
import os

import numpy as np
import tensorflow.compat.v1 as tf

from detection import losses

DATA = os.path.join(os.path.dirname(__file__), 'data')


class LossesTest(tf.test.TestCase):

    def mask(self, background_losses, positives, **kwargs):
        with self.session():
            return losses.hard_negative_mask(
                tf.constant(background_losses), tf.constant(positives),
                **kwargs).eval().tolist()

    def test_smooth_l1(self):
        with self.session():
            self.assertAllClose(
                losses.smooth_l1(tf.constant([0., .5, -1., 3.])).eval(),
                [0., .125, .5, 2.5])

    def test_mining_takes_the_hardest_unmatched_anchors_per_image(self):
        self.assertEqual(
            self.mask([[9., 1., 3., 2.], [4., 3., 2., 1.]],
                      [[True, False, False, False]] * 2, negative_ratio=2.),
            [[False, False, True, True], [False, True, True, False]])

    def test_mining_of_equal_losses_takes_exactly_the_wanted_number(self):
        self.assertEqual(
            self.mask([[1.] * 6], [[False, True] + [False] * 4]),
            [[True, False, True, True, False, False]])

    def test_mining_stops_where_no_anchor_is_left(self):
        self.assertEqual(
            self.mask([[1., 1., 1.]], [[True, True, False]]),
            [[False, False, True]])

    def test_image_without_objects(self):
        none = [[False, False, False]]
        self.assertEqual(self.mask([[1., 2., 3.]], none), none)
        self.assertEqual(
            self.mask([[1., 2., 3.]], none, negatives_per_empty_image=2),
            [[False, True, True]])

    def test_label_smoothing_by_hand(self):
        logits = np.log([[.7, .2, .1]]).astype(np.float32)
        with self.session():
            smoothed = losses.cross_entropy(
                tf.constant(logits), tf.constant([0]), .3).eval()
        self.assertAllClose(
            smoothed, [-.8 * np.log(.7) - .1 * np.log(.2) - .1 * np.log(.1)])

    def reference_inputs(self):
        """The draws that tests/data/losses.npz was computed from."""
        data = np.load(os.path.join(DATA, 'targets.npz'))
        cases = np.load(os.path.join(DATA, 'losses.npz'))['cases']
        rng = np.random.RandomState(11)
        logits = (rng.standard_normal((4, 8732, 21)) * 1.5).astype(np.float32)
        logits[..., 0] += 2
        localisations = rng.standard_normal((4, 8732, 4)).astype(np.float32)
        return (logits, localisations,
                np.stack([data[f'case{i}_target_labels'] for i in cases]),
                np.stack([data[f'case{i}_target_localisations']
                          for i in cases]))

    def test_reference_batch(self):
        expected = np.load(os.path.join(DATA, 'losses.npz'))
        with self.session() as session:
            got = session.run(losses.ssd_losses(
                *map(tf.constant, self.reference_inputs())))
        self.assertEqual(got.num_positives, expected['num_positives'])
        self.assertAllClose(
            got.localisation, expected['localisation'], rtol=1e-5)
        self.assertAllClose(
            got.positives + got.negatives, expected['confidence'], rtol=1e-5)

    def test_split_batch_with_a_common_normaliser_adds_up(self):
        inputs = self.reference_inputs()
        whole = losses.ssd_losses(*map(tf.constant, inputs))
        halves = [losses.ssd_losses(
            *(tf.constant(value[part]) for value in inputs),
            normaliser=whole.num_positives)
            for part in (slice(0, 2), slice(2, 4))]
        with self.session() as session:
            whole, halves = session.run((whole, halves))
        self.assertAllClose(
            np.sum(halves, axis=0), np.array(whole), rtol=1e-5)

    def test_batch_without_a_matched_anchor_is_zero_with_zero_gradient(self):
        logits = tf.constant(np.full((2, 5, 3), 50., np.float32))
        parts = losses.ssd_losses(
            logits, tf.fill([2, 5, 4], np.inf), tf.zeros([2, 5], tf.int64),
            tf.zeros([2, 5, 4]))
        total = parts.localisation + parts.positives + parts.negatives
        with self.session() as session:
            value, gradient = session.run(
                [total, tf.gradients(total, logits)[0]])
        self.assertEqual(value, 0.)
        self.assertAllEqual(gradient, np.zeros((2, 5, 3)))
