import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from datasets import records
from datasets import tfrecords

PIXELS = np.full((20, 40, 3), (10, 20, 30), np.uint8)


def sample(filename, encoded=None):
    if encoded is None:
        encoded = cv2.imencode('.png', PIXELS[..., ::-1])[1].tobytes()
    return tfrecords.Sample(
        encoded, b'PNG', filename, 20, 40, [[0, 0, 1, 1]], [1], ['a'], [0],
        [0])


def write(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def test_samples_come_in_order(tmp_path):
    paths = [
        write(tmp_path / f'{part}', [
            tfrecords.encode_example(sample(f'{part}{i}.png'))
            for i in range(3)]) for part in 'ab']
    names = [sample.filename for sample in records.read_samples(paths)]
    assert names == ['a0.png', 'a1.png', 'a2.png',
                     'b0.png', 'b1.png', 'b2.png']


def test_records_equal_those_of_tensorflow(tmp_path):
    path = write(tmp_path / 'a', [b'', b'x', b'y' * 1000])
    assert list(records.read_records(path)) == [b'', b'x', b'y' * 1000]


def test_a_foreign_record_is_named(tmp_path):
    path = write(tmp_path / 'a', [
        tfrecords.encode_example(sample('0')), b'\xff\xff'])
    with pytest.raises(ValueError, match=r'a, record 1: not an Example'):
        list(records.read_samples([path]))


def test_names():
    assert records.image_name('000012.jpg', 3) == '000012'
    assert records.image_name('', 3) == '000003'


def test_thumbnails():
    np.testing.assert_array_equal(
        records.thumbnail(sample(''), 100), PIXELS)
    np.testing.assert_array_equal(
        records.thumbnail(sample(''), 10), PIXELS[:5, :10])
    for encoded in (b'', b'no image'):
        assert records.thumbnail(sample('', encoded), 10) is None
