"""PyTorch's SSDs over VGG-16 to ours: variables by names of modules.

Those of torchvision (models/detection/ssd.py), amdegroot/ssd.pytorch (ssd.py)
and lufficc/SSD (ssd/modeling). They are Caffe's network, with its order of
anchors and coordinates: names and the order of axes are all that differs.
Anchors, clipped, and classes are not in their files, but in their code.
"""
import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from datasets import label_map
from detection import anchors
from engine import checkpoints
from engine.checkpoints import file_kinds
from engine.importing import pytorch_file
from engine.importing import weights
from nets import nets_factory
from preprocessing import ssd_vgg_preprocessing

# VGG's convolutions: ours, and their numbers in a torch.nn.Sequential.
VGG_SCOPES = (
    *(f'conv{block}/conv{block}_{index}'
      for block, num in enumerate((2, 2, 3, 3, 3), 1)
      for index in range(1, num + 1)), 'conv6', 'conv7')
VGG_NUMBERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28, 31, 33)
NUM_VGG_LAYERS = 13  # Without conv6 and conv7, which classifiers have not.
# Of the published VGG-16: the corner of its first kernel, and its first bias.
VGG_BGR_CORNER, VGG_BIAS = (0.42947057, 0.55037946, 0.4800154), 0.73429835


class Project(NamedTuple):
    """How a project calls the modules of its SSD, and what else it is."""
    name: str
    gamma: str             # The L2 scale, by which a file is told.
    vgg: tuple[str, ...]   # Convolutions as in VGG_SCOPES, and of the blocks
    extras: tuple[str, ...]  # behind them, two of each.
    cls: str               # Heads, before their numbers.
    loc: str
    networks: dict[int, str]  # Number of heads -> network.
    anchor_clip: str = 'centres_and_sides'
    mean: tuple[float, float, float] = ssd_vgg_preprocessing.MEAN


SSD_300 = {6: 'ssd_300_vgg'}
SSD_300_AND_512 = {**SSD_300, 7: 'ssd_512_vgg'}
TORCHVISION = Project(
    'torchvision', 'backbone.scale_weight',
    (*(f'backbone.features.{number}' for number in VGG_NUMBERS[:10]),
     *(f'backbone.extra.0.{number}' for number in ('1', '3', '5', '7.1',
                                                   '7.3'))),
    tuple(f'backbone.extra.{block}.{number}'
          for block in range(1, 5) for number in (0, 2)),
    'head.classification_head.module_list', 'head.regression_head.module_list',
    SSD_300, 'sides', (122.99925, 116.9991, 103.9992))


def _like_ssd_pytorch(name, gamma, cls, loc, networks, scope=''):
    """Returns a Project that calls most modules as ssd.pytorch does."""
    return Project(
        name, scope + gamma, tuple(
            f'{scope}vgg.{number}' for number in VGG_NUMBERS), tuple(
            f'{scope}extras.{number}' for number in range(10)),
        cls, loc, networks)


PROJECTS = (
    TORCHVISION,
    _like_ssd_pytorch(
        'ssd.pytorch', 'L2Norm.weight', 'conf', 'loc', SSD_300),
    _like_ssd_pytorch(  # Since its version 1.2, and before.
        'lufficc/SSD', 'l2_norm.weight', 'box_head.predictor.cls_headers',
        'box_head.predictor.reg_headers', SSD_300_AND_512, 'backbone.'),
    _like_ssd_pytorch(
        'lufficc/SSD', 'l2_norm.weight', 'classification_headers',
        'regression_headers', SSD_300_AND_512))
# Number of classes -> the preset of anchors in a project's configuration.
PRESETS = {21: 'voc', 81: 'coco'}
# Of COCO's ids, which torchvision has for labels.
NUM_COCO_IDS = 90
UNUSED_COCO_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)


def matches(path: str) -> bool:
    """Whether torch.save or safetensors wrote a file; see weights."""
    return file_kinds.kind(path) in ('torch', 'safetensors')


def describe(path: str) -> Iterator[str]:
    """Yields lines: names and shapes of the tensors; see weights."""
    return pytorch_file.describe(path)


def read(path: str, options: weights.Options) -> weights.Weights:
    """Returns the weights of an SSD300 or SSD512, or of a reduced VGG-16.

    The anchors are needed where their project has no configuration for as
    many classes, and allowed but for torchvision's.

    Raises:
      ValueError: naming the file, what is needed and what it has.
    """
    with pytorch_file.tensors(path) as tensors:
        try:
            project, prefix = _project(tensors)
            if options.model_name == weights.BACKBONE or project is None:
                return _trunk(tensors, project, prefix, options)
            return _detector(tensors, project, prefix, options)
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error


def _project(tensors):
    """Returns the Project of a detector, and what is before its names.

    That is 'module.' of a DataParallel, 'model.' and the like; None and ''
    for what is no detector that we know.
    """
    found = [(project, name.removesuffix(project.gamma))
             for project in PROJECTS for name in tensors
             if f'.{name}'.endswith(f'.{project.gamma}')
             and f'{name.removesuffix(project.gamma)}{project.cls}.0.weight'
             in tensors]
    if len(found) > 1:
        raise ValueError(
            f'it holds {len(found)} detectors, which begin with '
            f'{", ".join(repr(prefix) for _, prefix in found)}; save one.')
    return found[0] if found else (None, '')


def _detector(tensors, project, prefix, options):
    """Returns the Weights of a detector."""
    num_heads = next(number for number in itertools.count() if
                     f'{prefix}{project.cls}.{number}.weight' not in tensors)
    if num_heads not in project.networks:
        raise ValueError(f'it predicts from {num_heads} layers, which no SSD '
                         f'over VGG-16 of {project.name} does.')
    known = nets_factory.get_network(project.networks[num_heads])
    network = nets_factory.get_network(options.model_name or known.name)
    if not issubclass(network, known) or network.batch_norm is not None:
        raise ValueError(f'it is a {known.name}, not --model_name='
                         f'{network.name}; leave the flag out.')
    params = network.default_params
    num_classes = _num_classes(
        tensors, f'{prefix}{project.cls}.0.bias', params)
    of_file = None
    if project is TORCHVISION and num_classes == NUM_COCO_IDS + 1:
        of_file = _coco_ids()
    names = weights.class_names(num_classes, options, of_file)
    net = network(params._replace(
        num_classes=num_classes, anchor_clip=project.anchor_clip,
        mean=project.mean, clips_bboxes=project is TORCHVISION,
        anchor_sizes=_anchor_sizes(project, network, num_classes, options),
        unused_labels=UNUSED_COCO_IDS if names is of_file else ()))
    sources = {'block4_box/L2Normalization/gamma': prefix + project.gamma,
               **_sources(_modules(project, net.params), prefix)}
    unused = sorted(set(tensors) - set(sources.values()))
    strange = [name for name in unused if name.startswith(prefix)
               and name != f'{prefix}priors']
    if strange:
        raise ValueError(
            f'it is no SSD of {project.name}: it also has {len(strange)} '
            f'other tensors, such as {strange[0]}.')
    return weights.Weights(
        _values(tensors, weights.shapes(net), sources, network.name),
        checkpoints.metadata.make(net, names), unused)


def _num_classes(tensors, name, params):
    """Returns the number of classes, background included."""
    num_kinds = anchors.num_kinds(
        params.anchor_sizes[0], params.anchor_ratios[0])
    if name not in tensors:
        raise ValueError(f'it lacks the tensor {name}.')
    num_outputs = math.prod(tensors[name].shape)
    if num_outputs % num_kinds or num_outputs < 2 * num_kinds:
        raise ValueError(
            f'its {name} has {num_outputs} values, not two or more for each '
            f'of the {num_kinds} anchors of a cell.')
    return num_outputs // num_kinds


def _coco_ids():
    """Returns the names of COCO's ids from 1 on, as torchvision's."""
    names = iter(label_map.COCO_LABELS)
    return tuple(f'N/A {label}' if label in UNUSED_COCO_IDS else next(names)
                 for label in range(1, NUM_COCO_IDS + 1))


def _anchor_sizes(project, network, num_classes, options):
    """Returns (min, max) of each layer's anchors, in pixels."""
    preset = options.anchors
    if project is TORCHVISION:
        if preset is not None:
            raise ValueError('its anchors are known, those of torchvision; '
                             f'leave out --anchors={preset}.')
        preset = 'coco'
    preset = preset or PRESETS.get(num_classes)
    if preset is None:
        raise ValueError(
            f'it does not say its anchors, and {project.name} has none for '
            f'{num_classes - 1} classes; give --anchors, one of '
            f'{", ".join(sorted(network.anchor_presets))}.')
    sizes = network.with_anchors(network.default_params, preset).anchor_sizes
    if project.name == 'lufficc/SSD' and sizes[-1] == (460.8, 537.6):
        return *sizes[:-1], (460.8, 537.65)  # As in its configuration.
    return sizes


def _modules(project, params):
    """Returns {scope of a convolution: their name of its module}."""
    modules = dict(zip(VGG_SCOPES, project.vgg, strict=True))
    for number, block in enumerate(params.extra_blocks):
        scope = f'{block.name}/conv{block.kernel}x{block.kernel}'
        modules[f'{block.name}/conv1x1'] = project.extras[2 * number]
        modules[scope] = project.extras[2 * number + 1]
    for number, layer in enumerate(params.feat_layers):
        modules[f'{layer}_box/conv_cls'] = f'{project.cls}.{number}'
        modules[f'{layer}_box/conv_loc'] = f'{project.loc}.{number}'
    return modules


def _trunk(tensors, project, prefix, options):
    """Returns the Weights of a reduced VGG-16, to start a training from."""
    notes = []
    if project is not None:
        modules = project.vgg
    else:
        modules = _vgg_modules(tensors)
        if options.model_name not in (None, weights.BACKBONE):
            raise ValueError(
                f'it is a VGG-16 alone, not --model_name={options.model_name};'
                ' leave the flag out.')
    sources = _sources(dict(zip(VGG_SCOPES, modules)), prefix)
    shapes = weights.shapes(nets_factory.get_network('ssd_300_vgg')())
    values = _values(tensors, {name: shapes[name] for name in sources},
                     sources, weights.BACKBONE)
    if len(modules) < len(VGG_SCOPES):
        notes.append('It has no fc6 and fc7: conv6 and conv7 will start anew.')
    kernel = values[f'{weights.BACKBONE}/conv1/conv1_1/weights']
    # Who trains a detector from it gives it RGB all the same.
    if project is None and _is(kernel[0, 0, :, 0], VGG_BGR_CORNER):
        notes.append('It takes BGR, as in Caffe: conv1_1 is turned to RGB.')
        values[f'{weights.BACKBONE}/conv1/conv1_1/weights'] = (
            kernel[:, :, ::-1])
    return weights.Weights(
        values, None, sorted(set(tensors) - set(sources.values())),
        tuple(notes))


def _vgg_modules(tensors):
    """Returns the names of a VGG-16's modules, with fc6 and fc7 or without.

    Raises:
      ValueError: it is none; or one of scaled pixels, as torchvision's.
    """
    root = next((root for root in ('', 'features.')
                 if {f'{root}0.weight', f'{root}0.bias'} <= set(tensors)), None)
    if root is None:
        raise ValueError(
            'it is no SSD over VGG-16 of torchvision (ssd300_vgg16), '
            'ssd.pytorch or lufficc/SSD, and no VGG-16; it holds '
            f'{len(tensors)} tensors of floats{_example(tensors)}.')
    modules = [f'{root}{number}' for number in VGG_NUMBERS]
    if f'{modules[-1]}.weight' in tensors:
        return modules
    # torchvision has SSD's trunk in a classifier that is not a number.
    last = tensors.get('classifier.6.bias')
    is_for_ssd = last is not None and bool(np.isnan(last.load()).all())
    bias = tensors[f'{root}0.bias'].load().ravel()[:1]
    if not is_for_ssd and not _is(bias, VGG_BIAS):
        raise ValueError(
            'it is a VGG-16 for scaled pixels, as the classifiers of '
            'torchvision; take vgg16_reducedfc.pth of ssd.pytorch or '
            'vgg16_features-amdegroot-88682ab5.pth of torchvision.')
    return modules[:NUM_VGG_LAYERS]


def _is(values, published):
    """Whether values are published ones, in any precision."""
    return np.allclose(values, published, rtol=0, atol=1e-3)


def _sources(modules, prefix):
    """Returns {variable: tensor's name} of {scope: module's name}."""
    return {f'{scope}/{variable}': f'{prefix}{module}.{parameter}'
            for scope, module in modules.items()
            for variable, parameter in (('weights', 'weight'),
                                        ('biases', 'bias'))}


def _values(tensors, shapes, sources, scope):
    """Returns {variable in scope: value} of the tensors named by sources."""
    missing = sorted({sources[name] for name in shapes} - set(tensors))
    if missing:
        raise ValueError(f'it lacks {len(missing)} tensors that {scope} needs'
                         f'{_example(missing)}.')
    # Copies: what is in the file need not stay in memory.
    return {f'{scope}/{name}': np.array(weights.from_oihw(
        f'tensor {sources[name]}', tensors[sources[name]].load(), name,
        shape), np.float32, order='C') for name, shape in shapes.items()}


def _example(names):
    """Returns ', such as ...' of the first name, nothing if there is none."""
    return ''.join(f', such as {name}' for name in itertools.islice(names, 1))
