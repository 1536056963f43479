"""What a Caffe model says of its input, anchors and number of classes.

Caffe src/caffe/layers/prior_box_layer.cpp, branch ssd.
"""
import math
from collections.abc import Sequence

import numpy as np

from detection import anchors
from engine.importing import caffe_model
from nets import ssd

DEFAULT_VARIANCE = 0.1


def read(network: type[ssd.SSDNet], model: caffe_model.Model,
         sources: Sequence[str], heads: Sequence[str],
         preset: str | None) -> ssd.SSDParams:
    """Returns the SSDParams that a file was trained with.

    Args:
      sources: layers of the file that predict, in the network's order.
      heads: those that give their classes.
      preset: anchors of a file that does not say them.

    Raises:
      ValueError: they are not those of this network, or of no SSDParams.
    """
    params = _with_input(network.default_params, model)
    priors = {layer.name: layer.prior_box for layer in model.layers
              if layer.prior_box is not None}
    if priors and preset is not None:
        raise ValueError(
            f'it has its own anchors; leave out --anchors={preset}.')
    if not priors and preset is None:
        raise ValueError(
            'it does not say its anchors (a V1 file cannot); give --anchors, '
            f'one of {", ".join(sorted(network.anchor_presets))}.')
    params = (_with_priors(params, _in_order(priors, sources)) if priors
              else network.with_anchors(params, preset))
    params = params._replace(anchor_sizes=tuple(
        tuple(map(int, sizes))  # Caffe has `int min_size_`.
        for sizes in params.anchor_sizes))
    counts = {}
    for name, *kinds in zip(
            heads, params.anchor_sizes, params.anchor_ratios, strict=True):
        num_outputs, num_kinds = len(model[name].blobs[0]), (
            anchors.num_kinds(*kinds))
        if num_outputs % num_kinds:
            raise ValueError(
                f'its layer {name} has {num_outputs} outputs, no multiple of '
                f'the {num_kinds} anchors of a cell.')
        counts[name] = num_outputs // num_kinds
    return params._replace(num_classes=_common('number of classes', counts))


def _with_input(params, model):
    """Returns SSDParams with the mean and scale of a file for training."""
    for layer in model.layers:
        if layer.input_shape is not None and len(layer.input_shape) == 4:
            _check_size(layer, layer.input_shape[2:], params)
        if layer.transform is None:
            continue
        resize = layer.transform.resize_param
        if resize.height and resize.width:
            _check_size(layer, (resize.height, resize.width), params)
        if layer.transform.mean_file:
            raise ValueError(
                f'its layer {layer.name} subtracts a mean image, '
                f'{layer.transform.mean_file!r}; only mean_value can be used.')
        mean = tuple(map(_decimal, layer.transform.mean_value))
        if len(mean) not in (0, 1, 3):
            raise ValueError(f'its layer {layer.name} has {len(mean)} '
                             'mean_value; 1 or 3 are needed.')
        scale = _decimal(layer.transform.scale)
        if not (0 < scale < math.inf and np.isfinite(mean).all()):
            raise ValueError(
                f'its layer {layer.name} has the scale {scale} and the mean '
                f'{mean}; a positive scale and finite means are needed.')
        if mean or layer.transform.HasField('scale'):
            mean = mean[::-1] or (0.,)  # Caffe's images are BGR.
            params = params._replace(mean=mean * (3 // len(mean)), scale=scale)
    return params


def _check_size(layer, size, params):
    if tuple(size) != tuple(params.img_shape):
        raise ValueError(
            f'its layer {layer.name} is for images of {size[0]}x{size[1]} '
            'pixels, the network for {}x{}.'.format(*params.img_shape))


def _in_order(priors, sources):
    """Returns {name: PriorBox} in the order of what predicts."""
    found = [name for source in sources for name in priors
             if name.startswith(f'{source}_mbox_priorbox')]
    if len(found) != len(sources) or set(found) != set(priors):
        raise ValueError(
            f'it has the PriorBox layers {", ".join(priors)}, but the network '
            'needs one each of '
            f'{", ".join(f"{source}_mbox_priorbox" for source in sources)}.')
    return {name: priors[name] for name in found}


def _with_priors(params, priors):
    """Returns SSDParams with the anchors of PriorBox layers, by name."""
    for name, prior in priors.items():
        fault = _fault(prior, params.img_shape)
        if fault is not None:
            raise ValueError(f'its layer {name} {fault}')
    offsets = tuple(_decimal(prior.offset) for prior in priors.values())
    clips = [name for name, prior in priors.items() if prior.clip]
    if len(clips) not in (0, len(priors)):
        raise ValueError(f'its layer {clips[0]} clips the prior boxes, others '
                         'do not; all or none are supported.')
    return params._replace(
        anchor_sizes=tuple(
            (*prior.min_size, *prior.max_size) for prior in priors.values()),
        anchor_ratios=tuple(map(_ratios, priors.values())),
        # Without any step, the cells fill the image.
        anchor_steps=tuple(
            next(iter(_steps(prior)), params.img_shape[0] / feat_shape[0])
            for prior, feat_shape in zip(
                priors.values(), params.feat_shapes, strict=True)),
        anchor_offset=offsets if len(set(offsets)) > 1 else offsets[0],
        anchor_clip='corners' if clips else None,
        prior_scaling=_common('variance', {
            name: _variance(prior) for name, prior in priors.items()}))


def _common(what, values):
    """Returns the value that all layers share."""
    if len(set(values.values())) != 1:
        raise ValueError(f'its layers differ in {what}: {values}.')
    return next(iter(values.values()))


def _fault(prior, img_shape):
    """Returns why a PriorBox is not supported, 'has ...'; None if it is."""
    given = {prior.img_size, prior.img_h, prior.img_w} - {0}
    numbers = [*prior.min_size, *prior.max_size, *prior.aspect_ratio,
               *prior.variance, *_steps(prior)]
    if len(prior.min_size) != 1 or len(prior.max_size) > 1:
        return (f'has {len(prior.min_size)} min_size and '
                f'{len(prior.max_size)} max_size; one of each is supported.')
    if not all(size >= 1 for size in [*prior.min_size, *prior.max_size]):
        return ('has anchors of less than a pixel, which Caffe truncates to '
                'none.')
    if not all(0 < number < math.inf for number in numbers) or not (
            math.isfinite(prior.offset)):
        return 'has numbers that are no sizes, ratios, variances or steps.'
    if len(prior.variance) not in (0, 1, 4):
        return f'has {len(prior.variance)} variances; 1 or 4 are needed.'
    if len(_steps(prior)) > 1:
        return (f'has the steps {sorted(_steps(prior))}; one for both axes is '
                'needed.')
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


def _decimal(value):
    """Returns the decimal that the prototxt said: 0.1 for float32(0.1)."""
    return float(str(np.float32(value)))
