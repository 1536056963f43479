"""Box geometry: literal numbers, inverse pairs, TensorFlow = numpy."""
import numpy as np
import tensorflow.compat.v1 as tf

from detection import boxes

UNIT = np.array([0., 0., 1., 1.], np.float32)


class BoxesTest(tf.test.TestCase):

    def test_jaccard_of_known_boxes(self):
        a = np.array([0., 0., 2., 2.])
        b = np.array([0., 1., 2., 3.])
        self.assertAllClose(boxes.jaccard(a, b, xp=np), 1 / 3)
        self.assertAllClose(boxes.jaccard(a, a, xp=np), 1.)
        self.assertAllClose(
            boxes.jaccard(a, np.array([5., 5., 6., 6.]), xp=np), 0.)

    def test_boxes_without_area_overlap_nothing(self):
        flat = np.array([.5, .5, .5, .5])
        reversed_box = np.array([.9, .9, .1, .1])
        for box in flat, reversed_box:
            self.assertEqual(boxes.area(box, xp=np), 0.)
            self.assertEqual(boxes.jaccard(box, box, xp=np), 0.)

    def test_clip_never_gives_a_negative_side(self):
        outside = np.array([[1.2, -.5, 1.4, -.1], [-1., -1., 2., 2.]])
        clipped = boxes.clip(outside, UNIT, xp=np)
        self.assertAllEqual(clipped, [[1., 0., 1., 0.], [0., 0., 1., 1.]])

    def test_resize_to_a_window_and_back(self):
        window = np.array([.5, 0., 1., .5])
        box = np.array([.5, .25, .75, .5])
        resized = boxes.resize(box, window, xp=np)
        self.assertAllClose(resized, [0., .5, .5, 1.])
        self.assertAllClose(boxes.unresize(resized, window, xp=np), box)

    def test_encode_of_a_known_box(self):
        anchor = np.array([.5, .5, .2, .4])
        bbox = boxes.to_corners(np.array([.52, .54, .2, .8]), xp=np)
        self.assertAllClose(
            boxes.encode(bbox, anchor, xp=np),
            [.04 / .4 / .1, .02 / .2 / .1, np.log(2.) / .2, 0.])

    def test_decode_is_the_inverse_of_encode(self):
        rng = np.random.RandomState(0)
        anchors = rng.uniform(.1, .9, (50, 4))
        bboxes = boxes.to_corners(rng.uniform(.1, .9, (50, 4)), xp=np)
        encoded = boxes.encode(bboxes, anchors, xp=np)
        self.assertAllClose(boxes.decode(encoded, anchors, xp=np), bboxes)
        self.assertAllClose(boxes.to_corners(
            boxes.to_centres(bboxes, xp=np), xp=np), bboxes)

    def test_encode_of_a_flat_box_is_finite(self):
        anchor = np.array([.5, .5, .2, .4])
        encoded = boxes.encode(np.array([.5, .5, .5, .5]), anchor, xp=np)
        self.assertTrue(np.all(np.isfinite(encoded)))

    def test_tensorflow_equals_numpy(self):
        rng = np.random.RandomState(1)
        a = np.sort(rng.uniform(-.2, 1.2, (6, 1, 2, 2)), axis=2).reshape(
            6, 1, 4).astype(np.float32)
        b = rng.uniform(-.2, 1.2, (5, 4)).astype(np.float32)  # some reversed
        anchors = rng.uniform(.1, .9, (6, 1, 4)).astype(np.float32)
        with self.session():
            for function, *args in (
                    (boxes.area, a), (boxes.clip, b, UNIT),
                    (boxes.intersection, a, b), (boxes.jaccard, a, b),
                    (boxes.resize, a, UNIT * .5), (boxes.encode, a, anchors),
                    (boxes.decode, a, anchors), (boxes.to_centres, a)):
                self.assertAllClose(
                    function(*map(tf.constant, args)).eval(),
                    function(*args, xp=np), msg=function.__name__)
