"""What TensorBoard shows of a training."""
import numpy as np

from engine.training import graph
from nets import ssd_vgg_300

GREY = np.zeros((60, 80, 3), np.float32)


def draw(labels, bboxes, image=GREY):
    return graph._draw_objects(
        image, np.array(labels, np.int64),
        np.array(bboxes, np.float32).reshape(-1, 4),
        ssd_vgg_300.SSDNet.default_params, ('cat', 'dog'))


def test_object_is_drawn_where_its_anchors_say():
    picture = draw([2], [[.5, .25, .9, .75]])
    mean = (123, 117, 104)
    assert picture.dtype == np.uint8
    assert (picture[45, 20] != mean).any()  # its left edge
    assert (picture[45, 40] == mean).all()  # its inside
    assert (picture[5, 5] == mean).all()


def test_object_with_several_anchors_is_drawn_once():
    bbox = [.5, .25, .9, .75]
    several = draw([2, 0, 2], [bbox, [0, 0, 1, 1], bbox])
    assert (several == draw([2], [bbox])).all()


def test_image_without_objects_stays_as_it_is():
    picture = draw([0, 0], [[0, 0, 1, 1]] * 2, GREY - 200)
    assert (picture == 0).all()
