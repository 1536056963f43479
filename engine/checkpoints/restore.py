"""What a network gets out of a checkpoint: a start, or all its weights.

A training starts from the checkpoint of another one, or of VGG-16. A plan
says for every variable of the network which tensor of the checkpoint it
starts from; what differs in shape or is left out starts anew.
"""
import contextlib
import operator
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from engine.checkpoints import reader
from nets import ssd

# What tf.train.ExponentialMovingAverage adds to a variable's name.
AVERAGE = '/ExponentialMovingAverage'
FIRST_KERNEL = 'conv1/conv1_1/weights'
_FC6 = '/fc6/weights'


class Entry(NamedTuple):
    """What a variable of a network starts from."""
    variable: tf.Variable
    source: str | None  # Its name in the checkpoint; None for a new start.
    reason: str | None  # Why it starts anew.
    is_bgr: bool = False  # Whether the source is a kernel for BGR images.
    # Of a head: the source's class that each one starts from; None: itself.
    class_order: tuple[int, ...] | None = None


def plan(variables: list[tf.Variable], prefix: str, network: ssd.SSDNet,
         model_scope: str | None = None, exclude_scopes: Sequence[str] = (),
         ignore_missing: bool = False) -> tuple[list[Entry], list[str]]:
    """Returns an Entry for each variable, and a list of warnings.

    Args:
      variables, network: SSDNet's, whose name is their scope.
      prefix: of the checkpoint.
      model_scope: scope of the same variables in the checkpoint; where it
        holds none, the checkpoint's own scope is found.
      exclude_scopes: scopes of variables that start anew.
      ignore_missing: whether variables that the checkpoint of a detector
        lacks start anew instead of being an error.

    Raises:
      ValueError: nothing is restored, or a variable is missing.
    """
    stored = reader.open_reader(prefix)
    reader.check_origin(stored, prefix)
    shapes = stored.get_variable_to_shape_map()
    names = [variable.op.name.removeprefix(f'{network.name}/')
             for variable in variables]
    sources = network.pretrained_source(names)
    scope, warnings = _find_scope(
        shapes, {*names, *sources.values()}, network.name, model_scope, prefix)
    excluded = set()
    for outer in map(str.strip, exclude_scopes):
        inside = {variable.op.name for variable in variables
                  if in_scope(variable.op.name, outer)}
        if not inside:
            warnings.append(f'--checkpoint_exclude_scopes: {outer!r} holds no '
                            f'variable of {network.name}.')
        excluded |= inside
    entries = [
        Entry(variable, None, 'excluded') if variable.op.name in excluded
        else _entry(variable, shapes, f'{scope}/{name}',
                    f'{scope}/{sources.get(name)}')
        for variable, name in zip(variables, names, strict=True)]
    if scope in bgr_scopes(shapes):
        entries = [entry._replace(
            is_bgr=entry.source == f'{scope}/{FIRST_KERNEL}')
                   for entry in entries]
        if any(entry.is_bgr for entry in entries):
            warnings.append(
                f'{prefix}: a reduced VGG-16 for BGR images, as '
                'HiKapok/SSD.TensorFlow has it; its first layer is turned to '
                'RGB.')
    _check(entries, shapes, prefix, network.name, ignore_missing)
    return entries, warnings


def bgr_scopes(shapes: dict[str, list[int]]) -> list[str]:
    """Returns the scopes of VGG-16 whose images are BGR.

    That is HiKapok/SSD.TensorFlow's, made of Caffe's with a reduced fc6; the
    one of slim, with the same names, has 7x7 taps there, and takes RGB.

    Args:
      shapes: {name of a variable: shape}.
    """
    return [name.removesuffix(_FC6) for name, shape in sorted(shapes.items())
            if name.endswith(_FC6) and shape[:2] == [3, 3]
            and f'{name.removesuffix(_FC6)}/{FIRST_KERNEL}' in shapes]


def _find_scope(shapes, names, network_name, model_scope, prefix):
    """Returns the checkpoint's scope of the network, and warnings."""
    def num_found(scope):
        return sum(f'{scope}/{name}' in shapes for name in names)

    scopes = sorted({name.split('/')[0] for name in shapes if '/' in name})
    best = max(scopes, key=num_found, default=network_name)
    wanted = network_name if model_scope is None else model_scope
    if num_found(wanted) or not num_found(best):
        return wanted, []
    return best, [] if model_scope is None else [
        f'--checkpoint_model_scope={model_scope}: {prefix} has no such '
        f'scope; its own, {best}, is used.']


def _entry(variable, shapes, source, other_source):
    """Returns the Entry of a variable that is not excluded.

    `other_source` is its name in a checkpoint of the trunk.
    """
    shape = variable.shape.as_list()
    if source in shapes:
        if shapes[source] == shape:
            return Entry(variable, source, None)
        return Entry(
            variable, None, f'is {shape}, in the checkpoint {shapes[source]}')
    # Of VGG's fully connected layers every fourth output is taken.
    if (other := shapes.get(other_source)) is not None and (
            len(other) == len(shape) and all(map(operator.ge, other, shape))
            and other[-1] in (shape[-1], 4 * shape[-1])):
        return Entry(variable, other_source, None)
    return Entry(variable, None, 'not in the checkpoint')


def _check(entries, shapes, prefix, network_name, ignore_missing):
    """Raises ValueError if a plan has no source, or lacks some."""
    if not any(entry.source for entry in entries):
        raise ValueError(
            f'{prefix}: nothing in it fits {network_name}; it holds '
            f'{len(shapes)} tensors such as {sorted(shapes)[:1]}.')
    missing = [entry.variable.op.name for entry in entries
               if entry.reason == 'not in the checkpoint']
    is_detector = any('_box/' in name for name in shapes)
    if missing and is_detector and not ignore_missing:
        raise ValueError(
            f'{prefix}: lacks {len(missing)} variables of {network_name}, '
            f'such as {missing[0]}; --ignore_missing_vars=True starts them '
            'anew.')


def of_classes(entries: list[Entry], prefix: str, metadata: dict | None,
               class_names: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """Gives classes in another order the heads of their own names.

    Args:
      entries: what `plan` returned.
      prefix: of the checkpoint.
      metadata: of the checkpoint, or None.
      class_names: those of the data, in its order.

    Returns:
      Entries, and warnings: of these, or that classes get other ones' heads.
    """
    heads = [entry.source is not None and '/conv_cls/' in entry.source
             for entry in entries]
    if metadata is None or not any(heads) or (
            metadata['classes'] == list(class_names)):
        return entries, []
    names = ['', *metadata['classes']]  # The background is the first.
    if set(names) == {'', *class_names}:
        order = tuple(map(names.index, ['', *class_names]))
        return [
            entry._replace(class_order=order) if is_head else entry
            for entry, is_head in zip(entries, heads, strict=True)], [
            f'{prefix}: its classes are {", ".join(names[1:])}; their heads '
            f'are put into the order of the data: {", ".join(class_names)}.']
    return entries, [
        f'{prefix}: its classes are {", ".join(names[1:])}; their heads are '
        f'now those of {", ".join(class_names)}, in this order. If these are '
        'not the same things, let their heads start anew with '
        '--checkpoint_exclude_scopes (docs/networks.md has their scopes).']


def format_plan(entries: list[Entry], prefix: str) -> str:
    """Returns the table of what is restored and what starts anew."""
    new = [entry for entry in entries if entry.source is None]
    width = max((len(entry.variable.op.name) for entry in new), default=0)
    return '\n'.join([
        f'{prefix}: {len(entries) - len(new)} of {len(entries)} variables '
        'restored.', *(f'  new  {entry.variable.op.name:{width}}  '
                       f'{entry.reason}' for entry in new)])


def initializer(entries: list[Entry],
                prefix: str) -> Callable[[tf.Session], None]:
    """Returns a function of a session that loads what a plan restores."""
    def initialize(session):
        stored = reader.open_reader(prefix)
        assigned = {}  # In one run; hundreds of them take seconds.
        for entry in entries:
            if entry.source is not None:
                values = reader.read(stored, prefix, entry.source)
                if np.asarray(values).dtype.kind in 'OSU':  # Strings.
                    raise ValueError(
                        f'{prefix}: {entry.source} holds no numbers.')
                if entry.is_bgr:
                    values = values[:, :, ::-1]
                if entry.class_order is not None:
                    # Of each anchor all classes, one after the other.
                    order = list(entry.class_order)
                    values = values.reshape(
                        *values.shape[:-1], -1, len(order))[
                            ..., order].reshape(values.shape)
                assigned[entry.variable] = subsample(
                    values, entry.variable.shape.as_list())
        session.run(
            [variable.initializer for variable in assigned],
            {variable.initializer.inputs[1]: values
             for variable, values in assigned.items()})
    return initialize


def subsample(values: np.ndarray, shape: list[int]) -> np.ndarray:
    """Returns every n-th value along each axis so that `shape` is left.

    Makes conv6 and conv7 of VGG's fc6 and fc7, for the atrous convolution.
    """
    return values[tuple(
        np.s_[::-(-have // want)]  # 7 -> 3: every third; 4096 -> 1024: fourth
        for have, want in zip(values.shape, shape, strict=True))]


@contextlib.contextmanager
def weights_of(prefix: str,
               moving_average_decay: float | None = None) -> Iterator[None]:
    """Gives the networks built within the weights of a checkpoint.

    Or, with a moving_average_decay, their averages. As constants: oneDNN
    brings a constant kernel into its own order once, a variable at every
    step, which doubles the time of a single image.

    Raises:
      ValueError: the checkpoint has no averages; or, at the end, it lacks a
        weight, or has it in another shape.
    """
    stored = reader.open_reader(prefix)
    reader.check_origin(stored, prefix)
    shapes = stored.get_variable_to_shape_map()
    dtypes = stored.get_variable_to_dtype_map()
    if moving_average_decay is not None and not has_averages(prefix):
        raise ValueError(
            f'{prefix}: has no moving averages; leave --moving_average_decay '
            'out, or train with it.')
    weights = {}

    def constant(getter, name, shape, dtype, **kwargs):
        del getter, kwargs
        name += '' if moving_average_decay is None else AVERAGE
        value = tf.zeros(shape, dtype)  # In place of what does not fit.
        if (shapes.get(name), dtypes.get(name)) == (value.shape, value.dtype):
            value = tf.constant(reader.read(stored, prefix, name))
        weights[name] = value
        return value

    with tf.variable_scope(tf.get_variable_scope(), custom_getter=constant):
        yield
    reader.check_complete(prefix, weights)


def has_averages(prefix: str) -> bool:
    """Returns whether a checkpoint has moving averages."""
    return any(
        name.endswith(AVERAGE) for name
        in reader.open_reader(prefix).get_variable_to_shape_map())


def in_scope(name: str, scope: str) -> bool:
    """Returns whether a variable's name is the scope or lies in it."""
    return name == scope or name.startswith(scope.rstrip('/') + '/')
