"""Records that no converter of this project writes, met in training."""
import math

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from datasets import tfrecords
from engine.training import record_checks
from tests import scripts

GOOD = [0.1, 0.1, 0.6, 0.6]


def check(bboxes, labels):
    """Returns the explanation of the error, None if there is none."""
    with tf.Graph().as_default(), tf.Session() as session:
        sample = {'filename': tf.constant('bad.jpg'),
                  'object/label': tf.placeholder(tf.int64, [None]),
                  'object/bbox': tf.placeholder(tf.float32, [None, 4])}
        checked = record_checks.checked(sample, num_classes=3)
        try:
            assert session.run(checked['object/label'], {
                sample['object/label']: labels,
                sample['object/bbox']: np.reshape(bboxes, [-1, 4]),
            }).tolist() == labels
        except tf.errors.InvalidArgumentError as error:
            return record_checks.explanation(error.message)
    return None


def test_records_that_can_be_trained_on():
    assert check([], []) is None
    assert check([GOOD, [-.1, 0, 1.2, 1]], [1, 3]) is None


@pytest.mark.parametrize('bbox, label, fault', [
    ([math.nan, 0, 1, 1], 1, 'nan, 0.0000, 1.0000, 1.0000; it is not finite.'),
    ([0, 0, math.inf, 1], 1, '0.0000, 0.0000, inf, 1.0000; it is not finite.'),
    ([.6, .1, .1, .6], 1, '0.6000, 0.1000, 0.1000, 0.6000; its end is before '
     'its start.'),
    ([.1, .6, .6, .1], 1, '; its end is before its start.'),
    (GOOD, 4, '0.1000, 0.1000, 0.6000, 0.6000; labels are 1 to 3.'),
    (GOOD, 0, '; labels are 1 to 3.')])
def test_records_that_cannot(bbox, label, fault):
    message = check([GOOD, bbox], [1, label])
    assert message.startswith(
        'A record that cannot be trained on: bad.jpg: object 2 has label '
        f'{label} and box (ymin, xmin, ymax, xmax) ')
    assert message.endswith(fault)
    assert check([GOOD], [1, 2]) == (
        'A record that cannot be trained on: bad.jpg: 2 labels for 1 boxes.')


def test_training_names_the_image(flags, tmp_path):
    encoded = cv2.imencode('.jpg', np.zeros((60, 60, 3), np.uint8))[1]
    with tf.io.TFRecordWriter(
            str(tmp_path / 'voc_2007_train_000.tfrecord')) as writer:
        writer.write(tfrecords.encode_example(tfrecords.Sample(
            encoded.tobytes(), b'JPEG', 'bad.jpg', 60, 60,
            [[.6, .1, .1, .6]], [7], ['x'], [0], [0])))
    with pytest.raises(ValueError, match=(
            r'^A record that cannot be trained on: bad.jpg: object 1 has '
            r'label 7 and box \(ymin, xmin, ymax, xmax\) 0.6000, 0.1000, '
            r'0.1000, 0.6000; its end is before its start\.$')):
        scripts.train(**{
            **flags, 'dataset_name': 'pascalvoc_2007',
            'dataset_dir': str(tmp_path), 'train_dir': str(tmp_path / 'train'),
            'batch_size': 1, 'max_number_of_steps': 9})
