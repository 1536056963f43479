"""Reads .caffemodel files: layers with their weights and prior boxes."""
import math
import typing
from collections import abc

import numpy as np
from google.protobuf import message

from engine.importing import caffe_pb2


class Layer(typing.NamedTuple):
    """One layer of a Caffe model."""
    name: str
    type: str  # As in the file: 'CONVOLUTION' in V1, 'Convolution' now.
    blobs: tuple[np.ndarray, ...]  # float32; (out, in, height, width).
    prior_box: caffe_pb2.PriorBoxParameter | None


def read(path: str) -> list[Layer]:
    """Returns the layers of a .caffemodel file, in its order.

    Raises:
      ValueError: the file is not a whole .caffemodel.
      OSError: it cannot be read.
    """
    with open(path, 'rb') as file:
        content = file.read()
    try:
        network = caffe_pb2.NetParameter.FromString(content)
        del content  # Weights are in memory twice at most.
        layers = list(map(_layer, [*network.layers, *network.layer]))
    except message.DecodeError:
        raise ValueError(
            f'{path}: not a whole .caffemodel (binary protobuf of Caffe): it '
            'is cut off, damaged or something else.') from None
    except ValueError as error:
        raise ValueError(
            f'{path}: not a whole .caffemodel: {error}') from None
    if not layers:
        raise ValueError(f'{path}: not a .caffemodel: it has no layers.')
    return layers


def describe(layers: list[Layer]) -> abc.Iterator[str]:
    """Yields lines: name, type and shapes or prior sizes of each layer."""
    for layer in layers:
        facts = ' '.join('x'.join(map(str, blob.shape)) for blob in layer.blobs)
        prior = layer.prior_box
        if prior is not None:
            facts = (f'min {list(prior.min_size)} max {list(prior.max_size)} '
                     f'ratios {list(prior.aspect_ratio)} step {prior.step:g}')
        yield f'{layer.name:32} {layer.type:20} {facts}'.rstrip()
    total = sum(blob.size for layer in layers for blob in layer.blobs)
    yield f'{len(layers)} layers, {total:,} parameters'


def blobs_by_name(layers: list[Layer]) -> dict[str, tuple]:
    """Returns {name: blobs} of the layers that have weights."""
    blobs = {}
    for layer in layers:
        if layer.blobs and layer.name in blobs:
            raise ValueError(f'it has two layers {layer.name} with weights.')
        if layer.blobs:
            blobs[layer.name] = layer.blobs
    return blobs


def require(blobs: dict[str, tuple], names: abc.Iterable[str]):
    """Raises ValueError unless all the named layers have weights."""
    missing = sorted(set(names) - set(blobs))
    if missing:
        raise ValueError(
            f'it lacks the layers {", ".join(missing)} of --model_name; its '
            f'layers with weights are {", ".join(blobs) or "none"}.')


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
    if blob.HasField('shape'):
        shape = tuple(blob.shape.dim) or (1,)
    numbers = (np.frombuffer(blob.double_data, '<f8')
               if blob.HasField('double_data')
               else np.frombuffer(blob.data, '<f4'))
    if min(shape) < 1 or math.prod(shape) != numbers.size:
        raise ValueError(f'a blob of layer {layer_name!r} has the shape '
                         f'{shape}, but {numbers.size:,} numbers.')
    with np.errstate(over='ignore'):
        numbers = numbers.reshape(shape).astype(np.float32, copy=False)
    if not np.isfinite(numbers).all():
        raise ValueError(
            f'a blob of layer {layer_name!r} has numbers that are not finite.')
    return numbers
