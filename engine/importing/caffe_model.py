"""Reads .caffemodel files: layers, weights, and how they are connected."""
import functools
import math
import typing
from collections import abc

import numpy as np
from google.protobuf import message

from engine.importing import caffe_pb2

CONCATENATIONS = 'Concat', 'CONCAT'
NORMS = 'BatchNorm', 'Scale'


class Window(typing.NamedTuple):
    """How a kernel goes over cells, the same in height and width."""
    stride: int = 1
    pad: int = 0  # On each side.
    dilation: int = 1
    kernel: int | None = None  # Of a pool.


class Layer(typing.NamedTuple):
    """One layer of a Caffe model."""
    name: str
    type: str  # As in the file: 'CONVOLUTION' in V1, 'Convolution' now.
    blobs: tuple[np.ndarray, ...]  # float32; (out, in, height, width).
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]  # One of the bottoms, where it works in place.
    # Those that a layer can have; copies, which keep no weights in memory.
    prior_box: caffe_pb2.PriorBoxParameter | None = None
    transform: caffe_pb2.TransformationParameter | None = None
    input_shape: tuple[int, ...] | None = None
    epsilon: float = 0.  # Of BatchNorm.
    window: Window | None = None  # Of a convolution or a pool.


class Model:
    """The layers of a .caffemodel file, in its order; see `read`.

    Raises:
      ValueError: two layers of one name have weights.
    """

    def __init__(self, layers: list[Layer]):
        self.layers = layers
        self.weighted = {}  # Of the layers with weights: name -> index.
        for index, layer in enumerate(layers):
            if layer.blobs and layer.name in self.weighted:
                raise ValueError(
                    f'it has two layers {layer.name} with weights.')
            if layer.blobs:
                self.weighted[layer.name] = index

    def __getitem__(self, name: str) -> Layer:
        """Returns the layer of a name, which has weights."""
        return self.layers[self.weighted[name]]

    def require(self, names: abc.Iterable[str], model_name: str):
        """Raises ValueError unless all the named layers have weights."""
        missing = sorted(set(names) - set(self.weighted))
        if missing:
            raise ValueError(
                f'it lacks the layers {", ".join(missing)} of {model_name}; '
                'its layers with weights are '
                f'{", ".join(self.weighted) or "none"}.')

    def norms(self, name: str) -> list[Layer]:
        """Returns the BatchNorm and Scale layers right after a layer."""
        index, found = self.weighted[name], []
        top = self.layers[index].tops[:1]
        for layer in self.layers[index + 1:] if top else ():
            if layer.bottoms[:1] == top:
                if layer.type not in NORMS:
                    break
                found.append(layer)
                top = layer.tops[:1]
        return found

    def feeding(self, beginning: str, nearest: bool = True) -> set[str]:
        """Returns the layers with weights that feed certain concatenations.

        Args:
          beginning: of the concatenations' names.
          nearest: only those with none but norms between.
        """
        left = [index for index, layer in enumerate(self.layers)
                if layer.type in CONCATENATIONS
                and layer.name.startswith(beginning)]
        seen, found = set(left), set()
        while left:
            index = left.pop()
            layer = self.layers[index]
            if layer.blobs:
                found.add(layer.name)
                if nearest and layer.type not in NORMS:
                    continue
            new = [other for other in self._inputs[index] if other not in seen]
            seen.update(new)
            left += new
        return found

    @functools.cached_property
    def _inputs(self):
        """Of each layer, the indices of those that it takes, all before it."""
        makers, inputs = {}, []
        for index, layer in enumerate(self.layers):
            inputs.append([makers[bottom] for bottom in layer.bottoms
                           if bottom in makers])
            makers.update(dict.fromkeys(layer.tops, index))
        return inputs


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


def _layer(layer):
    """Returns the Layer of a LayerParameter or V1LayerParameter."""
    kind, facts = layer.type, {'window': _window(layer)}
    if isinstance(layer, caffe_pb2.V1LayerParameter):
        kind = caffe_pb2.V1LayerParameter.LayerType.Name(kind)
    else:
        facts |= _facts(layer)
    bottoms, tops = tuple(layer.bottom), tuple(layer.top)
    for text in (layer.name, kind, *bottoms, *tops):
        # What is not UTF-8, protobuf returns as bytes.
        if not isinstance(text, str) or not text.isprintable():
            raise ValueError(f'{text!r} is no name of a layer.')
    blobs = tuple(_array(blob, layer.name) for blob in layer.blobs)
    return Layer(layer.name, kind, blobs, bottoms, tops, **facts)


def _window(layer):
    """Returns the Window of a layer, None if it has none.

    Raises:
      ValueError: it differs in height and width.
    """
    if layer.HasField('pooling_param'):
        pool = layer.pooling_param
        return Window(pool.stride, kernel=pool.kernel_size)
    if not layer.HasField('convolution_param'):
        return None
    parameters, numbers = layer.convolution_param, {}
    for name in 'stride', 'pad', 'dilation':
        sides = {getattr(parameters, f'{name}_{side}') for side in 'hw'
                 if name != 'dilation'
                 and parameters.HasField(f'{name}_{side}')}
        sides |= set(getattr(parameters, name))
        if len(sides) > 1:
            raise ValueError(
                f'its layer {layer.name!r} has the {name} {sorted(sides)}; one '
                'for both axes is needed.')
        if sides:
            numbers[name] = sides.pop()
    return Window(**numbers)


def _facts(layer):
    """Returns the fields of a Layer that only a LayerParameter has."""
    facts = {'epsilon': layer.batch_norm_param.eps}
    for name in ('prior_box', 'transform'):
        if layer.HasField(f'{name}_param'):
            part = getattr(layer, f'{name}_param')
            facts[name] = type(part).FromString(part.SerializeToString())
    if layer.input_param.shape:
        facts['input_shape'] = tuple(layer.input_param.shape[0].dim)
    return facts


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
