"""The Example schema of the TFRecords: how it is written, how it is read.

The keys are the original's (balancap/SSD-Tensorflow) and `image/filename`,
which HiKapok/SSD.TensorFlow writes too; records of both can be read. What
COCO has besides (`image/source_id`, `image/object/is_crowd` and `area`) has
the keys of the TF Object Detection API, and is written where it is known.
That API's own records, DETECTION_API, can be read as well.
"""
import contextlib
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
from google.protobuf import message

_BBOX = 'image/object/bbox/'
_SOURCE_ID = 'image/source_id'
_IS_CROWD, _AREA = 'image/object/is_crowd', 'image/object/area'
_SIDES = ('ymin', 'xmin', 'ymax', 'xmax')

ITEMS_TO_DESCRIPTIONS = {
    'image': 'uint8 [height, width, 3], RGB.',
    'image/encoded': 'The file, JPEG or PNG: string [].',
    'filename': 'Name of the image file, empty if unknown: string [].',
    'source_id': "The image's id as a text, empty if unknown: string [].",
    'shape': 'Height, width and channels of the image: int64 [3].',
    'object/bbox': 'float32 [num_objects, 4]: ymin, xmin, ymax, xmax.',
    'object/label': 'Classes, from 1 on: int64 [num_objects].',
    'object/difficult': '1 for objects hard to see: int64 [num_objects].',
    'object/truncated': '1 for objects cut off: int64 [num_objects].',
    'object/is_crowd': '1 for groups under one box: int64 [num_objects].',
    'object/area': "Of the outline, else the bbox's; in pixels: float32 "
                   '[num_objects].',
}


class Schema(NamedTuple):
    """The keys of what records of a kind call by names of their own."""
    description: str
    label: str
    text: str
    difficult: str
    truncated: str


OWN = Schema("the original's keys", _BBOX + 'label', _BBOX + 'label_text',
             _BBOX + 'difficult', _BBOX + 'truncated')
# Without image/shape.
DETECTION_API = Schema(
    'keys of the TF Object Detection API', 'image/object/class/label',
    'image/object/class/text', 'image/object/difficult',
    'image/object/truncated')


class Sample(NamedTuple):
    """One image with its objects."""
    encoded: bytes
    format: bytes  # JPEG or PNG.
    filename: str
    height: int
    width: int
    bboxes: Sequence[Sequence[float]]  # [ymin, xmin, ymax, xmax], relative.
    labels: Sequence[int]  # From 1 on.
    names: Sequence[str]
    difficult: Sequence[int]  # 0 or 1.
    truncated: Sequence[int]
    # COCO's; empty where a format does not have them.
    source_id: str = ''  # The image's.
    is_crowd: Sequence[int] = ()
    area: Sequence[float] = ()  # In pixels.


@contextlib.contextmanager
def open_writer(path: str) -> Iterator[tf.io.TFRecordWriter]:
    """Opens a tf.io.TFRecordWriter as a context manager.

    Raises:
      OSError: the file cannot be written; names it. On a full disk that may
        turn out only when the file is closed, in an error without a text.
    """
    try:
        with tf.io.TFRecordWriter(path) as writer:
            yield writer
    except tf.errors.OpError as error:
        raise OSError(error.message or f'{path}: cannot be written; is the '
                      'disk full?') from error


def encode_example(sample: Sample) -> bytes:
    """Returns a Sample as the bytes of a tf.train.Example."""
    shape = [sample.height, sample.width, 3]
    sides = list(zip(*sample.bboxes, strict=True)) or [()] * 4
    values = {
        'bytes_list': {
            'image/encoded': [sample.encoded],
            'image/format': [sample.format],
            'image/filename': [sample.filename.encode()],
            _BBOX + 'label_text': [name.encode() for name in sample.names],
        },
        'int64_list': {
            'image/height': shape[:1],
            'image/width': shape[1:2],
            'image/channels': shape[2:],
            'image/shape': shape,
            _BBOX + 'label': sample.labels,
            _BBOX + 'difficult': sample.difficult,
            _BBOX + 'truncated': sample.truncated,
        },
        'float_list': {_BBOX + side: numbers for side, numbers
                       in zip(_SIDES, sides, strict=True)},
    }
    if sample.source_id:
        values['bytes_list'][_SOURCE_ID] = [sample.source_id.encode()]
    if len(sample.is_crowd):
        values['int64_list'][_IS_CROWD] = sample.is_crowd
    if len(sample.area):
        values['float_list'][_AREA] = sample.area
    example = tf.train.Example()
    features = example.features.feature
    # In place: messages that are put together from others are copied.
    for kind, lists in values.items():
        for key, numbers in lists.items():
            value = getattr(features[key], kind)
            value.SetInParent()
            value.value.extend(numbers)
    return example.SerializeToString()


def schema_of(serialized: bytes) -> Schema:
    """Returns the Schema of a tf.train.Example's bytes.

    Raises:
      ValueError: they are none.
    """
    return _schema(_features(serialized))


def _features(serialized):
    try:
        return tf.train.Example.FromString(serialized).features.feature
    except message.DecodeError as error:
        raise ValueError('not an Example with an image; convert '
                         'again') from error


def _schema(features):
    is_own = 'image/shape' in features and DETECTION_API.label not in features
    return OWN if is_own else DETECTION_API


def decode_example(serialized: bytes, ids: Sequence[int] = ()) -> Sample:
    """Returns the Sample of a tf.train.Example's bytes, without a graph.

    It may be of any Schema. As with `decoder`, what is not the image, its
    shape and its objects may be missing; area is then that of the bboxes.
    bboxes is float32 [num_objects, 4], area float32; the rest is int64.

    Args:
      serialized: the bytes.
      ids: those of the labels in the records, ascending, if not 1, 2, ...

    Raises:
      ValueError: the bytes are not an Example of this schema, or some of its
        objects lack a side, a class or a flag, or are of another class.
    """
    features = _features(serialized)
    schema = _schema(features)
    try:
        height, width = (
            features['image/shape'].int64_list.value[:2] if schema is OWN else
            [value for side in ('height', 'width') for value in
             features[f'image/{side}'].int64_list.value])
        encoded, = features['image/encoded'].bytes_list.value
        filename, source_id = (
            b''.join(features[key].bytes_list.value).decode()
            for key in ('image/filename', _SOURCE_ID))
        names = [name.decode() for name
                 in features[schema.text].bytes_list.value]
    except ValueError as error:
        raise ValueError('not an Example with an image; convert '
                         'again') from error
    sides = [features[_BBOX + side].float_list.value for side in _SIDES]
    labels, *flags = (
        np.array(features[key].int64_list.value, np.int64)
        for key in (schema.label, schema.difficult, schema.truncated,
                    _IS_CROWD))
    area = np.array(features[_AREA].float_list.value, np.float32)
    counts = {*map(len, sides), len(labels)}
    counts.update(len(values) for values in (*flags, area, names)
                  if len(values))
    if len(counts) > 1:
        raise ValueError(f'its objects have {min(counts)} to {max(counts)} of '
                         'each value; convert again')
    if ids:
        if not np.isin(labels, ids).all():
            raise ValueError('it has other classes than before')
        labels = np.searchsorted(ids, labels) + 1
    sides = np.array(sides, np.float32)
    difficult, truncated, is_crowd = (
        values if values.size else np.zeros_like(labels) for values in flags)
    return Sample(
        encoded, b''.join(features['image/format'].bytes_list.value),
        filename, height, width, sides.T, labels, names, difficult, truncated,
        source_id, is_crowd,
        area if area.size else _bbox_area(sides, height, width))


def decoder(
        schema: Schema = OWN, ids: Sequence[int] = ()
        ) -> slim.tfexample_decoder.TFExampleDecoder:
    """Returns a slim TFExampleDecoder of the ITEMS_TO_DESCRIPTIONS.

    ids: as of decode_example.
    """
    sizes = ({'image/shape': tf.FixedLenFeature([3], tf.int64)}
             if schema is OWN else
             {f'image/{side}': tf.FixedLenFeature([], tf.int64)
              for side in ('height', 'width')})
    keys_to_features = {
        'image/encoded': tf.FixedLenFeature([], tf.string),
        'image/filename': tf.FixedLenFeature([], tf.string, default_value=''),
        **sizes,
        **{_BBOX + side: tf.VarLenFeature(tf.float32) for side in _SIDES},
        **{key: tf.VarLenFeature(tf.int64) for key in (
            schema.label, schema.difficult, schema.truncated)},
        _SOURCE_ID: tf.FixedLenFeature([], tf.string, default_value=''),
        _IS_CROWD: tf.VarLenFeature(tf.int64),
        _AREA: tf.VarLenFeature(tf.float32),
    }
    handlers = slim.tfexample_decoder
    items_to_handlers = {
        # slim's Image handler needs tf.contrib's control flow.
        'image': handlers.ItemHandlerCallback(
            ['image/encoded'], _decode_image),
        'image/encoded': handlers.Tensor('image/encoded'),
        'filename': handlers.Tensor('image/filename'),
        'source_id': handlers.Tensor(_SOURCE_ID),
        'shape': handlers.ItemHandlerCallback(list(sizes), _read_shape),
        'object/bbox': handlers.BoundingBox(list(_SIDES), _BBOX),
        'object/label': handlers.ItemHandlerCallback(
            [schema.label], lambda keys_to_tensors: _read_labels(
                keys_to_tensors[schema.label], ids)),
        'object/difficult': _flag_handler(schema.difficult, schema.label),
        'object/truncated': _flag_handler(schema.truncated, schema.label),
        'object/is_crowd': _flag_handler(_IS_CROWD, schema.label),
        'object/area': handlers.ItemHandlerCallback(
            [_AREA, *sizes, *(_BBOX + side for side in _SIDES)],
            _read_area),
    }
    return handlers.TFExampleDecoder(keys_to_features, items_to_handlers)


def _decode_image(keys_to_tensors):
    """Returns uint8 [height, width, 3]; grey and RGBA files become RGB."""
    image = tf.io.decode_image(keys_to_tensors['image/encoded'], channels=3,
                               expand_animations=False)
    image.set_shape([None, None, 3])
    return image


def _read_shape(keys_to_tensors):
    """Returns height, width and channels: int64 [3]."""
    if 'image/shape' in keys_to_tensors:
        return keys_to_tensors['image/shape']
    return tf.stack([keys_to_tensors['image/height'],
                     keys_to_tensors['image/width'], tf.constant(3, tf.int64)])


def _read_labels(labels, ids):
    """Returns classes from 1 on, int64 [num_objects], of sparse ids."""
    labels = tf.sparse.to_dense(labels)
    return tf.searchsorted(tf.constant(ids, tf.int64), labels,
                           out_type=tf.int64) + 1 if ids else labels


def _flag_handler(key, label_key):
    """Returns the handler of a flag of objects: zeros where it is missing."""
    def read_flags(keys_to_tensors):
        flags = tf.sparse.to_dense(keys_to_tensors[key])
        labels = tf.sparse.to_dense(keys_to_tensors[label_key])
        return tf.cond(tf.equal(tf.size(flags), 0),
                       lambda: tf.zeros_like(labels), lambda: flags)

    return slim.tfexample_decoder.ItemHandlerCallback(
        [key, label_key], read_flags)


def _read_area(keys_to_tensors):
    """Returns the areas of objects: of their bboxes where they are missing."""
    area, *sides = (tf.sparse.to_dense(keys_to_tensors[key]) for key in (
        _AREA, *(_BBOX + side for side in _SIDES)))
    height, width, _ = tf.unstack(
        tf.cast(_read_shape(keys_to_tensors), tf.float32))
    return tf.cond(tf.equal(tf.size(area), 0),
                   lambda: _bbox_area(sides, height, width), lambda: area)


def _bbox_area(sides, height, width):
    """Returns areas in pixels of relative ymin, xmin, ymax and xmax."""
    ymin, xmin, ymax, xmax = sides
    return (ymax - ymin) * (xmax - xmin) * height * width
