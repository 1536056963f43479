"""The files of a checkpoint, checked before TensorFlow reads them.

TensorFlow checks sums, so that it notices damage, but it takes what the
tables say for granted, and ends the process where it cannot be. Format:
tensorflow/core/protobuf/tensor_bundle.proto.
"""
import math
import os

import tensorflow.compat.v1 as tf
from google.protobuf import message
from tensorflow.core.protobuf import tensor_bundle_pb2
from tensorflow.core.util import saved_tensor_slice_pb2

from engine import checkpoint_tables
from engine import error_text

_MAX_DIMENSIONS = 254  # Of a TensorFlow shape.
# In format V1 numbers have at least a byte each, so that a double shrinks
# to an eighth, a complex number to two of 16.
_MAX_V1_RATIO = 8
_ANY_SIZE = {tf.string.as_datatype_enum}


def check(prefix):
    """Raises ValueError if the files of a checkpoint are not whole.

    What the tables say is checked: that all files are there and as long as
    they must be, and that each variable has a dtype and a shape. Values are
    not read.

    Args:
      prefix: of the checkpoint, of format V1 (its file) or V2.

    Raises:
      ValueError: names the file and the fault.
      OSError: a file cannot be read.
    """
    path = f'{prefix}.index'
    is_v2 = os.path.exists(path)
    if not is_v2:
        path = prefix
    try:
        if is_v2:
            _check_v2(prefix, path)
        else:
            _check_v1(path)
    except (ValueError, message.DecodeError) as error:
        raise ValueError(f'{path}: a damaged checkpoint: {error}') from None


def open_reader(prefix):
    """Returns a reader of a checkpoint of format V1 or V2.

    Raises:
      ValueError: if the file is not a whole checkpoint.
    """
    check(prefix)
    try:
        return tf.train.NewCheckpointReader(prefix)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ValueError(
            f'{prefix}: not a readable checkpoint: '
            f'{error_text.reason(str(error))}') from None


def read(reader, prefix, name):
    """Returns the value of a variable.

    Raises:
      ValueError: if it is damaged; it names the checkpoint, `prefix`.
    """
    try:
        return reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ValueError(
            f'{prefix}: {name} cannot be read: '
            f'{error_text.reason(str(error))}') from None


class Saver(tf.train.Saver):
    """A Saver whose errors on restoring name the checkpoint."""

    def restore(self, sess, save_path):
        """Restores the variables; see tf.train.Saver.restore.

        Raises:
          ValueError: if the checkpoint is damaged.
        """
        try:
            super().restore(sess, save_path)
        except tf.errors.OpError as error:
            raise ValueError(
                f'{save_path}: cannot be restored: '
                f'{error_text.reason(error.message)}') from None


def _check_v2(prefix, path):
    with open(path, 'rb') as file:
        entries = checkpoint_tables.read(file)
        key, value = next(entries, (None, b''))
        if key != b'':
            raise ValueError('it has no header.')
        header = tensor_bundle_pb2.BundleHeaderProto.FromString(value)
        if header.endianness != header.LITTLE:
            raise ValueError('it was written on a big-endian machine.')
        sizes = _file_sizes(prefix, header.num_shards)
        for key, value in entries:
            entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
            name = key.decode()
            if entry.slices:
                raise ValueError(f'{name!r} is saved in slices, which only '
                                 'partitioned variables are.')
            num_bytes = _num_bytes(name, entry.dtype, entry.shape)
            if not (num_bytes == entry.size or entry.dtype in _ANY_SIZE
                    and entry.size >= num_bytes):
                raise ValueError(f'{name!r} has {entry.size} bytes for a '
                                 f'shape of {num_bytes}.')
            _check_place(name, entry, sizes)


def _file_sizes(prefix, num_files):
    """Returns (path, bytes) of the .data files, in order."""
    sizes = []
    for number in range(num_files):
        path = f'{prefix}.data-{number:05d}-of-{num_files:05d}'
        if not os.path.isfile(path):
            raise ValueError(f'the file {path} is missing.')
        sizes.append((path, os.path.getsize(path)))
    return sizes


def _check_place(name, entry, sizes):
    if not 0 <= entry.shard_id < len(sizes) or entry.offset < 0:
        raise ValueError(f'{name!r} is in no file.')
    path, size = sizes[entry.shard_id]
    if entry.offset + entry.size > size:
        raise ValueError(
            f'the file {path} is cut off: it has {size} bytes, {name!r} '
            f'ends at {entry.offset + entry.size}.')


def _check_v1(path):
    with open(path, 'rb') as file:
        key, value = next(checkpoint_tables.read(file), (None, b''))
        if key != b'':
            raise ValueError('it has no header.')
        header = saved_tensor_slice_pb2.SavedTensorSlices.FromString(value)
        size = os.path.getsize(path)
    num_bytes = sum(_num_bytes(tensor.name, tensor.type, tensor.shape)
                    for tensor in header.meta.tensor)
    if num_bytes > _MAX_V1_RATIO * size:
        raise ValueError(f'it has {size} bytes for variables of {num_bytes}.')


def _num_bytes(name, data_type, shape):
    """Returns the bytes of a variable, at least; raises ValueError."""
    if not name.isprintable():
        raise ValueError(f'{name!r} is no name of a variable.')
    sides = [dimension.size for dimension in shape.dim]
    if (shape.unknown_rank or len(sides) > _MAX_DIMENSIONS
            or any(side < 0 for side in sides)
            or math.prod(max(side, 1) for side in sides) >= 2 ** 63):
        raise ValueError(f'{name!r} has no shape: {str(sides)[:60]}.')
    if data_type in _ANY_SIZE:
        return math.prod(sides)
    try:
        dtype = tf.as_dtype(data_type)
    except TypeError:
        dtype = None
    if dtype is None or dtype.size == 0 or dtype != dtype.base_dtype:
        raise ValueError(f'{name!r} has no known dtype: {data_type}.')
    return math.prod(sides) * dtype.size
