"""`ssd_metadata`: what a checkpoint says of itself, as JSON.

A string variable beside the network's; with it no flag is needed to use a
checkpoint. Those of the original have none.
"""
import json
from collections.abc import Sequence

import tensorflow.compat.v1 as tf

from engine.checkpoints import reader
from nets import nets_factory
from nets import ssd

NAME = 'ssd_metadata'
# Of version 2 are those with keys that readers of version 1 do not heed.
VERSIONS = 1, 2
# Key of the metadata -> field of SSDParams.
_PARAMS_KEYS = {
    **{key: key for key in ('anchor_sizes', 'anchor_ratios', 'anchor_steps',
                            'anchor_offset', 'prior_scaling')},
    'image_shape': 'img_shape', 'mean_pixel': 'mean', 'scale': 'scale'}
# Of version 2, where they are not the network's own, as are paddings.
_FIELDS_OF_2 = ('anchor_clip', 'unused_labels', 'clips_bboxes')


def make(network: ssd.SSDNet, class_names: Sequence[str]) -> dict:
    """Returns the metadata of a network, of JSON's types.

    The names are without background, in the order of their ids.
    """
    params, own = network.params, network.default_params
    of_2 = {field: getattr(params, field) for field in _FIELDS_OF_2
            if getattr(params, field) != getattr(own, field)}
    if params.extra_blocks != own.extra_blocks:
        of_2['paddings'] = [block.pad for block in params.extra_blocks]
    is_2 = of_2 or isinstance(params.anchor_offset, tuple)
    return json.loads(json.dumps({
        'format_version': VERSIONS[bool(is_2)], 'model_name': network.name,
        'classes': class_names, **of_2,
        **{key: getattr(params, field)
           for key, field in _PARAMS_KEYS.items()}}))


def variable(metadata: dict) -> tf.Variable:
    """Makes the variable that puts metadata into every checkpoint."""
    with tf.device('/device:CPU:0'):
        return tf.get_variable(
            NAME, initializer=json.dumps(metadata, sort_keys=True),
            dtype=tf.string, trainable=False)


def read(prefix: str) -> dict | None:
    """Returns the metadata of a checkpoint, or None if it has none.

    Raises:
      ValueError: it is damaged, of another version, or of a network that is
        not known.
    """
    content = reader.read_or_none(prefix, NAME)
    if content is None:
        return None
    try:
        metadata = json.loads(content)
        version = metadata['format_version']
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f'{prefix}: {NAME} is damaged: {error!r}.') from None
    if version not in VERSIONS:
        raise ValueError(
            f'{prefix}: {NAME} is of version {str(version)[:20]}; this '
            f'program reads version {VERSIONS[-1]}.')
    # Earlier checkpoints have no scale: their networks' own is meant.
    missing = {'model_name', 'classes', *_PARAMS_KEYS} - {'scale', *metadata}
    if missing:
        raise ValueError(
            f'{prefix}: {NAME} lacks {", ".join(sorted(missing))}.')
    try:
        network = nets_factory.get_network(metadata['model_name'])
    except ValueError as error:
        raise ValueError(f'{prefix}: {NAME}: {error}') from None
    shape = network.default_params.img_shape
    if tuple(metadata['image_shape']) != shape:
        raise ValueError(
            f'{prefix}: {NAME}: image_shape is {metadata["image_shape"]}, '
            f'but {network.name} takes {list(shape)}.')
    return metadata


def apply(params: ssd.SSDParams, metadata: dict) -> ssd.SSDParams:
    """Returns SSDParams with all that a checkpoint says of them."""
    fields = _PARAMS_KEYS | {field: field for field in _FIELDS_OF_2}
    params = params._replace(
        num_classes=len(metadata['classes']) + 1,
        **{field: _as_tuples(metadata[key])
           for key, field in fields.items() if key in metadata})
    if 'paddings' not in metadata:
        return params
    return params._replace(extra_blocks=tuple(
        block._replace(pad=_as_tuples(pad)) for block, pad in zip(
            params.extra_blocks, metadata['paddings'], strict=True)))


def _as_tuples(value):
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
