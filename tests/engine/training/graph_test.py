"""What TensorBoard shows of a training."""
import numpy as np
import tensorflow.compat.v1 as tf

from engine.training import graph
from tests import small_trunk

NETWORK = small_trunk.SSDNet()
GREY = np.zeros((64, 64, 3), np.float32)
BBOX = [.25, .125, .875, .75]


def draw(labels, bboxes, image=GREY):
    with tf.Graph().as_default(), tf.Session() as session:
        targets = session.run(NETWORK.encode(
            tf.constant(labels, tf.int64),
            tf.reshape(tf.constant(bboxes, tf.float32), [-1, 4])))
    return graph._draw_objects(NETWORK, ('cat', 'dog'), image, *targets)


def test_object_is_drawn_where_its_anchors_say():
    picture = draw([2], [BBOX])
    assert picture.dtype == np.uint8
    assert (picture[40, 8] != 128).any()  # its left edge
    assert (picture[40, 30] == 128).all()  # its inside
    assert (picture[5, 5] == 128).all()


def test_image_without_objects_stays_as_it_is():
    assert (draw([], [], GREY - 2) == 0).all()
