"""Reads .caffemodel files: layers with their weights and prior boxes.

The file is one protobuf message NetParameter, most of whose bytes are weights.
It is read field by field and layer by layer, so that the weights are in memory
once and no length that the file claims is believed before it is checked.
"""
import collections
import math
import os

import numpy as np
from google.protobuf import message

from engine.importing import caffe_pb2

# The layers among the fields of NetParameter, caffe.proto.
MESSAGES = {2: caffe_pb2.V1LayerParameter, 100: caffe_pb2.LayerParameter}
# Wire types of protobuf.
VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
MAX_VARINT_BYTES = 10
MAX_AXES = 32  # Caffe's kMaxBlobAxes.
# Of a file or of a layer: two bytes may be an empty blob, which takes a hundred
# in memory.
MAX_FIELDS = 10_000

Layer = collections.namedtuple('Layer', 'name type blobs prior_box')
Layer.__doc__ = """One layer of a Caffe model.

name, type: strings, as in the file ('CONVOLUTION' in V1, 'Convolution' now).
blobs: tuple of float32 arrays, in Caffe's layout: (out, in, height, width).
prior_box: caffe_pb2.PriorBoxParameter, None if the layer has none.
"""


def read(path):
    """Returns the Layers of a .caffemodel file, in its order.

    Raises:
      ValueError: if the file is not a whole .caffemodel.
      OSError: if it cannot be read.
    """
    layers = []
    with open(path, 'rb') as file:
        try:
            for layer in _messages(file):
                layers.append(_layer(layer))
        except (ValueError, message.DecodeError) as error:
            raise ValueError(
                f'{path}: not a whole .caffemodel (binary protobuf of Caffe): '
                f'{error}') from error
    if not layers:
        raise ValueError(f'{path}: not a .caffemodel: it has no layers.')
    return layers


def describe(layers):
    """Yields lines: name, type and shapes or prior sizes of each layer."""
    for layer in layers:
        facts = ' '.join(
            'x'.join(map(str, blob.shape)) for blob in layer.blobs)
        if layer.prior_box is not None:
            prior = layer.prior_box
            facts = (f'min {list(prior.min_size)} max {list(prior.max_size)} '
                     f'ratios {list(prior.aspect_ratio)} step {prior.step:g}')
        yield f'{layer.name:32} {layer.type:20} {facts}'.rstrip()
    total = sum(blob.size for layer in layers for blob in layer.blobs)
    yield f'{len(layers)} layers, {total:,} parameters'


def blobs_by_name(layers):
    """Returns {name: blobs} of the layers that have weights."""
    blobs = {}
    for layer in layers:
        if layer.blobs and layer.name in blobs:
            raise ValueError(f'it has two layers {layer.name} with weights.')
        if layer.blobs:
            blobs[layer.name] = layer.blobs
    return blobs


def require(blobs, names):
    """Raises ValueError unless all the named layers have weights."""
    missing = sorted(set(names) - set(blobs))
    if missing:
        raise ValueError(
            f'it lacks the layers {", ".join(missing)} of --model_name; its '
            f'layers with weights are {", ".join(blobs) or "none"}.')


def _messages(file):
    """Yields a LayerParameter or V1LayerParameter for each layer."""
    for number, length in _fields(file, os.fstat(file.fileno()).st_size):
        if number in MESSAGES:
            start = file.tell()
            for _, inner_length in _fields(file, start + length):
                file.seek(inner_length, os.SEEK_CUR)
            file.seek(start)
            yield MESSAGES[number].FromString(file.read(length))
        else:
            file.seek(length, os.SEEK_CUR)


def _fields(file, end):
    """Yields number and length of the fields from here to `end`.

    The caller reads or skips that length. The number is None of a field that
    is not of LENGTH_DELIMITED.
    """
    num_fields = 0
    while (start := file.tell()) < end:
        num_fields += 1
        if num_fields > MAX_FIELDS:
            raise ValueError(
                f'more than {MAX_FIELDS:,} fields before byte {start}; no '
                'model has as many.')
        number, wire_type = divmod(_varint(file), 8)
        if number == 0:
            raise ValueError(f'no field begins at byte {start}.')
        length = {FIXED64: 8, FIXED32: 4}.get(wire_type, 0)
        if wire_type == VARINT:
            _varint(file)
        elif wire_type == LENGTH_DELIMITED:
            length = _varint(file)
        elif not length:
            raise ValueError(f'no field begins at byte {start}.')
        if length > end - file.tell():
            raise ValueError(
                f'the field at byte {start} claims {length:,} bytes, but '
                f'{end - file.tell():,} follow; truncated?')
        yield (number if wire_type == LENGTH_DELIMITED else None), length


def _varint(file):
    """Returns the unsigned integer of base 128 that comes next."""
    value = 0
    for index in range(MAX_VARINT_BYTES):
        byte = file.read(1)
        if not byte:
            raise ValueError('it ends inside a number; truncated?')
        value |= (byte[0] & 127) << 7 * index
        if byte[0] < 128:
            return value
    raise ValueError(f'no number ends at byte {file.tell()}.')


def _layer(layer):
    """Returns the Layer of a LayerParameter or V1LayerParameter."""
    kind, prior_box = layer.type, None
    if isinstance(layer, caffe_pb2.V1LayerParameter):
        kind = caffe_pb2.V1LayerParameter.LayerType.Name(kind)
    elif layer.HasField('prior_box_param'):
        prior_box = layer.prior_box_param
    for text in (layer.name, kind):
        # What is not UTF-8, protobuf returns as bytes.
        if not isinstance(text, str) or not text.isprintable():
            raise ValueError(f'{text!r} is no name of a layer.')
    blobs = tuple(_array(blob, layer.name) for blob in layer.blobs)
    return Layer(layer.name, kind, blobs, prior_box)


def _array(blob, layer_name):
    """Returns the numbers of a BlobProto: float32, of its shape."""
    shape = (blob.num, blob.channels, blob.height, blob.width)
    if len(blob.shape.dim) > MAX_AXES:
        raise ValueError(
            f'a blob of layer {layer_name!r} has {len(blob.shape.dim):,} '
            f'dimensions; Caffe has at most {MAX_AXES}.')
    if blob.HasField('shape'):
        shape = tuple(blob.shape.dim) or (1,)
    numbers = np.frombuffer(b'', np.float32)
    for data, dtype in ((blob.data, '<f4'), (blob.double_data, '<f8')):
        if len(data) % np.dtype(dtype).itemsize:
            raise ValueError(
                f'a blob of layer {layer_name!r} has {len(data)} bytes, '
                f'no whole count of numbers.')
        if data:
            numbers = np.frombuffer(data, dtype)
    if min(shape) < 1 or math.prod(shape) != numbers.size:
        raise ValueError(
            f'a blob of layer {layer_name!r} has the shape {shape}, but '
            f'{numbers.size:,} numbers.')
    with np.errstate(over='ignore'):
        numbers = numbers.reshape(shape).astype(np.float32, copy=False)
    if not np.isfinite(numbers).all():
        raise ValueError(
            f'a blob of layer {layer_name!r} has numbers that are not finite.')
    return numbers
