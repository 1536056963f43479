"""Matching and encoding against worked cases and Caffe's rule."""
import os

import numpy as np
import tensorflow.compat.v1 as tf

from detection import boxes
from detection import targets
from nets import ssd_vgg_300

DATA = os.path.join(os.path.dirname(__file__), 'data')


class TargetsTest(tf.test.TestCase):

    def match(self, overlaps, **kwargs):
        with self.session():
            overlaps = np.array(overlaps, np.float32).reshape(
                len(overlaps), -1)
            return targets.match(tf.constant(overlaps), **kwargs).eval()

    def test_anchors_take_their_best_object_from_the_threshold(self):
        self.assertAllEqual(
            self.match([[.9, .5, .49, .6], [.1, .2, .3, .7]]),
            [0, 0, -1, 1])

    def test_each_object_gets_an_anchor_of_its_own(self):
        # Both prefer anchor 0; the larger overlap wins it, the other object
        # takes its second choice although that is below the threshold.
        self.assertAllEqual(
            self.match([[.4, .1, .05], [.3, .2, 0.]]), [0, 1, -1])

    def test_bipartite_comes_before_the_threshold(self):
        # Anchor 1 overlaps object 0 more, but is object 1's only anchor.
        self.assertAllEqual(self.match([[.9, .8], [0., .6]]), [0, 1])

    def test_equal_overlaps_go_to_the_first_anchor_and_object(self):
        self.assertAllEqual(
            self.match([[.3, .3, .3], [.3, .3, .3]]), [0, 1, -1])

    def test_no_overlap_no_match(self):
        self.assertAllEqual(self.match([[0., 1e-7]]), [-1, -1])

    def test_more_objects_than_anchors(self):
        self.assertAllEqual(self.match([[.2], [.4], [.3]]), [1])

    def test_no_object(self):
        with self.session():
            encoded = targets.encode(
                tf.zeros([0], tf.int64), tf.zeros([0, 4]),
                np.array([[.5, .5, .1, .1]] * 3, np.float32))
            self.assertAllEqual(encoded.labels.eval(), [0, 0, 0])
            self.assertAllEqual(
                encoded.localisations.eval(), np.zeros((3, 4)))

    def encoded_cases(self):
        """Yields the cases of tests/data/targets.npz and our Targets.

        The file is Caffe's rule computed in float64.
        """
        data = np.load(os.path.join(DATA, 'targets.npz'))
        labels = tf.placeholder(tf.int64, [None])
        bboxes = tf.placeholder(tf.float32, [None, 4])
        encoded = targets.encode(labels, bboxes, data['anchors'])
        with self.session() as session:
            for case in range(data['num_cases']):
                expected = {key.partition('_')[2]: data[key] for key in data
                            if key.startswith(f'case{case}_')}
                yield case, expected, session.run(encoded, {
                    labels: expected['labels'], bboxes: expected['bboxes']})

    def test_reference_cases(self):
        for case, expected, got in self.encoded_cases():
            if case == 5:
                continue  # a tie; see the next test
            self.assertAllEqual(got.labels, expected['target_labels'])
            self.assertAllClose(
                got.localisations, expected['target_localisations'],
                rtol=1e-5, atol=1e-5)

    def test_reference_case_of_a_flat_object_is_a_tie(self):
        """Eight anchors overlap the object alike; the first is Caffe's.

        The reference has the last, by the last bit of its float64.
        """
        *_, (_, expected, got) = self.encoded_cases()
        matched, = np.flatnonzero(got.labels)
        reference, = np.flatnonzero(expected['target_labels'])
        anchors = np.load(os.path.join(DATA, 'targets.npz'))['anchors']
        overlaps = boxes.jaccard(
            expected['bboxes'].astype(np.float64),
            boxes.to_corners(anchors.astype(np.float64), xp=np), xp=np)
        self.assertAllClose(
            overlaps[[matched, reference]], [overlaps.max()] * 2, rtol=1e-12)
        self.assertEqual(matched, np.argmax(overlaps))
        self.assertEqual(got.labels[matched], 2)
        self.assertAllClose(
            got.localisations[matched], boxes.encode(
                expected['bboxes'][0], anchors[matched], xp=np), rtol=1e-5)

    def test_candidates_alone_give_what_all_anchors_give(self):
        """Random objects, in crowds that share anchors, and inside several."""
        anchors = ssd_vgg_300.SSDNet().anchors()
        corners = boxes.to_corners(anchors.astype(np.float64), xp=np)
        bboxes = tf.placeholder(tf.float32, [None, 4])
        # As labels the numbers of the objects.
        numbers = tf.range(1, tf.shape(bboxes)[0] + 1)
        encoded = targets.encode(numbers, bboxes, anchors)
        overlaps = boxes.jaccard(
            tf.cast(bboxes, tf.float64)[:, None], corners)
        matches = targets.match(overlaps)
        rng = np.random.RandomState(0)
        with self.session() as session:
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
                self.assertAllEqual(got, expected + 1)
