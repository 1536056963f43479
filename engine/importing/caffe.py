"""Caffe's SSD to ours: variables by names of layers, anchors, classes.

Caffe examples/ssd/ssd_pascal.py and model_libs.py name the layers (the
original went through both networks in their order instead); PriorBox is
src/caffe/layers/prior_box_layer.cpp, branch ssd.
"""
import collections
from collections.abc import Iterator

import numpy as np

from detection import anchors
from engine import checkpoints
from engine.importing import caffe_model
from engine.importing import weights
from nets import nets_factory

# Caffe layer that predicts -> ours.
SOURCES = {
    'conv4_3_norm': 'block4', 'fc7': 'block7',
    **{f'conv{number}_2': f'block{number + 2}' for number in range(6, 11)}}
# Caffe layer -> scope of its convolution, below the network's.
SCOPES = {
    **{f'conv{block}_{index}': f'conv{block}/conv{block}_{index}'
       for block, num in enumerate((2, 2, 3, 3, 3), 1)
       for index in range(1, num + 1)},
    'fc6': 'conv6', 'fc7': 'conv7',
    **{f'conv{number}_1': f'block{number + 2}/conv1x1'
       for number in range(6, 11)},
    **{f'conv{number}_2': f'block{number + 2}/conv3x3'
       for number in range(6, 10)},
    'conv10_2': 'block12/conv4x4',
    **{f'{source}_mbox_{head}': f'{layer}_box/{scope}'
       for source, layer in SOURCES.items()
       for head, scope in (('loc', 'conv_loc'), ('conf', 'conv_cls'))}}
# Variable below the network's scope -> (Caffe layer, index of its blob).
BLOBS = {
    'block4_box/L2Normalization/gamma': ('conv4_3_norm', 0),
    **{f'{scope}/{variable}': (layer, index)
       for layer, scope in SCOPES.items()
       for index, variable in enumerate(('weights', 'biases'))}}
DEFAULT_VARIANCE = 0.1


def matches(path: str) -> bool:
    """Whether a file begins as a NetParameter does; see weights."""
    with open(path, 'rb') as file:
        # Its name, and layers of the old and the new kind.
        return file.read(2).startswith((b'\x0a', b'\x12', b'\xa2\x06'))


def describe(path: str) -> Iterator[str]:
    """Yields lines: layers with their shapes; see weights."""
    return caffe_model.describe(caffe_model.read(path))


def read(path: str, options: weights.Options) -> weights.Weights:
    """Returns the weights of a VGG SSD300 or SSD512, or of VGG-16.

    Anchors are needed only where the file has no priors, as V1 files. The
    model_name is ssd_300_vgg if None.

    Raises:
      ValueError: naming the file, what is needed and what it has.
    """
    layers = caffe_model.read(path)
    model_name = options.model_name or 'ssd_300_vgg'
    try:
        blobs = caffe_model.blobs_by_name(layers)
        if model_name == weights.BACKBONE:
            metadata, net = None, nets_factory.get_network('ssd_300_vgg')()
            shapes = {name: shape for name, shape in weights.shapes(net).items()
                      if name.startswith('conv')}
        else:
            network = nets_factory.get_network(model_name)
            net = network(_params(network, layers, blobs, options.anchors))
            metadata = checkpoints.metadata.make(
                net, weights.class_names(net.params.num_classes, options))
            shapes = weights.shapes(net)
        values, unused = _values(shapes, blobs)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    return weights.Weights({f'{model_name}/{name}': value
                            for name, value in values.items()},
                           metadata, unused)


def _values(shapes, blobs):
    """Returns {variable: value}, and the names of layers not used."""
    sources = {variable: BLOBS[variable] for variable in shapes}
    counts = collections.Counter(layer for layer, _ in sources.values())
    caffe_model.require(blobs, counts)
    for name, count in counts.items():
        if len(blobs[name]) != count:
            raise ValueError(f'its layer {name} has {len(blobs[name])} blobs '
                             f'of weights; {count} needed.')
    unused = sorted(set(blobs) - set(counts))
    heads = [name for name in unused if '_mbox_' in name]
    if heads and any('_mbox_' in name for name in counts):
        raise ValueError(f'it also predicts with {", ".join(heads)}, which '
                         '--model_name does not have.')
    return {variable: _value(variable, shapes[variable], layer,
                             blobs[layer][index])
            for variable, (layer, index) in sources.items()}, unused


def _value(variable, shape, layer_name, blob):
    """Returns a variable's value: float32, of its shape."""
    if len(shape) == 1 and max(blob.shape) == blob.size:
        blob = blob.reshape(-1)  # (1, 1, 1, n) in files older than BlobShape.
    value = weights.from_oihw(f'layer {layer_name}', blob, variable, shape)
    if variable == 'conv1/conv1_1/weights':
        return value[:, :, ::-1]  # Caffe's images are BGR.
    return value


def _params(network, layers, blobs, preset):
    """Returns the SSDParams that a file was trained with.

    Raises:
      ValueError: they are not those of this network, or of no SSDParams.
    """
    params = network.default_params
    sources = [source for source, layer in SOURCES.items()
               if layer in params.feat_layers]
    caffe_model.require(blobs, [f'{source}_mbox_conf' for source in sources])
    priors = {layer.name: layer.prior_box for layer in layers
              if layer.prior_box is not None}
    if priors and preset is not None:
        raise ValueError(
            f'it has its own anchors; leave out --anchors={preset}.')
    if not priors and preset is None:
        raise ValueError(
            'it does not say its anchors (a V1 file cannot); give --anchors, '
            f'one of {", ".join(sorted(network.anchor_presets))}.')
    params = (_with_file_anchors(params, sources, priors) if priors
              else network.with_anchors(params, preset))
    params = params._replace(anchor_sizes=tuple(
        tuple(map(int, sizes))  # Caffe has `int min_size_`.
        for sizes in params.anchor_sizes))
    counts = {}
    for source, *kinds in zip(
            sources, params.anchor_sizes, params.anchor_ratios):
        name, num_kinds = f'{source}_mbox_conf', anchors.num_kinds(*kinds)
        num_outputs = len(blobs[name][0])
        if num_outputs % num_kinds:
            raise ValueError(
                f'its layer {name} has {num_outputs} outputs, no multiple of '
                f'the {num_kinds} anchors of a cell.')
        counts[name] = num_outputs // num_kinds
    return params._replace(num_classes=_common('number of classes', counts))


def _with_file_anchors(params, sources, priors):
    """Returns SSDParams with the anchors of the file's PriorBox layers."""
    names = [f'{source}_mbox_priorbox' for source in sources]
    if sorted(names) != sorted(priors):
        raise ValueError(
            f'it has the PriorBox layers {", ".join(priors)}, but the network '
            f'needs {", ".join(names)}.')
    for name in names:
        fault = _fault(priors[name], params.img_shape)
        if fault is not None:
            raise ValueError(f'its layer {name} {fault}')
    in_order = [priors[name] for name in names]
    return params._replace(
        anchor_sizes=tuple(
            (*prior.min_size, *prior.max_size) for prior in in_order),
        anchor_ratios=tuple(map(_ratios, in_order)),
        # Without any step, the cells fill the image.
        anchor_steps=tuple(
            next(iter(_steps(prior)), params.img_shape[0] / feat_shape[0])
            for prior, feat_shape in zip(
                in_order, params.feat_shapes, strict=True)),
        anchor_offset=_common('offset', {
            name: _decimal(prior.offset) for name, prior in priors.items()}),
        prior_scaling=_common('variance', {
            name: _variance(prior) for name, prior in priors.items()}))


def _fault(prior, img_shape):
    """Returns why a PriorBox is not supported, 'has ...'; None if it is."""
    given = {prior.img_size, prior.img_h, prior.img_w} - {0}
    if len(prior.min_size) != 1 or len(prior.max_size) > 1:
        return (f'has {len(prior.min_size)} min_size and '
                f'{len(prior.max_size)} max_size; one of each is supported.')
    if not all(size >= 1 for size in [*prior.min_size, *prior.max_size]):
        return ('has anchors of less than a pixel, which Caffe truncates to '
                'none.')
    if len(_steps(prior)) > 1:
        return (f'has the steps {sorted(_steps(prior))}; one for both axes is '
                'needed.')
    if prior.clip:
        return 'clips the prior boxes; that is not supported.'
    return None if given <= set(img_shape) else (
        f'is for images of {sorted(given)} pixels, the network for '
        f'{img_shape[0]}.')


def _ratios(prior):
    """Returns width / height of the anchors beside 1, in Caffe's order."""
    ratios = []
    for ratio in map(_decimal, prior.aspect_ratio):
        if not any(abs(ratio - known) < 1e-6 for known in [1, *ratios]):
            ratios += [ratio, 1 / ratio] if prior.flip else [ratio]
    return tuple(ratios)


def _steps(prior):
    """Returns the pixels between two cells, as a set: none, one or two."""
    return {_decimal(step) for step
            in (prior.step, prior.step_h, prior.step_w) if step}


def _variance(prior):
    variance = tuple(map(_decimal, prior.variance)) or (DEFAULT_VARIANCE,)
    return variance * 4 if len(variance) == 1 else variance


def _common(what, values):
    """Returns the value that all layers share."""
    if len(set(values.values())) != 1:
        raise ValueError(f'its layers differ in {what}: {values}.')
    return next(iter(values.values()))


def _decimal(value):
    """Returns the decimal that the prototxt said: 0.1 for float32(0.1)."""
    return float(str(np.float32(value)))
