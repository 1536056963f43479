"""Anchors and class count of a Caffe SSD, from the layers of its file.

Caffe src/caffe/layers/prior_box_layer.cpp, branch ssd.
"""
import numpy as np

from detection import anchors
from engine.importing import caffe_model
from engine.importing import caffe_names

DEFAULT_VARIANCE = 0.1
# More than any size in pixels; a file that says more is damaged.
MAX_VALUE = 1e6


def file_params(network, layers, preset):
    """Returns the SSDParams that a file was trained with.

    Args:
      network: an SSDNet class.
      layers: caffe_model.Layers of the file.
      preset: name of the anchors of a file without PriorBox layers, as V1
        files are; None where the file says them.

    Raises:
      ValueError: if they are not those of this network, or of no SSDParams.
    """
    params = network.default_params
    blobs = caffe_model.blobs_by_name(layers)
    caffe_model.require(
        blobs, [f'{source}_mbox_conf'
                for source in caffe_names.sources_of(params)])
    if any(layer.prior_box is not None for layer in layers):
        if preset is not None:
            raise ValueError(
                f'it has its own anchors; leave out --anchors={preset}.')
        params = _with_file_anchors(params, layers)
    elif preset is None:
        raise ValueError(
            f'it does not say its anchors (a V1 file cannot); give --anchors, '
            f'one of {", ".join(sorted(network.anchor_presets))}.')
    else:
        params = network.with_anchors(params, preset)
        params = params._replace(anchor_sizes=tuple(
            _truncated(*sizes) for sizes in params.anchor_sizes))
    return params._replace(num_classes=_num_classes(params, blobs))


def _with_file_anchors(params, layers):
    """Returns SSDParams with the anchors of the file's PriorBox layers."""
    priors = {layer.name: layer.prior_box for layer in layers
              if layer.prior_box is not None}
    names = [f'{source}_mbox_priorbox'
             for source in caffe_names.sources_of(params)]
    if sorted(names) != sorted(priors):
        raise ValueError(
            f'it has the PriorBox layers {", ".join(priors) or "(none)"}, but '
            f'the network needs {", ".join(names)}.')
    priors = {name: priors[name] for name in names}
    for name, prior in priors.items():
        _check(name, prior, params.img_shape)
    return params._replace(
        anchor_sizes=tuple(
            _truncated(*prior.min_size, *prior.max_size)
            for prior in priors.values()),
        anchor_ratios=tuple(_ratios(prior) for prior in priors.values()),
        anchor_steps=tuple(
            _step(name, prior, params.img_shape, feat_shape)
            for (name, prior), feat_shape in zip(
                priors.items(), params.feat_shapes, strict=True)),
        anchor_offset=_common(
            'offset', {n: _decimal(p.offset) for n, p in priors.items()}),
        prior_scaling=_common(
            'variance', {n: _variance(p) for n, p in priors.items()}))


def _truncated(*sizes):
    """Returns sizes as Caffe's `int min_size_` holds them."""
    return tuple(int(size) for size in sizes)


def _num_classes(params, blobs):
    """Returns the number of classes, with background, of the file's heads."""
    counts = {}
    for index, source in enumerate(caffe_names.sources_of(params)):
        name = f'{source}_mbox_conf'
        num_outputs = blobs[name][0].shape[0]
        num_kinds = anchors.num_kinds(
            params.anchor_sizes[index], params.anchor_ratios[index])
        if num_outputs % num_kinds:
            raise ValueError(
                f'its layer {name} has {num_outputs} outputs, no multiple of '
                f'the {num_kinds} anchors of a cell.')
        counts[name] = num_outputs // num_kinds
    return _common('number of classes', counts)


def _check(name, prior, img_shape):
    if len(prior.min_size) != 1 or len(prior.max_size) > 1:
        raise ValueError(
            f'its layer {name} has {len(prior.min_size)} min_size and '
            f'{len(prior.max_size)} max_size; one of each is supported.')
    for field in ('min_size', 'max_size', 'aspect_ratio', 'variance'):
        values = list(getattr(prior, field))
        if not all(0 < value < MAX_VALUE for value in values):
            raise ValueError(
                f'its layer {name} has the {field} {values}; that is no '
                f'positive number below {MAX_VALUE:g}.')
    if min([*prior.min_size, *prior.max_size]) < 1:
        raise ValueError(
            f'its layer {name} has anchors of less than a pixel, which Caffe '
            'truncates to none.')
    if len(prior.variance) not in (0, 1, 4):
        raise ValueError(
            f'its layer {name} has {len(prior.variance)} variances; one or '
            f'four are needed.')
    if prior.clip:
        raise ValueError(
            f'its layer {name} clips the prior boxes; that is not supported.')
    given = {prior.img_size, prior.img_h, prior.img_w} - {0}
    if given - set(img_shape):
        raise ValueError(
            f'its layer {name} is for images of {sorted(given)} pixels, the '
            f'network for {img_shape[0]}.')


def _ratios(prior):
    """Returns width / height of the anchors beside 1, in Caffe's order."""
    ratios = []
    for ratio in map(_decimal, prior.aspect_ratio):
        if not any(abs(ratio - known) < 1e-6 for known in [1, *ratios]):
            ratios += [ratio, 1 / ratio] if prior.flip else [ratio]
    return tuple(ratios)


def _step(name, prior, img_shape, feat_shape):
    """Returns the pixels between two cells; without any, they fill it."""
    steps = {_decimal(step) for step in (prior.step, prior.step_h, prior.step_w)
             if step}
    if len(steps) > 1 or not all(0 < step < MAX_VALUE for step in steps):
        raise ValueError(
            f'its layer {name} has the steps {sorted(steps)}; one for both '
            f'axes is needed.')
    return steps.pop() if steps else img_shape[0] / feat_shape[0]


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
