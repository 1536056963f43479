"""Weights of other projects as checkpoints, and what is in a file."""
import itertools
import json
import math
import os

import numpy as np
import tensorflow.compat.v1 as tf

from common import commands
from common import errors
from common import files
from datasets import label_map
from engine import checkpoints
from engine import runtime
from engine.importing import caffe
from engine.importing import hikapok
from engine.importing import pytorch
from engine.importing import weights

# Of files; see weights for what they have. TensorFlow's checkpoints have names
# of many files, and are looked for first.
SOURCES = (caffe, pytorch)
_BYTES_AT_ONCE = 2 ** 23


def convert(path: str, model_name: str | None = None,
            num_classes: int | None = None, labels_file: str | None = None,
            anchors: str | None = None, output_path: str | None = None,
            labels: str | None = None, absolute_coordinates: bool = False):
    """Writes the checkpoint of a file and prints what was done.

    The arguments are the flags of caffe_to_tensorflow.py.

    Raises:
      ValueError: the file and the arguments do not fit together. Nothing has
        been written then.
    """
    runtime.prepare()
    path = files.user_path(path)
    if checkpoints.paths.is_checkpoint(path):
        path = checkpoints.paths.find(path)
    source = _source(path)
    if absolute_coordinates and source is not hikapok:
        raise ValueError(f'{path}: leave out --absolute_coordinates, which is '
                         "for HiKapok's SSD300 alone.")
    output_path = _output_path(path, output_path)
    options = weights.Options(
        model_name, num_classes, _labels(labels, labels_file), anchors,
        absolute_coordinates)
    print(f'Converting {path} ...', flush=True)
    read = source.read(path, options)
    for name, value in read.values.items():
        if not np.isfinite(value).all():
            raise ValueError(f'{path}: what is to be {name} has numbers that '
                             'are not finite.')
    _save(output_path, read)
    print(f'{output_path}: {next(iter(read.values)).partition("/")[0]}')
    for note in read.notes:
        print(note)
    if read.unused:
        print(f'not used: {", ".join(read.unused)}')
    script, argument = 'train_ssd_network.py', '...'
    if read.metadata is not None:
        script, argument = 'detect_ssd_network.py', '--input=IMAGE'
        sizes = ('..'.join(f'{size:g}' for size in sizes)
                 for sizes in read.metadata['anchor_sizes'])
        print(f'classes: {", ".join(read.metadata["classes"])}')
        print(f'anchors: {", ".join(sizes)} pixels')
    command = commands.line(f'python {script}', checkpoint_path=output_path)
    print(f'next: {command} {argument}')


def inspect(path: str):
    """Prints what is in a file of weights or a checkpoint."""
    runtime.prepare()
    path = files.user_path(path)
    print('\n'.join(
        _describe_checkpoint(path) if checkpoints.paths.is_checkpoint(path)
        else _source(path).describe(path)))


def _source(path):
    """Returns the module that reads a file; raises ValueError if none does."""
    if checkpoints.paths.is_checkpoint(path):
        if hikapok.matches(path):
            return hikapok
        raise ValueError(f'{path}: a TensorFlow checkpoint already; the '
                         'other scripts take it as --checkpoint_path.')
    source = next((source for source in SOURCES if source.matches(path)), None)
    if source is None:
        what = checkpoints.file_kinds.describe(path)
        raise ValueError(f'{path}: {what or "not a known kind of file."}')
    return source


def _output_path(path, output_path):
    """Returns the checkpoint to write; raises ValueError if it cannot be."""
    if output_path is None:
        stem, ending = os.path.splitext(path)
        # A checkpoint is not to be written over.
        stem += '_converted' if ending.startswith('.ckpt') else ''
        return f'{stem}.ckpt'
    output_path = files.user_path(output_path)
    if os.path.isdir(output_path):
        raise ValueError(
            f'--output_path={output_path}: a folder; add the name of the '
            'checkpoint, such as model.ckpt.')
    if os.path.abspath(output_path) == os.path.abspath(path):
        raise ValueError(f'--output_path={output_path}: this is what is '
                         'converted; give another name.')
    return output_path


def _labels(labels, labels_file):
    """Returns the class names of two flags, None if neither is given."""
    if labels is not None and labels_file is not None:
        raise ValueError('--labels and --labels_file: give only one of them.')
    if labels is not None:
        return label_map.parse_labels(labels)
    return None if labels_file is None else label_map.read_labels(labels_file)


def _save(path, read):
    """Writes the checkpoint of weights.Weights."""
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.get_or_create_global_step()
        if read.metadata is not None:
            checkpoints.metadata.variable(read.metadata)
        initializer, fed = tf.global_variables_initializer(), []
        for name, value in read.values.items():
            placeholder = tf.placeholder(tf.float32, value.shape)
            variable = tf.get_variable(name, initializer=placeholder)
            fed.append((variable.initializer, placeholder, value))
        saver = tf.train.Saver()
        session.run(initializer)
        # What is fed is copied twice: not all of it at once.
        ends = itertools.accumulate(value.nbytes for *_, value in fed)
        for _, part in itertools.groupby(
                fed, lambda _: next(ends) // _BYTES_AT_ONCE):
            initializers, *items = zip(*part, strict=True)
            session.run(initializers, dict(zip(*items, strict=True)))
        try:
            # The folder may be a training's: its state stays what it is.
            saver.save(session, path, write_meta_graph=False, write_state=False)
        except tf.errors.OpError as error:
            raise ValueError(f'{path}: cannot be written: '
                             f'{errors.reason(error.message)}') from None


def _describe_checkpoint(path):
    """Yields lines: variables with shapes, metadata, number of parameters."""
    prefix = checkpoints.paths.find(path)
    reader = checkpoints.reader.open_reader(prefix)
    shapes = reader.get_variable_to_shape_map()
    types = reader.get_variable_to_dtype_map()
    for name, shape in sorted(shapes.items()):
        yield f'{name:60} {"x".join(map(str, shape)) or "scalar"}'
    # Not the optimiser's slots and averages, which are below a variable, nor
    # its scalars.
    total = sum(math.prod(shape) for name, shape in shapes.items()
                if shape and types[name].is_floating
                and os.path.dirname(name) not in shapes)
    yield f'{len(shapes)} variables, {total:,} parameters'
    metadata = checkpoints.metadata.read(prefix)
    theirs = hikapok.kind(shapes)
    if metadata is not None:
        yield f'{checkpoints.metadata.NAME}: {json.dumps(metadata, indent=2)}'
    elif theirs is not None:
        yield f'{theirs}; caffe_to_tensorflow.py converts it'
    else:
        yield (f'no {checkpoints.metadata.NAME}: the flags and defaults say '
               'the rest')
