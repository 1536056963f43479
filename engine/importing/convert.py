"""Weights of other projects as checkpoints, and what is in a file."""
import json
import math
import os

import tensorflow.compat.v1 as tf

from common import errors
from datasets import label_map
from engine import checkpoints
from engine import runtime
from engine.importing import caffe
from engine.importing import caffe_model


def convert(caffemodel_path: str, model_name: str,
            num_classes: int | None = None, labels_file: str | None = None,
            anchors: str | None = None, output_path: str | None = None):
    """Writes the checkpoint of a .caffemodel and prints what was done.

    The arguments are the flags of caffe_to_tensorflow.py.

    Raises:
      ValueError: the file and the arguments do not fit together. Nothing has
        been written then.
    """
    runtime.prepare()
    path = os.path.expanduser(caffemodel_path)
    if checkpoints.paths.is_checkpoint(path):
        prefix = checkpoints.paths.find(path)
        checkpoints.reader.check_origin(
            checkpoints.reader.open_reader(prefix), prefix)
        raise ValueError(f'{prefix}: a TensorFlow checkpoint already; the '
                         'other scripts take it as --checkpoint_path.')
    output_path = os.path.expanduser(
        output_path or os.path.splitext(path)[0] + '.ckpt')
    if os.path.isdir(output_path):
        raise ValueError(
            f'--output_path={output_path}: a folder; add the name of the '
            'checkpoint, such as model.ckpt.')
    labels = None if labels_file is None else label_map.read_labels(labels_file)
    print(f'Converting {path} ...', flush=True)
    weights = caffe.read(path, model_name, num_classes, labels, anchors)
    _save(output_path, weights)
    print(f'{output_path}: {model_name}')
    if weights.unused:
        print(f'not used: {", ".join(weights.unused)}')
    script, argument = 'train_ssd_network.py', '...'
    if weights.metadata is not None:
        script, argument = 'detect_ssd_network.py', '--input=IMAGE'
        sizes = ('..'.join(map(str, sizes))
                 for sizes in weights.metadata['anchor_sizes'])
        print(f'classes: {", ".join(weights.metadata["classes"])}')
        print(f'anchors: {", ".join(sizes)} pixels')
    print(f'next: python {script} --checkpoint_path={output_path} {argument}')


def inspect(path: str):
    """Prints what is in a .caffemodel or a checkpoint."""
    runtime.prepare()
    path = os.path.expanduser(path)
    print('\n'.join(
        _describe_checkpoint(path) if checkpoints.paths.is_checkpoint(path)
        else caffe_model.describe(caffe_model.read(path))))


def _save(path, weights):
    """Writes the checkpoint of caffe.Weights."""
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.get_or_create_global_step()
        if weights.metadata is not None:
            checkpoints.metadata.variable(weights.metadata)
        session.run(tf.global_variables_initializer())
        for name, value in weights.values.items():
            initializer = tf.get_variable(name, value.shape).initializer
            session.run(initializer, {initializer.inputs[1]: value})
        try:
            # The folder may be a training's: its state stays what it is.
            tf.train.Saver().save(
                session, path, write_meta_graph=False, write_state=False)
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
    yield (f'no {checkpoints.metadata.NAME}: the flags and defaults say the '
           'rest' if metadata is None else
           f'{checkpoints.metadata.NAME}: {json.dumps(metadata, indent=2)}')
