"""Conversion of Caffe models as a user sees it, and what is in a file."""
import json
import math
import os

from datasets import label_map
from engine import caffe_import
from engine import caffe_model
from engine import checkpoints
from engine import published
from engine import runtime


def convert(caffemodel_path, model_name, num_classes, labels_file, anchors,
            output_path):
    """Converts a .caffemodel and prints what was done; see caffe_import."""
    runtime.prepare()
    _refuse_checkpoint(caffemodel_path)
    labels = None
    if labels_file is not None:
        labels = label_map.read_labels(labels_file)
    conversion = caffe_import.convert(
        caffemodel_path, model_name, num_classes, labels, anchors, output_path)
    print(f'{conversion.checkpoint_path}: {model_name}')
    if conversion.unused_layers:
        print(f'not used: {", ".join(conversion.unused_layers)}')
    if conversion.params is None:
        print('next: python train_ssd_network.py '
              f'--checkpoint_path={conversion.checkpoint_path} ...')
        return
    sizes = conversion.params.anchor_sizes
    print(f'classes: {", ".join(conversion.labels)}')
    print(f'anchors: {", ".join(f"{low}..{high}" for low, high in sizes)}')
    print('next: python detect_ssd_network.py '
          f'--checkpoint_path={conversion.checkpoint_path} --input=IMAGE')


def inspect(path):
    """Prints what is in a .caffemodel or a checkpoint."""
    runtime.prepare()
    if path.endswith('.caffemodel'):
        lines = caffe_model.describe(caffe_model.read(path))
    else:
        lines = _describe_checkpoint(path)
    print('\n'.join(lines))


def _refuse_checkpoint(path):
    """Raises ValueError if the path is that of a TensorFlow checkpoint."""
    if os.path.exists(f'{path}.index'):
        names = checkpoints.open_reader(path).get_variable_to_shape_map()
        published.check_names(names, path)
        raise ValueError(
            f'{path}: a TensorFlow checkpoint already; the other scripts take '
            'it as --checkpoint_path.')


def _describe_checkpoint(path):
    """Yields lines: variables with shapes, metadata, number of parameters."""
    prefix = checkpoints.find(path)
    shapes = checkpoints.open_reader(prefix).get_variable_to_shape_map()
    metadata = checkpoints.read_metadata(prefix)
    for name, shape in sorted(shapes.items()):
        yield f'{name:60} {"x".join(map(str, shape)) or "scalar"}'
    total = sum(math.prod(shape) for shape in shapes.values())
    yield f'{len(shapes)} variables, {total:,} numbers'
    if metadata is None:
        yield f'no {checkpoints.METADATA}: the flags and defaults say the rest'
    else:
        yield f'{checkpoints.METADATA}: {json.dumps(metadata, indent=2)}'
