"""What TensorBoard shows of a training."""
import numpy as np
import tensorflow.compat.v1 as tf

from engine.training import graph
from tests import small_trunk

NETWORK = small_trunk.SSDNet()


def draw(labels, bboxes, value):
    """Returns the picture of an image of one value."""
    with tf.Graph().as_default(), tf.Session() as session:
        targets = session.run(NETWORK.encode(
            tf.constant(labels, tf.int64),
            tf.reshape(tf.constant(bboxes, tf.float32), [-1, 4])))
    return graph._draw_objects(
        NETWORK, ('cat', 'dog'), np.full((64, 64, 3), value), *targets)


def test_object_is_drawn_where_its_anchors_say():
    picture = draw([2], [[.25, .125, .875, .75]], 0.)
    assert picture.dtype == np.uint8
    assert (picture[40, 8] != 128).any()  # its left edge
    assert (picture[40, 30] == 128).all()  # its inside
    assert (picture[5, 5] == 128).all()
    assert (draw([], [], -2.) == 0).all()
