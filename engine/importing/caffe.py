"""Caffe's SSDs to ours: variables by names of layers, anchors, classes.

Caffe examples/ssd/ssd_pascal.py and model_libs.py name the layers over VGG
(the original went through both networks in their order instead), chuanqi305's
MobileNet-SSD those over MobileNet.
"""
import collections
import re
from collections.abc import Iterator
from typing import NamedTuple

from engine import checkpoints
from engine.importing import caffe_convolution
from engine.importing import caffe_model
from engine.importing import caffe_params
from engine.importing import weights
from nets import layers as network_layers
from nets import nets_factory
from nets import ssd
from nets import ssd_mobilenet
from nets import ssd_vgg


class Layout(NamedTuple):
    """What a family of networks is called in Caffe, in the network's order."""
    network: type[ssd.SSDNet]
    trunk: dict[str, str]     # Layer -> scope; the first sees the image.
    sources: tuple[str, ...]  # What predicts of the trunk, normalised or not.
    extras: tuple[str, ...]   # conv6 for conv6_1 and conv6_2, which predicts.
    strides: dict[str, int]   # Of layers of the trunk, where not 1.
    dilations: dict[str, int]
    pools: dict[str, tuple[int, int]]  # Kernel and stride.


LAYOUTS = (
    Layout(
        ssd_vgg.SSDVGGNet,
        {**{f'conv{block}_{index}': f'conv{block}/conv{block}_{index}'
            for block, (num, _) in enumerate(ssd_vgg.VGG_BLOCKS, 1)
            for index in range(1, num + 1)}, 'fc6': 'conv6', 'fc7': 'conv7'},
        ('conv4_3_norm', 'fc7'),
        tuple(f'conv{number}' for number in range(6, 11)),
        {}, {'fc6': 6},
        {**{f'pool{number}': (2, 2) for number in range(1, 5)},
         'pool5': (3, 1)}),
    Layout(
        ssd_mobilenet.SSDV1Net,
        {'conv0': 'Conv2d_0', **{
            f'conv{number}{ending}': f'Conv2d_{number}_{kind}'
            for number in range(1, 14)
            for ending, kind in (('/dw', 'depthwise'), ('', 'pointwise'))}},
        ('conv11', 'conv13'),
        tuple(f'conv{number}' for number in range(14, 18)),
        {'conv0': 2, **{f'conv{number}/dw': stride for number, (_, stride)
                        in enumerate(ssd_mobilenet.V1_PAIRS, 1)}},
        {}, {}))
FIRST_KERNELS = [f'{next(iter(layout.trunk.values()))}/weights'
                 for layout in LAYOUTS]


def matches(path: str) -> bool:
    """Whether a file begins as a NetParameter does; see weights."""
    return checkpoints.file_kinds.kind(path) == 'caffe'


def describe(path: str) -> Iterator[str]:
    """Yields lines: layers with their shapes; see weights."""
    return caffe_model.describe(caffe_model.read(path))


def read(path: str, options: weights.Options) -> weights.Weights:
    """Returns the weights of an SSD over VGG or MobileNet v1, or of VGG-16.

    Anchors are needed only where the file has no priors, as V1 files. The
    file says which network it is, but for networks of other widths.

    Raises:
      ValueError: naming the file, what is needed and what it has.
    """
    layers = caffe_model.read(path)
    try:
        model = caffe_model.Model(layers)
        model_name = options.model_name or _model_name(model)
        metadata, notes = None, ()
        if model_name == weights.BACKBONE:
            net = nets_factory.get_network('ssd_300_vgg')()
            names = {scope: name for name, scope in LAYOUTS[0].trunk.items()}
        else:
            net, names = _network(nets_factory.get_network(model_name), model,
                                  options.anchors)
            metadata = checkpoints.metadata.make(
                net, weights.class_names(net.params.num_classes, options))
        model.require(names.values(), model_name)
        norms = {norm.name for name in names.values()
                 for norm in model.norms(name)}
        if net.batch_norm is not None and not norms:
            notes = ('Its batch norm is merged into the convolutions: a '
                     'training from it needs --freeze_batch_norm.',)
        used = norms.union(names.values())
        if metadata is not None:
            _check_all_used(model, used, model_name)
        shapes = {
            variable: shape for variable, shape in weights.shapes(net).items()
            if metadata is not None or net.in_trunk(variable)}
        values = _values(net, shapes, names, model)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    return weights.Weights(
        {f'{model_name}/{name}': value for name, value in values.items()},
        metadata, sorted(set(model.weighted) - used), notes)


def _model_name(model):
    """Returns the network, at its full width, whose layers a file has."""
    def has(beginning):
        return any(name.startswith(beginning) for name in model.weighted)

    if has('conv1/dw'):
        return ssd_mobilenet.SSDV1Net.name
    if has('conv1_1') and not any('_mbox_' in name for name in model.weighted):
        return weights.BACKBONE
    return 'ssd_512_vgg' if has('conv10_2_mbox_') else 'ssd_300_vgg'


def _network(network, model, preset):
    """Returns the SSDNet of a file, and {scope: its layer}."""
    layout = next((layout for layout in LAYOUTS
                   if issubclass(network, layout.network)), None)
    if layout is None:
        raise ValueError(
            f'--model_name={network.name}: a .caffemodel can be a network over '
            'VGG-16 or MobileNet v1, such as ssd_300_vgg, ssd_512_vgg and '
            'ssd_300_mobilenet_v1.')
    params = network.default_params
    extras = dict(zip(layout.extras, params.extra_blocks, strict=False))
    sources = (*layout.sources, *(f'{extra}_2' for extra in extras))
    names = {scope: name for name, scope in layout.trunk.items()}
    for extra, block in extras.items():
        names[f'{block.name}/conv1x1'] = f'{extra}_1'
        names[f'{block.name}/conv{block.kernel}x{block.kernel}'] = f'{extra}_2'
    for source, layer, scale in zip(
            sources, params.feat_layers, params.normalizations, strict=True):
        if scale is not None:
            names[f'{layer}_box/L2Normalization'] = source
        for kind, scope in (('loc', 'conv_loc'), ('conf', 'conv_cls')):
            names[f'{layer}_box/{scope}'] = _head(model, source, kind)
    confs = [names[f'{layer}_box/conv_cls'] for layer in params.feat_layers]
    model.require(confs, network.name)
    params = caffe_params.read(network, model, sources, confs, preset)
    _check_windows(model, layout, names.values(), {
        f'{extra}_2': block for extra, block in extras.items()}, network.name)
    return network(params), names


def _check_windows(model, layout, names, blocks, model_name):
    """Raises ValueError if kernels go over the cells in another way.

    The weights would fit all the same. Files of V1 may not say it.
    """
    for layer in model.layers:
        if layer.window is None:
            continue
        if layer.name in layout.pools:
            kernel, stride = layout.pools[layer.name]
            wanted = caffe_model.Window(stride, kernel=kernel)
        elif layer.name in names and layer.blobs[0].ndim == 4:
            block, dilation = (
                blocks.get(layer.name), layout.dilations.get(layer.name, 1))
            wanted = caffe_model.Window(
                layout.strides.get(layer.name, 1),
                layer.blobs[0].shape[-1] // 2 * dilation, dilation)
            if block is not None:
                wanted = wanted._replace(stride=block.stride, pad=block.pad)
        else:
            continue
        if layer.window != wanted:
            fault = ', '.join(
                f'a {field} of {found}, not {value}' for field, found, value
                in zip(wanted._fields, layer.window, wanted, strict=True)
                if found != value)
            raise ValueError(
                f'its layer {layer.name} has {fault} as in {model_name}: its '
                'weights are for another network.')


def _head(model, source, kind):
    """Returns the name of the convolution that predicts from a layer.

    Those of own classes have a postfix (conf_postfix, loc_postfix).
    """
    name, concatenation = f'{source}_mbox_{kind}', f'mbox_{kind}'
    found = [other for other in model.weighted if other.startswith(name)
             and model[other].type not in caffe_model.NORMS]
    feeding = model.feeding(concatenation)
    if found and feeding and not feeding.intersection(found):
        raise ValueError(
            f'its layer {", ".join(found)} does not feed {concatenation}; '
            f'{", ".join(sorted(feeding))} do.')
    found = [other for other in found if other in feeding or not feeding]
    if len(found) > 1:
        raise ValueError(
            f'its layers {", ".join(found)} all predict {kind} from {source}; '
            'only one of them can be used.')
    return found[0] if found else name


def _check_all_used(model, used, model_name):
    """Raises ValueError if predictions need layers that are not used."""
    needed = model.feeding('mbox_', nearest=False) or {
        name for name in model.weighted if '_mbox_' in name}
    unused = [f'{name} ({model[name].type})' for name in model.weighted
              if name in needed - used]
    if unused:
        raise ValueError(f'it also predicts with {", ".join(unused)}, which '
                         f'{model_name} does not have.')


def _values(net, shapes, names, model):
    """Returns {variable: value} of variables with shapes."""
    epsilon = (net.batch_norm or {}).get(
        'epsilon', network_layers.BATCH_NORM_EPSILON)
    values, scopes = {}, collections.defaultdict(dict)
    for variable, shape in shapes.items():
        scope, kind = re.fullmatch(
            r'(.*?)/((?:BatchNorm/)?\w+)', variable).groups()
        scopes[scope][kind] = shape
    for scope, kinds in scopes.items():
        layer, norms = model[names[scope]], model.norms(names[scope])
        if list(kinds) == ['gamma']:  # Normalize.
            parts = caffe_convolution.scaled(layer)
        elif 'BatchNorm/beta' in kinds:
            parts = caffe_convolution.normalised(layer, norms, epsilon)
        else:
            parts = caffe_convolution.biased(layer, norms)
        for kind, shape in kinds.items():
            variable = f'{scope}/{kind}'
            values[variable] = _value(
                f'layer {layer.name}', parts[kind.removeprefix('depthwise_')],
                variable, shape)
    return values


def _value(source, blob, variable, shape):
    """Returns a variable's value, of its shape."""
    if variable.endswith('/depthwise_weights'):
        weights.check_shape(
            source, blob.shape, variable, (shape[2], shape[3], *shape[:2]))
        return blob.transpose(2, 3, 0, 1)
    value = weights.from_oihw(source, blob, variable, shape)
    if variable in FIRST_KERNELS:
        return value[:, :, ::-1]  # Caffe's images are BGR.
    return value
