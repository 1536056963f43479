"""The Example schema of the TFRecords: how it is written, how it is read.

The keys are the original's (balancap/SSD-Tensorflow) and `image/filename`,
which HiKapok/SSD.TensorFlow writes too; records of both can be read.
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
_SIDES = ('ymin', 'xmin', 'ymax', 'xmax')

ITEMS_TO_DESCRIPTIONS = {
    'image': 'uint8 [height, width, 3], RGB.',
    'image/encoded': 'The file, JPEG or PNG: string [].',
    'filename': 'Name of the image file, empty if unknown: string [].',
    'shape': 'Height, width and channels of the image: int64 [3].',
    'object/bbox': 'float32 [num_objects, 4]: ymin, xmin, ymax, xmax.',
    'object/label': 'Classes, from 1 on: int64 [num_objects].',
    'object/difficult': '1 for objects hard to see: int64 [num_objects].',
    'object/truncated': '1 for objects cut off: int64 [num_objects].',
}


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
    example = tf.train.Example()
    features = example.features.feature
    # In place: messages that are put together from others are copied.
    for kind, lists in values.items():
        for key, numbers in lists.items():
            value = getattr(features[key], kind)
            value.SetInParent()
            value.value.extend(numbers)
    return example.SerializeToString()


def decode_example(serialized: bytes) -> Sample:
    """Returns the Sample of a tf.train.Example's bytes, without a graph.

    As with `decoder`, what is not the image, its shape and its objects may
    be missing. bboxes is float32 [num_objects, 4]; the rest is int64.

    Raises:
      ValueError: the bytes are not an Example of this schema, or some of its
        objects lack a side, a class or a flag.
    """
    try:
        features = tf.train.Example.FromString(serialized).features.feature
        height, width = features['image/shape'].int64_list.value[:2]
        encoded, = features['image/encoded'].bytes_list.value
        filename = b''.join(
            features['image/filename'].bytes_list.value).decode()
        names = [name.decode() for name
                 in features[_BBOX + 'label_text'].bytes_list.value]
    except (message.DecodeError, ValueError) as error:
        raise ValueError('not an Example with an image; convert '
                         'again') from error
    sides = [features[_BBOX + side].float_list.value for side in _SIDES]
    labels, difficult, truncated = (
        np.array(features[_BBOX + name].int64_list.value, np.int64)
        for name in ('label', 'difficult', 'truncated'))
    counts = {*map(len, sides), len(labels)}
    counts.update(len(values) for values in (difficult, truncated, names)
                  if len(values))
    if len(counts) > 1:
        raise ValueError(f'its objects have {min(counts)} to {max(counts)} of '
                         'each value; convert again')
    return Sample(
        encoded, b''.join(features['image/format'].bytes_list.value),
        filename, height, width, np.array(sides, np.float32).T, labels, names,
        *(flags if flags.size else np.zeros_like(labels)
          for flags in (difficult, truncated)))


def decoder() -> slim.tfexample_decoder.TFExampleDecoder:
    """Returns a slim TFExampleDecoder of the ITEMS_TO_DESCRIPTIONS."""
    keys_to_features = {
        'image/encoded': tf.FixedLenFeature([], tf.string),
        'image/filename': tf.FixedLenFeature([], tf.string, default_value=''),
        'image/shape': tf.FixedLenFeature([3], tf.int64),
        **{_BBOX + side: tf.VarLenFeature(tf.float32) for side in _SIDES},
        **{_BBOX + name: tf.VarLenFeature(tf.int64)
           for name in ('label', 'difficult', 'truncated')},
    }
    handlers = slim.tfexample_decoder
    items_to_handlers = {
        # slim's Image handler needs tf.contrib's control flow.
        'image': handlers.ItemHandlerCallback(
            ['image/encoded'], _decode_image),
        'image/encoded': handlers.Tensor('image/encoded'),
        'filename': handlers.Tensor('image/filename'),
        'shape': handlers.Tensor('image/shape'),
        'object/bbox': handlers.BoundingBox(list(_SIDES), _BBOX),
        'object/label': handlers.Tensor(_BBOX + 'label'),
        'object/difficult': _flag_handler('difficult'),
        'object/truncated': _flag_handler('truncated'),
    }
    return handlers.TFExampleDecoder(keys_to_features, items_to_handlers)


def _decode_image(keys_to_tensors):
    """Returns uint8 [height, width, 3]; grey and RGBA files become RGB."""
    image = tf.io.decode_image(keys_to_tensors['image/encoded'], channels=3,
                               expand_animations=False)
    image.set_shape([None, None, 3])
    return image


def _flag_handler(name):
    """Returns the handler of a flag of objects: zeros where it is missing."""
    def read_flags(keys_to_tensors):
        flags = tf.sparse.to_dense(keys_to_tensors[_BBOX + name])
        labels = tf.sparse.to_dense(keys_to_tensors[_BBOX + 'label'])
        return tf.cond(tf.equal(tf.size(flags), 0),
                       lambda: tf.zeros_like(labels), lambda: flags)

    return slim.tfexample_decoder.ItemHandlerCallback(
        [_BBOX + name, _BBOX + 'label'], read_flags)
