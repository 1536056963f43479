"""Reads checkpoints of the formats V1 and V2; what is not whole is refused.

TensorFlow compares the sums of what it reads, so that cut and flipped files
are noticed; here its errors become sentences, and files that are too short
are refused before any value is read.
"""
import glob
import math
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterable

import numpy as np
import tensorflow.compat.v1 as tf

from common import commands
from common import errors
from engine.checkpoints import file_kinds

# What TensorFlow's reader raises: IndexError where a .data file is cut off,
# MemoryError where a flipped bit makes a size of an .index immense.
_ERRORS = (tf.errors.OpError, ValueError, RuntimeError, IndexError,
           MemoryError)
# Not on Windows: there names have none, and \ stands between them.
_PATTERN_CHARACTERS = '' if os.sep == '\\' else '*?[\\'


def open_reader(prefix: str):
    """Returns TensorFlow's reader of a checkpoint of format V1 or V2.

    Raises:
      ValueError: the files are not there, or not whole; names them.
    """
    is_v2 = os.path.exists(f'{prefix}.index')
    try:
        stored = _open_literally(prefix)
    except _ERRORS as error:
        _check_kinds(prefix, f'{prefix}.index' if is_v2 else prefix)
        raise ValueError(f'{prefix}: not a whole checkpoint: '
                         f'{errors.reason(str(error))}') from None
    if is_v2:
        _check_data_files(prefix, stored)
    return stored


def _open_literally(prefix):
    """Returns TensorFlow's reader, to which a path is a pattern.

    One that would be is linked to, until the reader goes.
    """
    if not set(prefix) & set(_PATTERN_CHARACTERS):
        return tf.train.NewCheckpointReader(prefix)
    folder = tempfile.mkdtemp()
    link = os.path.join(folder, 'model')
    try:
        for path in [prefix, f'{prefix}.index', *_data_paths(prefix)]:
            os.symlink(os.path.abspath(path),
                       link + path.removeprefix(prefix))
        stored = tf.train.NewCheckpointReader(link)
    except BaseException as error:
        shutil.rmtree(folder)
        if isinstance(error, _ERRORS):
            raise ValueError(str(error).replace(link, prefix)) from None
        raise
    weakref.finalize(stored, shutil.rmtree, folder, ignore_errors=True)
    return stored


def read(stored, prefix: str, name: str) -> np.ndarray | bytes:
    """Returns a variable's value; raises ValueError if it is damaged."""
    try:
        return stored.get_tensor(name)
    except _ERRORS as error:
        raise ValueError(f'{prefix}: {name} cannot be read: '
                         f'{errors.reason(str(error))}') from None


def read_or_none(prefix: str, name: str) -> np.ndarray | bytes | None:
    """Returns the value of a variable, None if there is none; see read."""
    stored = open_reader(prefix)
    return read(stored, prefix, name) if stored.has_tensor(name) else None


def global_step(prefix: str) -> int:
    """Returns the step at which a checkpoint was saved; 0 if not said."""
    step = read_or_none(prefix, 'global_step')
    if step is None:
        return 0
    if getattr(step, 'dtype', None) not in ('int64', 'int32') or step.ndim:
        raise ValueError(f'{prefix}: global_step is not a whole number.')
    return int(step)


def fault(prefix: str, must_be_finite: bool = False) -> str | None:
    """Returns what is wrong with a checkpoint, None if it is whole.

    All values are read, for TensorFlow to compare their sums.
    """
    try:
        stored = open_reader(prefix)
        for name in stored.get_variable_to_shape_map():
            values = read(stored, prefix, name)
            if (must_be_finite and isinstance(values, np.ndarray)
                    and not np.isfinite(values).all()):
                return f'{prefix}: {name} is not finite'
    except (ValueError, OSError) as error:
        return str(error).rstrip('.')
    return None


def check_complete(prefix: str, variables: dict[str, tf.Tensor]):
    """Raises ValueError unless a checkpoint has the variables, as they are.

    `variables`: name in the checkpoint -> variable or tensor.
    """
    stored = open_reader(prefix)
    shapes = stored.get_variable_to_shape_map()
    dtypes = stored.get_variable_to_dtype_map()
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


def is_hikapok(names: Iterable[str]) -> bool:
    """Whether variables are those of a detector of HiKapok/SSD.TensorFlow."""
    return any('/multibox_head/' in name for name in names)


def check_origin(stored, prefix: str):
    """Raises ValueError for weights that have to be converted first."""
    if is_hikapok(stored.get_variable_to_shape_map()):
        raise ValueError(
            f'{prefix}: a checkpoint of HiKapok/SSD.TensorFlow; convert it '
            'first: ' + commands.line(
                'python caffe_to_tensorflow.py', caffemodel_path=prefix))


class Saver(tf.train.Saver):
    """A Saver that restores what `open_reader` reads, from any folder.

    It has all variables of the graph, or those of a dict by their names in
    the checkpoint.
    """

    def __init__(self, variables: dict[str, tf.Variable] | None = None,
                 **options):
        self._variables = variables or {
            variable.op.name: variable for variable in tf.global_variables()}
        super().__init__(self._variables, **options)

    def restore(self, sess, save_path):
        """As tf.train.Saver's; raises ValueError if it is damaged."""
        check_complete(save_path, self._variables)
        stored = open_reader(save_path)
        initializers = {name: variable.initializer
                        for name, variable in self._variables.items()}
        sess.run(list(initializers.values()), {
            initializer.inputs[1]: read(stored, save_path, name)
            for name, initializer in initializers.items()})


def _check_kinds(prefix, *paths):
    """Raises ValueError if a checkpoint's file is known as something else."""
    for path in paths:
        what = file_kinds.describe(path)
        if what is not None:
            raise ValueError(
                f'{prefix}: not a whole checkpoint: {path} is {what}')


def _check_data_files(prefix, stored):
    """Raises ValueError if a .data file is missing or they are too short."""
    paths = _data_paths(prefix)
    num_files = max((int(re.search(r'-of-(\d+)$', path)[1])
                     for path in paths), default=1)
    for number in range(num_files):
        path = f'{prefix}.data-{number:05d}-of-{num_files:05d}'
        if path not in paths:
            raise ValueError(f'{prefix}: not a whole checkpoint: the file '
                             f'{path} is missing.')
    dtypes = stored.get_variable_to_dtype_map()
    num_bytes = sum(  # Strings, of size 0, may have any length.
        math.prod(shape) * dtypes[name].size
        for name, shape in stored.get_variable_to_shape_map().items())
    size = sum(map(os.path.getsize, paths))
    if size < num_bytes:
        _check_kinds(prefix, *paths)
        raise ValueError(
            f'{prefix}: not a whole checkpoint: its .data files are cut off: '
            f'they have {size} bytes, its variables {num_bytes}.')


def _data_paths(prefix):
    """Returns the paths of the .data files, which begin with the prefix."""
    ending = '.data-?????-of-?????'
    return [prefix + path[-len(ending):]  # glob makes // one /.
            for path in glob.glob(glob.escape(prefix) + ending)]
