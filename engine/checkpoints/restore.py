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

# Of VGG's fully connected layers every fourth output is taken.
OUTPUT_STRIDE = 4

# What tf.train.ExponentialMovingAverage adds to a variable's name.
AVERAGE = '/ExponentialMovingAverage'


class Entry(NamedTuple):
    """What a variable of a network starts from."""
    variable: tf.Variable
    source: str | None  # Its name in the checkpoint; None for a new start.
    reason: str | None  # Why it starts anew.


def plan(variables: list[tf.Variable], prefix: str, network: ssd.SSDNet,
         model_scope: str | None = None, exclude_scopes: Sequence[str] = (),
         ignore_missing: bool = False) -> tuple[list[Entry], list[str]]:
    """Returns a list of Entry, one per variable, and a list of warnings.

    Args:
      variables: of the network.
      prefix: of the checkpoint.
      network: SSDNet, whose name is the scope of the variables.
      model_scope: scope of the same variables in the checkpoint; where it
        holds none, the checkpoint's own scope is found.
      exclude_scopes: scopes of variables that start anew.
      ignore_missing: whether variables that the checkpoint of a detector
        lacks start anew instead of being an error.

    Raises:
      ValueError: if nothing is restored, or a variable is missing.
    """
    network_name = network.name
    stored = reader.open_reader(prefix)
    reader.check_origin(stored, prefix)
    shapes = stored.get_variable_to_shape_map()
    sources = network.pretrained_source(
        [variable.op.name[len(network_name) + 1:] for variable in variables])
    scope, warnings = _find_scope(
        shapes, variables, sources, network_name, model_scope, prefix)
    exclude_scopes = [excluded.strip() for excluded in exclude_scopes]
    warnings += [
        f'--checkpoint_exclude_scopes: {excluded!r} holds no variable of '
        f'{network_name}.' for excluded in exclude_scopes
        if not any(in_scope(variable.op.name, excluded)
                   for variable in variables)]
    entries = []
    for variable in variables:
        if any(in_scope(variable.op.name, excluded)
               for excluded in exclude_scopes):
            entries.append(Entry(variable, None, 'excluded'))
        else:
            name = variable.op.name[len(network_name) + 1:]
            entries.append(_entry(
                variable, shapes, scope, name, sources.get(name)))
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
    return entries, warnings


def format_plan(entries: list[Entry], prefix: str) -> str:
    """Returns the table of what is restored and what starts anew, text."""
    num_restored = sum(entry.source is not None for entry in entries)
    lines = [f'{prefix}: {num_restored} of {len(entries)} variables '
             'restored.']
    new = [entry for entry in entries if entry.source is None]
    width = max((len(entry.variable.op.name) for entry in new), default=0)
    lines += [f'  new  {entry.variable.op.name:{width}}  {entry.reason}'
              for entry in new]
    return '\n'.join(lines)


def initializer(entries: list[Entry],
                prefix: str) -> Callable[[tf.Session], None]:
    """Returns a function of a session that loads what a plan restores."""
    def initialize(session):
        stored = reader.open_reader(prefix)
        for entry in entries:
            if entry.source is not None:
                shape = entry.variable.shape.as_list()
                values = reader.read(stored, prefix, entry.source)
                if np.asarray(values).dtype.kind in 'OSU':  # Strings.
                    raise ValueError(
                        f'{prefix}: {entry.source} holds no numbers.')
                entry.variable.load(subsample(values, shape), session)
    return initialize


def subsample(values: np.ndarray, shape: list[int]) -> np.ndarray:
    """Returns every n-th value along each axis so that `shape` is left.

    Makes conv6 and conv7 of VGG's fc6 and fc7, for the atrous convolution.

    Args:
      values: numpy array with sides that are at least those of shape.
      shape: list of int, as many as values has axes.
    """
    return values[tuple(
        np.s_[::-(-have // want)]  # 7 -> 3: every third; 4096 -> 1024: fourth
        for have, want in zip(values.shape, shape, strict=True))]


@contextlib.contextmanager
def weights_of(prefix: str,
               moving_average_decay: float | None = None) -> Iterator[None]:
    """Gives the networks built within the weights of a checkpoint.

    As constants: oneDNN brings a constant kernel into its own order once, a
    variable at every step, which doubles the time of a single image.

    Args:
      prefix: of the checkpoint.
      moving_average_decay: if not None, the weights' moving averages.

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


def _find_scope(shapes, variables, sources, network_name, model_scope,
                prefix):
    """Returns the checkpoint's scope of the network, and warnings."""
    own = {variable.op.name[len(network_name) + 1:] for variable in variables}

    def num_found(scope):
        return sum(f'{scope}/{name}' in shapes
                   for name in own.union(sources.values()))

    scopes = sorted({name.split('/')[0] for name in shapes if '/' in name})
    best = max(scopes, key=num_found, default=network_name)
    wanted = network_name if model_scope is None else model_scope
    if num_found(wanted) or not num_found(best):
        return wanted, []
    if model_scope is None:
        return best, []
    return best, [
        f'--checkpoint_model_scope={model_scope}: {prefix} has no such '
        f'scope; its own, {best}, is used.']


def _entry(variable, shapes, scope, name, other_name):
    """Returns the Entry of a variable that is not excluded.

    Args:
      variable: of the network.
      shapes: of the checkpoint's variables.
      scope: of the network's variables there.
      name: of the variable, below its scope.
      other_name: what it is called in a checkpoint of the trunk, or None.
    """
    shape = variable.shape.as_list()
    source = f'{scope}/{name}'
    if source in shapes:
        if shapes[source] == shape:
            return Entry(variable, source, None)
        return Entry(
            variable, None, f'is {shape}, in the checkpoint {shapes[source]}')
    source = f'{scope}/{other_name}'
    if source in shapes and _can_be_subsampled(shapes[source], shape):
        return Entry(variable, source, None)
    return Entry(variable, None, 'not in the checkpoint')


def _can_be_subsampled(have, want):
    return (len(have) == len(want) and all(map(operator.ge, have, want))
            and have[-1] in (want[-1], want[-1] * OUTPUT_STRIDE))
