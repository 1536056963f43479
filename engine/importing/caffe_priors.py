"""Anchors and class count of a Caffe SSD, from the layers of its file.

Caffe src/caffe/layers/prior_box_layer.cpp, branch ssd.
"""
import numpy as np

from detection import anchors
from engine.importing import caffe_model
from nets import ssd

# Caffe layer that predicts -> ours.
SOURCES = {
    'conv4_3_norm': 'block4',
    'fc7': 'block7',
    'conv6_2': 'block8',
    'conv7_2': 'block9',
    'conv8_2': 'block10',
    'conv9_2': 'block11',
    'conv10_2': 'block12',
}
DEFAULT_VARIANCE = 0.1


def file_params(network: type[ssd.SSDNet], layers: list[caffe_model.Layer],
                preset: str | None) -> ssd.SSDParams:
    """Returns the SSDParams that a file was trained with.

    Args:
      network: an SSDNet class.
      layers: of the file.
      preset: name of the anchors of a file without PriorBox layers, as V1
        files are; None where the file says them.

    Raises:
      ValueError: if they are not those of this network, or of no SSDParams.
    """
    params = network.default_params
    sources = [source for source, layer in SOURCES.items()
               if layer in params.feat_layers]
    blobs = caffe_model.blobs_by_name(layers)
    caffe_model.require(blobs, [f'{source}_mbox_conf' for source in sources])
    priors = {layer.name: layer.prior_box for layer in layers
              if layer.prior_box is not None}
    if priors:
        if preset is not None:
            raise ValueError(
                f'it has its own anchors; leave out --anchors={preset}.')
        params = _with_file_anchors(params, sources, priors)
    elif preset is None:
        raise ValueError(
            f'it does not say its anchors (a V1 file cannot); give --anchors, '
            f'one of {", ".join(sorted(network.anchor_presets))}.')
    else:
        params = network.with_anchors(params, preset)
        params = params._replace(anchor_sizes=_truncated(params.anchor_sizes))
    return params._replace(num_classes=_num_classes(params, sources, blobs))


def _with_file_anchors(params, sources, priors):
    """Returns SSDParams with the anchors of the file's PriorBox layers."""
    names = [f'{source}_mbox_priorbox' for source in sources]
    if sorted(names) != sorted(priors):
        raise ValueError(
            f'it has the PriorBox layers {", ".join(priors)}, but the network '
            f'needs {", ".join(names)}.')
    priors = {name: priors[name] for name in names}
    for name, prior in priors.items():
        try:
            _check(prior, params.img_shape)
        except ValueError as error:
            raise ValueError(f'its layer {name} {error}') from None
    return params._replace(
        anchor_sizes=_truncated([*prior.min_size, *prior.max_size]
                                for prior in priors.values()),
        anchor_ratios=tuple(map(_ratios, priors.values())),
        # Without any step, the cells fill the image.
        anchor_steps=tuple(
            next(iter(_steps(prior)), params.img_shape[0] / feat_shape[0])
            for prior, feat_shape in zip(
                priors.values(), params.feat_shapes, strict=True)),
        anchor_offset=_common(
            'offset', {n: _decimal(p.offset) for n, p in priors.items()}),
        prior_scaling=_common(
            'variance', {n: _variance(p) for n, p in priors.items()}))


def _truncated(sizes):
    """Returns (min, max) of layers as Caffe's `int min_size_` holds them."""
    return tuple(tuple(map(int, pair)) for pair in sizes)


def _num_classes(params, sources, blobs):
    """Returns the number of classes, with background, of the file's heads."""
    counts = {}
    for index, source in enumerate(sources):
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


def _check(prior, img_shape):
    """Raises ValueError, '[the layer] has ...', if it is not supported."""
    if len(prior.min_size) != 1 or len(prior.max_size) > 1:
        raise ValueError(
            f'has {len(prior.min_size)} min_size and {len(prior.max_size)} '
            'max_size; one of each is supported.')
    if not all(size >= 1 for size in [*prior.min_size, *prior.max_size]):
        raise ValueError('has anchors of less than a pixel, which Caffe '
                         'truncates to none.')
    if len(_steps(prior)) > 1:
        raise ValueError(f'has the steps {sorted(_steps(prior))}; one for '
                         'both axes is needed.')
    if prior.clip:
        raise ValueError('clips the prior boxes; that is not supported.')
    given = {prior.img_size, prior.img_h, prior.img_w} - {0}
    if given - set(img_shape):
        raise ValueError(f'is for images of {sorted(given)} pixels, the '
                         f'network for {img_shape[0]}.')


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
