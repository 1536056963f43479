"""HiKapok/SSD.TensorFlow's checkpoints to ours: an SSD300, or its VGG-16.

Its net/ssd_net.py and train_ssd.py differ from Caffe's SSD300: in the order of
the anchors of a cell and in their sizes, in the order of a box's numbers, in
block9's padding (TensorFlow's SAME) and in the mean; its images are BGR, as
Caffe's. The branch AbsoluteCoord has boxes in whole pixels: one from a to b is
b - a + 1 pixels wide, so that its centre is half a pixel further than theirs.
"""
import collections
import os
from collections.abc import Iterable

import tensorflow.compat.v1 as tf

from detection import anchors
from engine import checkpoints
from engine.importing import weights
from nets import nets_factory
from nets import ssd
from nets import ssd_vgg_300

DETECTOR = 'an SSD300 of HiKapok/SSD.TensorFlow'
TRUNK = 'a reduced VGG-16 of HiKapok/SSD.TensorFlow'
MEAN = (123.68, 116.78, 103.94)
MIN_SIZES = (30, 60, 112.5, 165, 217.5, 270)
# Sides of the further square, in pixels: of the images' side; of AbsoluteCoord.
EXTRA_SIZES = tuple(300 * scale for scale in (
    .1414, .2739, .4541, .6315, .8078, .9836))
ABSOLUTE_EXTRA_SIZES = (42.43, 82.17, 136.23, 189.45, 242.34, 295.08)
THIRD = .3333  # As it has it.
# Their anchors of a cell are the further square, 1, 2, (3,) 1/2 (and 1/3).
KINDS = {4: (1, 0, 2, 3), 6: (1, 0, 2, 4, 3, 5)}
BOX_NUMBERS = (1, 0, 3, 2)  # Theirs: cy, cx, h, w.
# Our scope -> theirs, both below the network's.
TRUNK_SCOPES = {
    **{f'conv{block}/conv{block}_{index}': f'conv{block}/conv{block}_{index}'
       for block, num in enumerate((2, 2, 3, 3, 3), 1)
       for index in range(1, num + 1)},
    'conv6': 'fc6', 'conv7': 'fc7'}
SCOPES = {
    **TRUNK_SCOPES,
    **{f'block{number}/{scope}': f'additional_layers/conv{number}/{name}'
       for number in range(8, 12)
       for scope, name in (('conv1x1', f'conv{number}_1'),
                           ('conv3x3', f'conv{number}_2'))},
    **{f'block{number}_box/{scope}': f'multibox_head/{head}_{index}'
       for index, number in enumerate((4, 7, 8, 9, 10, 11))
       for scope, head in (('conv_loc', 'loc'), ('conv_cls', 'cls'))}}
# Our variable of a scope -> theirs.
NAMES = {'weights': 'kernel', 'biases': 'bias'}
TRUNK_NAMES = {'weights': 'weights', 'biases': 'biases'}
L2_SCALE = 'block4_box/L2Normalization/gamma'


def kind(shapes: Iterable[str]) -> str | None:
    """Returns DETECTOR or TRUNK for their checkpoints, None for others.

    Args:
      shapes: {name of a variable: shape, a list}.
    """
    if checkpoints.reader.is_hikapok(shapes):
        return DETECTOR
    return TRUNK if checkpoints.restore.bgr_scopes(shapes) else None


def matches(path: str) -> bool:
    """Whether a checkpoint is theirs; see weights."""
    stored = checkpoints.reader.open_reader(checkpoints.paths.find(path))
    return kind(stored.get_variable_to_shape_map()) is not None


def read(path: str, options: weights.Options) -> weights.Weights:
    """Returns the weights of an SSD300, or of VGG-16.

    Raises:
      ValueError: naming the checkpoint, what is needed and what it has.
    """
    prefix = checkpoints.paths.find(path)
    stored = checkpoints.reader.open_reader(prefix)
    shapes = stored.get_variable_to_shape_map()
    is_trunk = kind(shapes) == TRUNK or options.model_name == weights.BACKBONE
    metadata = None
    try:
        if options.anchors is not None:
            raise ValueError('its anchors are known; leave out '
                             f'--anchors={options.anchors}.')
        net = _trunk(options) if is_trunk else _detector(shapes, options)
        if not is_trunk:
            metadata = checkpoints.metadata.make(
                net, weights.class_names(net.params.num_classes, options))
        needed = weights.shapes(net)
        sources = (_trunk_sources(shapes) if is_trunk
                   else _sources(shapes, needed))
        _check(stored, sources, needed)
    except ValueError as error:
        raise ValueError(f'{prefix}: {error}') from error
    model_name = weights.BACKBONE if is_trunk else net.name
    return weights.Weights({
        f'{model_name}/{variable}': _value(
            variable, checkpoints.reader.read(stored, prefix, source),
            net.params)
        for variable, source in sources.items()}, metadata,
        _unused(set(shapes) - set(sources.values()), shapes))


def _trunk(options):
    """Returns the network that a trunk is of; checks the options."""
    if options.model_name not in (None, weights.BACKBONE):
        raise ValueError(
            'it is a VGG-16, the trunk alone: give '
            f'--model_name={weights.BACKBONE}, or train from it as it is.')
    return ssd_vgg_300.SSDNet()


def _detector(shapes, options):
    """Returns the network that a detector is."""
    network = nets_factory.get_network(options.model_name or 'ssd_300_vgg')
    if not issubclass(network, ssd_vgg_300.SSDNet):
        raise ValueError(
            f'it is an SSD300 over VGG-16, not {options.model_name}.')
    params = _params(network.default_params, options.absolute_coordinates)
    num_outputs = next((shape[-1] for name, shape in shapes.items() if shape
                        and name.endswith('/multibox_head/cls_0/bias')), 0)
    num_kinds = anchors.num_kinds(
        params.anchor_sizes[0], params.anchor_ratios[0])
    if num_outputs < 2 * num_kinds or num_outputs % num_kinds:
        raise ValueError(
            f'its multibox_head/cls_0 has {num_outputs} outputs, which are no '
            f'classes of {num_kinds} anchors.')
    return network(params._replace(num_classes=num_outputs // num_kinds))


def _params(params: ssd.SSDParams, absolute_coordinates):
    """Returns SSDParams with all that is theirs, but for the classes."""
    extra_sizes = (
        ABSOLUTE_EXTRA_SIZES if absolute_coordinates else EXTRA_SIZES)
    return params._replace(
        anchor_sizes=tuple((size, round(extra ** 2 / size, 6))
                           for size, extra in zip(MIN_SIZES, extra_sizes,
                                                  strict=True)),
        anchor_ratios=tuple(
            (2, .5, 3, THIRD)[:len(ratios)] for ratios in params.anchor_ratios),
        anchor_offset=tuple(
            .5 + .5 / step for step in params.anchor_steps)
        if absolute_coordinates else .5,
        mean=MEAN,
        extra_blocks=tuple(
            block._replace(pad=(0, 1)) if block.name == 'block9' else block
            for block in params.extra_blocks))


def _trunk_sources(shapes):
    """Returns {our variable: theirs} of a trunk, below our scope."""
    if kind(shapes) == TRUNK:
        scope, names = checkpoints.restore.bgr_scopes(shapes)[0], TRUNK_NAMES
    else:
        scope, names = _detector_scope(shapes), NAMES
    return {f'{ours}/{variable}': f'{scope}/{theirs}/{name}'
            for ours, theirs in TRUNK_SCOPES.items()
            for variable, name in names.items()}


def _sources(shapes, needed):
    """Returns {our variable: theirs} of a detector, below our scope."""
    scope = _detector_scope(shapes)
    # tf.Variable's names are not in variable scopes.
    scale = next((name for name in sorted(shapes)
                  if name.endswith('conv4_3_scale/weights')),
                 f'{scope}/conv4_3_scale/weights')
    sources = {L2_SCALE: scale} | {
        f'{ours}/{variable}': f'{scope}/{theirs}/{name}'
        for ours, theirs in SCOPES.items() for variable, name in NAMES.items()}
    return {variable: sources[variable] for variable in needed}


def _detector_scope(shapes):
    return next(name.partition('/multibox_head/')[0] for name in sorted(shapes)
                if '/multibox_head/' in name)


def _check(stored, sources, needed):
    """Raises ValueError unless all is there, and of our shapes."""
    shapes = stored.get_variable_to_shape_map()
    dtypes = stored.get_variable_to_dtype_map()
    missing = sorted(set(sources.values()) - set(shapes))
    if missing:
        raise ValueError(f'it lacks {len(missing)} variables of --model_name, '
                         f'such as {missing[0]}.')
    for variable, source in sources.items():
        weights.check_shape(f'variable {source}', tuple(shapes[source]),
                            variable, needed[variable])
        if dtypes[source] != tf.float32:
            raise ValueError(f'its variable {source} is '
                             f'{dtypes[source].name}, not float32.')


def _value(variable, value, params):
    """Returns ours of their value: RGB, in the order of our anchors."""
    if variable == checkpoints.restore.FIRST_KERNEL:
        return value[:, :, ::-1]
    layer, is_head, head = variable.partition('_box/conv_')
    if not is_head:
        return value
    index = params.feat_layers.index(layer)
    num_kinds = anchors.num_kinds(
        params.anchor_sizes[index], params.anchor_ratios[index])
    by_kind = value.reshape(*value.shape[:-1], num_kinds, -1)
    by_kind = by_kind[..., KINDS[num_kinds], :]
    if head.startswith('loc/'):
        by_kind = by_kind[..., BOX_NUMBERS]
    return by_kind.reshape(value.shape)


def _unused(names, shapes):
    """Returns what is left out; slots and averages of variables counted."""
    slots = collections.Counter(
        os.path.basename(name) for name in names
        if os.path.dirname(name) in shapes)
    return sorted(name for name in names
                  if os.path.dirname(name) not in shapes) + [
        f'{name} of {count} variables' for name, count in sorted(slots.items())]
