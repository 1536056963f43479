"""Conversion of Caffe models as a user sees it, and what is in a file."""
import json
import math
import os

from datasets import label_map
from engine import checkpoints
from engine import runtime
from engine.importing import caffe
from engine.importing import caffe_model


def convert(caffemodel_path, model_name, num_classes, labels_file, anchors,
            output_path):
    """Converts a .caffemodel and prints what was done; see caffe_import."""
    runtime.prepare()
    caffemodel_path = os.path.expanduser(caffemodel_path)
    if checkpoints.paths.is_checkpoint(caffemodel_path):
        prefix = checkpoints.paths.find(caffemodel_path)
        raise ValueError(
            f'{prefix}: a TensorFlow checkpoint already; the other scripts '
            'take it as --checkpoint_path.')
    labels = None
    if labels_file is not None:
        labels = label_map.read_labels(labels_file)
    print(f'Converting {caffemodel_path} ...', flush=True)
    conversion = caffe.convert(
        caffemodel_path, model_name, num_classes, labels, anchors, output_path)
    print(f'{conversion.checkpoint_path}: {model_name}')
    if conversion.unused_layers:
        print(f'not used: {", ".join(conversion.unused_layers)}')
    if conversion.params is None:
        print('next: python train_ssd_network.py '
              f'--checkpoint_path={conversion.checkpoint_path} ...')
        return
    sizes = ('..'.join(map(str, sizes))
             for sizes in conversion.params.anchor_sizes)
    print(f'classes: {", ".join(conversion.labels)}')
    print(f'anchors: {", ".join(sizes)} pixels')
    print('next: python detect_ssd_network.py '
          f'--checkpoint_path={conversion.checkpoint_path} --input=IMAGE')


def inspect(path):
    """Prints what is in a .caffemodel or a checkpoint."""
    runtime.prepare()
    path = os.path.expanduser(path)
    if checkpoints.paths.is_checkpoint(path):
        lines = _describe_checkpoint(path)
    else:
        lines = caffe_model.describe(caffe_model.read(path))
    print('\n'.join(lines))


def _describe_checkpoint(path):
    """Yields lines: variables with shapes, metadata, number of parameters."""
    prefix = checkpoints.paths.locate(path)
    reader = checkpoints.reader.open_reader(prefix)
    shapes = reader.get_variable_to_shape_map()
    types = reader.get_variable_to_dtype_map()
    metadata = checkpoints.metadata.read(prefix)
    for name, shape in sorted(shapes.items()):
        yield f'{name:60} {"x".join(map(str, shape)) or "scalar"}'
    # Not the optimiser's slots and averages, which are below a variable, nor
    # its scalars.
    total = sum(
        math.prod(shape) for name, shape in shapes.items()
        if shape and types[name].is_floating
        and os.path.dirname(name) not in shapes)
    yield f'{len(shapes)} variables, {total:,} parameters'
    if metadata is None:
        yield (f'no {checkpoints.metadata.NAME}: the flags and defaults say '
               'the rest')
    else:
        yield f'{checkpoints.metadata.NAME}: {json.dumps(metadata, indent=2)}'
