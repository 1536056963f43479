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
VERSION = 1
# Key of the metadata -> field of SSDParams.
_PARAMS_KEYS = {
    **{key: key for key in ('anchor_sizes', 'anchor_ratios', 'anchor_steps',
                            'anchor_offset', 'prior_scaling')},
    'image_shape': 'img_shape', 'mean_pixel': 'mean', 'scale': 'scale'}


def make(network: ssd.SSDNet, class_names: Sequence[str]) -> dict:
    """Returns the metadata of a network, of JSON's types.

    The names are without background, in the order of their ids.
    """
    return json.loads(json.dumps({
        'format_version': VERSION, 'model_name': network.name,
        'classes': class_names,
        **{key: getattr(network.params, field)
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
    if version != VERSION:
        raise ValueError(
            f'{prefix}: {NAME} is of version {str(version)[:20]}; this '
            f'program reads version {VERSION}.')
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
    return params._replace(
        num_classes=len(metadata['classes']) + 1,
        **{field: _as_tuples(metadata[key])
           for key, field in _PARAMS_KEYS.items() if key in metadata})


def _as_tuples(value):
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
