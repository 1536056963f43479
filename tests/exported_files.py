"""Exported files of a small network with random weights, of every format."""
import json

from datasets.shapes import drawing
from engine import backends
from engine import checkpoints
from engine import models
from engine.evaluation import options as evaluation_options
from engine.exporting import export
from engine.exporting import graph
from tests import detector_files
from tests import small_trunk

NAME = small_trunk.SSDNet.name
# What is opened, of each format.
FILES = {'saved_model': 'saved_model', 'onnx': 'model.onnx',
         'openvino': 'model.xml', 'tflite': 'model.tflite'}


def save(path):
    """Saves random weights of the small trunk, which is registered."""
    return detector_files.save(path, drawing.CLASSES, model_name=NAME)


def write(folder, frozen, precision='float32', images=None, formats=FILES,
          **about):
    """Writes a graph in all formats; returns {format: path to open}."""
    about = {
        **evaluation_options.Detection()._asdict(),
        'format_version': backends.FORMAT_VERSION, 'heads_only': False,
        'classes': drawing.CLASSES, 'model_name': NAME, 'step': 7,
        'best_threshold': None, 'batch_size': frozen.input_shape[0],
        'image_shape': frozen.input_shape[1:3],
        'input_type': frozen.input_type, 'sum': backends.NO_SUM, **about}
    for name in formats:
        for part, content in backends.seal(export.FORMATS[name].convert(
                frozen, precision, images, json.dumps(about))).items():
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).write_bytes(content)
    return {name: str(folder / FILES[name]) for name in formats}


def build(prefix, **options):
    """Returns the graph.Frozen of a checkpoint."""
    options = {**evaluation_options.Detection()._asdict(), **options}
    metadata = checkpoints.metadata.read(prefix)
    network = models.make_network(None, metadata['classes'], metadata)
    return graph.build(prefix, network, **options)
