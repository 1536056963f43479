"""--engine=auto: the runtime that is the fastest here for a checkpoint."""
import functools
import importlib.util
import math
import os
import statistics
import tempfile
import time
from collections.abc import Sequence

import cv2
import numpy as np

from engine import checkpoints
from engine import thresholds
from engine.detecting import checkpoint_network
from engine.detecting import exported_network
from engine.detecting import options
from engine.evaluation import options as evaluation_options
from engine.exporting import export
from engine.exporting import graph
from engine.exporting import options as export_options

# What is tried: names in sentences, and packages that run it.
_ENGINES = {'openvino': ('OpenVINO', 'openvino'),
            'onnx': ('ONNX Runtime', 'onnxruntime'),
            'tflite': ('LiteRT', 'ai_edge_litert')}
# Times as fast as TensorFlow, below which nothing else is worth it.
_MIN_GAIN = 1.05
# Scores from here on are compared.
_MIN_SCORE = .01
_MAX_SCORE_DIFFERENCE, _MAX_PIXELS = 1e-4, .1
_NUM_RUNS = 5

_Network = (checkpoint_network.CheckpointNetwork
            | exported_network.ExportedNetwork)


def find(model: options.Model, class_names: Sequence[str] | None,
         detection: options.Detection,
         max_threshold: float = math.inf) -> _Network:
    """Returns the fastest network that finds what the checkpoint's does.

    The arguments are those of CheckpointNetwork. Its notes say which it is.

    Raises:
      ValueError: as CheckpointNetwork.
    """
    if model.compute_dtype != 'float32':
        raise ValueError(
            f'--engine=auto computes in float32, not in {model.compute_dtype}; '
            'leave one of the two flags out.')
    prefix = checkpoints.paths.find(model.checkpoint_path, model.which)
    threshold = thresholds.read(detection.select_threshold, prefix)
    detection = detection._replace(select_threshold=threshold)
    low = detection._replace(
        select_threshold=min(threshold, max_threshold, _MIN_SCORE))
    reference = checkpoint_network.CheckpointNetwork(model, class_names, low)
    images = _images(reference.input_shape, detection.batch_size)
    expected = reference.find(images)
    rates = {'TensorFlow': _rate(reference, images)}
    reference.close()
    network, paths, left_out = None, {}, []
    with tempfile.TemporaryDirectory() as folder:
        for name, write in _exports(folder, reference, model, low):
            try:
                paths[name] = write()
                other = exported_network.ExportedNetwork(
                    options.Model(paths[name]), None, low)
                if _is_same(other.find(images), expected):
                    rates[name] = _rate(other, images)
                else:
                    left_out.append(f'{name} finds other things')
                other.close()
            except Exception as error:  # Of a converter or a runtime.
                line = str(error).partition('\n')[0]
                left_out.append(f'{name} is left out, {line}')
        best = max(rates, key=rates.get)
        if rates[best] > rates['TensorFlow'] * _MIN_GAIN:
            network = exported_network.ExportedNetwork(
                options.Model(paths[best]), None, detection, max_threshold)
    if network is None:
        best, network = 'TensorFlow', checkpoint_network.CheckpointNetwork(
            model, class_names, detection, max_threshold)
    network.path = prefix
    outcomes = [*(f'{name} {rate:.1f} images/s'
                  for name, rate in rates.items()), *left_out]
    network.notes = [*reference.notes, f'--engine=auto: {best} is used '
                     f'({", ".join(outcomes)}).']
    return network


def _images(input_shape, num):
    """Returns images of the network's size, of smooth colours."""
    rng = np.random.default_rng(0)
    return [cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8),
                       input_shape[::-1]) for _ in range(num)]


def _exports(folder, reference, model, detection):
    """Yields names of what is installed, and functions.

    They write the checkpoint for it, and return the path.
    """
    selection = {name: getattr(detection, name)
                 for name in evaluation_options.Detection._fields}
    frozen = graph.build(
        reference.path, reference.network,
        moving_average_decay=model.moving_average_decay, **selection)
    about = export.about_file(
        reference.path, reference.network, reference.class_names,
        evaluation_options.Detection(**selection), export_options.Export())
    def write(module):
        first, *_ = export.write_file(
            folder, module, frozen, 'float32', None, about)
        return os.path.join(folder, first)

    for name, (title, package) in _ENGINES.items():
        module = export.FORMATS[name]
        if all(importlib.util.find_spec(needed)
               for needed in (package, *module.PACKAGES)):
            yield title, functools.partial(write, module)


def _rate(network, images):
    """Returns images per second; the network has run before."""
    seconds = []
    for _ in range(_NUM_RUNS):
        start = time.perf_counter()
        network.find(images)
        seconds.append(time.perf_counter() - start)
    return len(images) / statistics.median(seconds)


def _is_same(found, expected):
    """Whether the same is found, in whatever order where scores are equal."""
    return all(
        len(one.scores) == len(other.scores)
        and np.allclose(
            one.scores, other.scores, 0, _MAX_SCORE_DIFFERENCE)
        and (np.sort(one.class_ids) == np.sort(other.class_ids)).all()
        and np.allclose(np.sort(one.bboxes, 0), np.sort(other.bboxes, 0), 0,
                        _MAX_PIXELS)
        for one, other in zip(found, expected, strict=True))
