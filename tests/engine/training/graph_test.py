"""What a training takes from the records, and what TensorBoard shows."""
import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from datasets import dataset_factory
from datasets import tfrecords
from engine.training import graph
from engine.training import options
from nets import ssd_vgg_300
from tests import small_trunk
from tests import voc_files

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


@pytest.mark.parametrize('remove_difficult, expected', [
    (False, [1, 2]), (True, [1])])
def test_crowds_are_never_trained_on(tmp_path, remove_difficult, expected):
    path = tmp_path / 'toy_train_000.tfrecord'
    left, top, right = [0, 0, 1, .3], [0, .3, .5, .6], [0, .6, 1, 1]
    with tfrecords.open_writer(str(path)) as writer:
        writer.write(tfrecords.encode_example(tfrecords.Sample(
            voc_files.image(), b'JPEG', '1.jpg', 40, 60, [left, top, right],
            [1, 2, 3], list('abc'), [0, 1, 0], [0, 0, 0],
            is_crowd=[0, 0, 1])))
    (tmp_path / 'toy_train.json').write_text(json.dumps({
        'format_version': 1, 'num_images': 1, 'classes': list('abc'),
        'files': [{'name': path.name, 'num_records': 1,
                   'bytes': path.stat().st_size}]}))
    network = ssd_vgg_300.SSDNet(
        ssd_vgg_300.SSDNet.default_params._replace(num_classes=4))
    with tf.Graph().as_default(), tf.Session() as session:
        batch = graph.batches(
            options.Data(remove_difficult=remove_difficult,
                         preprocessing_name='resize_only'),
            options.Run(batch_size=1, random_seed=1),
            dataset_factory.get_dataset('toy', 'train', str(tmp_path)),
            network, .5, 0)
        session.run(tf.tables_initializer())
        labels = session.run(batch['target/labels'])
    assert np.unique(labels[labels > 0]).tolist() == expected
