"""Matching and encoding against worked cases and Caffe's rule."""
import os

import numpy as np
import tensorflow.compat.v1 as tf

from detection import targets

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
                tf.constant([[.5, .5, .1, .1]] * 3))
            self.assertAllEqual(encoded.labels.eval(), [0, 0, 0])
            self.assertAllEqual(
                encoded.localisations.eval(), np.zeros((3, 4)))

    def test_reference_cases(self):
        """tests/data/targets.npz: Caffe's rule computed in float64."""
        data = np.load(os.path.join(DATA, 'targets.npz'))
        labels = tf.placeholder(tf.int64, [None])
        bboxes = tf.placeholder(tf.float32, [None, 4])
        encoded = targets.encode(labels, bboxes, data['anchors'])
        with self.session() as session:
            for case in range(data['num_cases']):
                got = session.run(encoded, {
                    labels: data[f'case{case}_labels'],
                    bboxes: data[f'case{case}_bboxes']})
                self.assertAllEqual(
                    got.labels, data[f'case{case}_target_labels'])
                self.assertAllClose(
                    got.localisations,
                    data[f'case{case}_target_localisations'],
                    rtol=1e-5, atol=1e-5)
