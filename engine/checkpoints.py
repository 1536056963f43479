"""Checkpoints: where they are, what they hold, what is restored from them.

Besides the network's variables a checkpoint holds `ssd_metadata`, a string:
JSON that says all that is needed to use it. Those of the original have none.
"""
import json
import os

import tensorflow.compat.v1 as tf

from engine import checkpoint_files
from engine import checkpoint_metadata
from engine import checkpoint_state
from engine import published

METADATA = checkpoint_metadata.NAME
MEAN_PIXEL = (123., 117., 104.)
open_reader = checkpoint_files.open_reader


def find(path):
    """Returns the prefix of the checkpoint that `path` means; see locate.

    Raises:
      ValueError: if there is no checkpoint, or one that cannot be used.
    """
    prefix = locate(path)
    published.check_names(
        open_reader(prefix).get_variable_to_shape_map(), prefix)
    return prefix


def locate(path):
    """Returns the prefix of the checkpoint that `path` means, of any kind.

    Args:
      path: a folder (its latest checkpoint), a prefix, any of a checkpoint's
        files, or the archive (.zip) of one, which is unpacked beside it.

    Raises:
      ValueError: if there is no checkpoint.
    """
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        return checkpoint_state.latest(path) or published.only_checkpoint(path)
    prefix = published.prefix_of(path) or path.removesuffix('.zip')
    if tf.train.checkpoint_exists(prefix):
        return prefix
    if not os.path.exists(prefix + '.zip'):
        raise ValueError(
            f'{path}: no such checkpoint; give a folder, or a path '
            'without its ending .index or .data-....')
    return published.unpack(prefix + '.zip')


def global_step(prefix):
    """Returns the step at which a checkpoint was saved; 0 if not said.

    Raises:
      ValueError: if it is damaged.
    """
    step = _read(prefix, 'global_step')
    if step is None:
        return 0
    if getattr(step, 'dtype', None) not in ('int64', 'int32') or step.ndim:
        raise ValueError(f'{prefix}: global_step is not a whole number.')
    return int(step)


def _read(prefix, name):
    """Returns the value of a variable, None if there is none."""
    reader = open_reader(prefix)
    if not reader.has_tensor(name):
        return None
    return checkpoint_files.read(reader, prefix, name)


def make_metadata(network, class_names):
    """Returns the metadata of a network as a dict of JSON's types.

    Args:
      network: an SSDNet.
      class_names: names without background, in the order of their ids.
    """
    params = network.params._asdict()
    return {
        'format_version': checkpoint_metadata.VERSION,
        'model_name': network.name,
        'classes': list(class_names),
        'image_shape': list(params['img_shape']),
        'mean_pixel': list(MEAN_PIXEL),
        **{key: _as_lists(params[key])
           for key in checkpoint_metadata.PARAMS_KEYS},
    }


def metadata_variable(metadata):
    """Makes the variable that puts metadata into every checkpoint."""
    with tf.device('/device:CPU:0'):
        return tf.get_variable(
            METADATA, initializer=json.dumps(metadata, sort_keys=True),
            dtype=tf.string, trainable=False)


def read_metadata(prefix):
    """Returns the metadata of a checkpoint, or None if it has none.

    Raises:
      ValueError: if it is damaged or of another version.
    """
    content = _read(prefix, METADATA)
    if content is None:
        return None
    try:
        return checkpoint_metadata.parse(content)
    except ValueError as error:
        raise ValueError(f'{prefix}: {error}') from None


def with_metadata(params, metadata):
    """Returns SSDParams with the anchors and classes of a checkpoint."""
    return params._replace(
        num_classes=len(metadata['classes']) + 1,
        **{key: _as_tuples(metadata[key])
           for key in checkpoint_metadata.PARAMS_KEYS})


def variables_to_restore(variables):
    """Returns a dict, name in a checkpoint -> variable, for tf.train.Saver.

    `variables` are those of a graph that has been built.
    """
    return {variable.op.name: variable for variable in variables}


def check_complete(prefix, variables):
    """Raises ValueError unless a checkpoint has the variables, as they are.

    Args:
      prefix: of the checkpoint.
      variables: dict, name in the checkpoint -> variable.
    """
    reader = open_reader(prefix)
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
    faults = []
    for name, variable in variables.items():
        shape = variable.shape.as_list()
        dtype = variable.dtype.base_dtype
        if name not in shapes:
            faults.append(f'{name} is missing')
        elif shapes[name] != shape:
            faults.append(f'{name} is {shapes[name]}, not {shape}')
        elif dtypes[name] != dtype:
            faults.append(f'{name} is {dtypes[name].name}, not {dtype.name}')
    if faults:
        more = f', and {len(faults) - 3} more' if len(faults) > 3 else ''
        raise ValueError(
            f'{prefix}: does not fit the network: '
            f'{"; ".join(faults[:3])}{more}. Check --model_name, '
            "--num_classes and the data set's classes.")


def _as_lists(value):
    if isinstance(value, (list, tuple)):
        return [_as_lists(item) for item in value]
    return value


def _as_tuples(value):
    if isinstance(value, list):
        return tuple(_as_tuples(item) for item in value)
    return value
