import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim

from datasets import tfrecords

ITEMS = sorted(tfrecords.ITEMS_TO_DESCRIPTIONS)
PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
EMPTY = {'bboxes': [], 'labels': [], 'names': [], 'difficult': [],
         'truncated': [], 'is_crowd': [], 'area': []}


def png(pixels):
    return cv2.imencode('.png', pixels)[1].tobytes()


def encode(**changes):
    return tfrecords.encode_example(sample(**changes))


def sample(**changes):
    return tfrecords.Sample(
        encoded=png(PIXELS[..., ::-1]), format=b'PNG', filename='ä.png',
        height=4, width=6, bboxes=[[0., .25, .5, 1.], [.5, 0., 1., .75]],
        labels=[2, 1], names=['b', 'a'], difficult=[0, 1],
        truncated=[1, 0], source_id='397133', is_crowd=[1, 0],
        area=[3.5, 9.])._replace(**changes)


def decode(serialized):
    with tf.Graph().as_default(), tf.Session() as session:
        tensors = tfrecords.decoder().decode(tf.constant(serialized), ITEMS)
        return dict(zip(ITEMS, session.run(tensors), strict=True))


def test_decode_is_the_inverse_of_encode():
    items = decode(encode())
    np.testing.assert_array_equal(items['image'], PIXELS)
    assert items['image/encoded'] == sample().encoded
    assert items['filename'].decode() == 'ä.png'
    assert items['shape'].tolist() == [4, 6, 3]
    np.testing.assert_array_equal(items['object/bbox'], sample().bboxes)
    assert items['object/bbox'].dtype == np.float32
    assert items['object/label'].tolist() == [2, 1]
    assert items['object/difficult'].tolist() == [0, 1]
    assert items['object/truncated'].tolist() == [1, 0]
    assert items['source_id'] == b'397133'
    assert items['object/is_crowd'].tolist() == [1, 0]
    assert items['object/area'].tolist() == [3.5, 9.]


def test_decode_without_a_graph_is_the_inverse_of_encode():
    decoded = tfrecords.decode_example(encode())
    for value, expected in zip(decoded, sample(), strict=True):
        np.testing.assert_array_equal(value, expected)
    assert decoded.bboxes.dtype == decoded.area.dtype == np.float32


def test_an_image_without_objects_is_legal():
    items = decode(encode(**EMPTY))
    assert items['object/bbox'].shape == (0, 4)
    assert items['object/label'].shape == items['object/difficult'].shape == (
        0,)
    assert tfrecords.decode_example(encode(**EMPTY)).bboxes.shape == (0, 4)


def test_keys_that_others_do_not_write_may_be_missing():
    example = tf.train.Example.FromString(encode())
    for key in ('image/filename', 'image/format',
                'image/object/bbox/difficult', 'image/object/bbox/truncated',
                'image/source_id', 'image/object/is_crowd',
                'image/object/area'):
        del example.features.feature[key]
    items = decode(example.SerializeToString())
    assert items['filename'] == b''
    assert items['object/difficult'].tolist() == [0, 0]
    assert items['object/truncated'].tolist() == [0, 0]
    assert items['source_id'] == b''
    assert items['object/is_crowd'].tolist() == [0, 0]
    # 2 x 4.5 pixels each.
    np.testing.assert_allclose(items['object/area'], [9., 9.], rtol=1e-6)
    decoded = tfrecords.decode_example(example.SerializeToString())
    assert decoded.filename == ''
    assert decoded.difficult.tolist() == decoded.is_crowd.tolist() == [0, 0]
    np.testing.assert_allclose(decoded.area, [9., 9.], rtol=1e-6)


def test_what_only_coco_has_is_written_where_it_is_known():
    keys = tf.train.Example.FromString(encode(
        source_id='', is_crowd=(), area=())).features.feature.keys()
    assert len(keys) == 15
    assert not {'image/source_id', 'image/object/is_crowd',
                'image/object/area'} & set(keys)


def test_grey_and_transparent_images_become_rgb():
    grey = PIXELS[..., 0]
    items = decode(encode(encoded=png(grey)))
    np.testing.assert_array_equal(items['image'], np.stack([grey] * 3, -1))
    rgba = np.dstack([PIXELS[..., ::-1], grey])
    items = decode(encode(encoded=png(rgba)))
    np.testing.assert_array_equal(items['image'], PIXELS)


def test_the_original_reader_reads_our_records():
    """Keys and types as in balancap's get_split (ssd_spec, 11.1)."""
    bbox = 'image/object/bbox/'
    features = {
        'image/encoded': tf.FixedLenFeature((), tf.string, default_value=''),
        'image/format': tf.FixedLenFeature((), tf.string,
                                           default_value='jpeg'),
        'image/height': tf.FixedLenFeature([1], tf.int64),
        'image/width': tf.FixedLenFeature([1], tf.int64),
        'image/channels': tf.FixedLenFeature([1], tf.int64),
        'image/shape': tf.FixedLenFeature([3], tf.int64),
        **{bbox + side: tf.VarLenFeature(tf.float32)
           for side in ('xmin', 'ymin', 'xmax', 'ymax')},
        **{bbox + name: tf.VarLenFeature(tf.int64)
           for name in ('label', 'difficult', 'truncated')}}
    with tf.Graph().as_default(), tf.Session() as session:
        decoder = slim.tfexample_decoder.TFExampleDecoder(features, {
            'height': slim.tfexample_decoder.Tensor('image/height'),
            'bbox': slim.tfexample_decoder.BoundingBox(
                ['ymin', 'xmin', 'ymax', 'xmax'], bbox)})
        height, bboxes = session.run(decoder.decode(
            tf.constant(encode()), ['height', 'bbox']))
    assert height.tolist() == [4]
    np.testing.assert_array_equal(bboxes, sample().bboxes)


@pytest.mark.parametrize('serialized, message', [
    (b'', 'not an Example with an image; convert again'),
    (b'no Example', 'not an Example'),
    (encode().replace('ä.png'.encode(), b'\xff\xff.png'), 'not an Example'),
    (encode(labels=[1]), '1 to 2 of each value'),
    (encode(names=['a', 'b', 'c']), '2 to 3 of each value'),
    (encode(difficult=[1]), '1 to 2 of each value'),
    (encode(area=[1, 2, 3]), '2 to 3 of each value'),
    (encode(bboxes=[[0., 0., 1., 1.]]), '1 to 2 of each value')])
def test_what_is_not_whole_is_refused(serialized, message):
    with pytest.raises(ValueError, match=message):
        tfrecords.decode_example(serialized)
