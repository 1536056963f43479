"""Writes a checkpoint for other runtimes, and proves that it is as good."""
import contextlib
import importlib.metadata
import io
import json
import logging
import math
import os
import types
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from common import commands
from common import files
from common import tables
from engine import backends
from engine import checkpoints
from engine import models
from engine import runtime
from engine import thresholds
from engine.evaluation import options as evaluation_options
from engine.exporting import graph
from engine.exporting import images
from engine.exporting import onnx_model
from engine.exporting import openvino_model
from engine.exporting import options
from engine.exporting import proof
from engine.exporting import saved_model
from engine.exporting import tensorrt_model
from engine.exporting import tflite_model
from nets import ssd

FORMATS = {module.NAME: module for module in (
    saved_model, onnx_model, openvino_model, tflite_model, tensorrt_model)}
# Those that are written if none is named.
DEFAULT_FORMATS = ('saved_model', 'onnx', 'openvino', 'tflite')
MAX_MAP_LOSS = {'float32': .001, 'float16': .002, 'int8': .01}
REPORT = 'export.json'
RESIZE = ('to image_shape, both sides for themselves; bilinear, of the centres '
          'of pixels, as OpenCV; rounded to whole numbers')
_PACKAGES = ('tensorflow', 'onnx', 'tf2onnx', 'onnxruntime', 'openvino',
             'nncf', 'ai-edge-litert')


class Exported(NamedTuple):
    """A file of an export, and its proof."""
    format: str
    parts: list[str]  # Paths below the folder, the one to open first.
    proof: proof.Proof
    difference: proof.Difference
    num_bytes: int
    faults: list[str]  # In what it is too bad.


def run(data: options.Data, model: options.Model,
        detection: evaluation_options.Detection, export: options.Export):
    """Exports a checkpoint in all --formats; prints the table of the proof.

    The files, and export.json with the same numbers, are in --output_dir when
    all are proven; those that are not good enough have .failed in their names.

    Raises:
      ValueError: the options do not fit together, a package is missing, or,
        at the end, a file is not good enough.
      OSError: the output_dir cannot be written to.
    """
    runtime.prepare()
    export = export._replace(output_dir=files.user_path(export.output_dir))
    formats = _formats(export)
    prefix = checkpoints.paths.find(model.checkpoint_path, model.which)
    dataset, calibration = _datasets(data, export)
    network, class_names, labels = _network(prefix, model, dataset)
    files.check_folder(export.output_dir)
    batches = images.first(dataset, network, data.num_proof_images)
    arguments = batches, dataset, labels, detection, export
    expected = _prove_checkpoint(prefix, network, model, *arguments)
    frozen = graph.build(
        prefix, network, export.batch_size, export.input_type,
        export.heads_only, model.moving_average_decay, **detection._asdict())
    calibration_images = None
    if calibration is not None:
        calibration_images = _in_batches(images.chosen(
            calibration, network, data.num_calibration_images,
            data.random_seed), export)
    about = about_file(prefix, network, class_names, detection, export)
    with files.workplace(
            os.path.join(export.output_dir, '.export')) as folder:
        parts = {}
        for name, module in formats.items():
            parts[name] = write_file(
                folder, module, frozen, export.precision, calibration_images,
                about)
            print(f'{name}: converted to {export.precision}.', flush=True)
        exported = [_prove(folder, name, parts[name], expected, *arguments)
                    for name in formats]
        _write_report(folder, prefix, dataset, about, expected, exported)
        _publish(folder, export.output_dir, exported)
    _tell(prefix, dataset, expected, exported, export)


def _formats(export):
    """Returns the modules of --formats by name; their packages are there."""
    unknown = set(export.formats or ()) - set(FORMATS)
    if unknown:
        raise ValueError(f'--formats={",".join(export.formats)}: unknown: '
                         f'{", ".join(sorted(unknown))}; known: '
                         f'{", ".join(FORMATS)}.')
    able = {name: module for name, module in FORMATS.items()
            if export.precision in module.PRECISIONS}
    formats = {name: FORMATS[name] for name in export.formats or [
        name for name in DEFAULT_FORMATS if name in able]}
    if set(formats) - set(able):
        raise ValueError(
            f'--formats={",".join(export.formats)}: '
            f'{", ".join(set(formats) - set(able))} has no '
            f'--precision={export.precision}; these have: {", ".join(able)}.')
    for name, module in formats.items():
        is_int8 = export.precision == 'int8'
        for package in (*module.PACKAGES, *is_int8 * module.INT8_PACKAGES):
            backends.check_package(package, f'--formats={name}')
    return formats


def _datasets(data, export):
    """Returns the data sets of proof and, for int8, of calibration."""
    def opened(split_name):
        return models.open_dataset(evaluation_options.Data(
            data.dataset_name, data.dataset_dir, split_name))

    dataset, calibration = opened(data.dataset_split_name), None
    if export.precision == 'int8':
        try:
            calibration = opened(data.calibration_split_name)
        except ValueError as error:
            raise ValueError(
                f'--calibration_split_name={data.calibration_split_name}: '
                f'{error}') from None
    return dataset, calibration


def _network(prefix, model, dataset):
    """Returns the network, its classes, and the data set's label of each."""
    metadata = checkpoints.metadata.read(prefix)
    class_names, labels = dataset.labels, range(len(dataset.labels) + 1)
    if metadata is not None:
        class_names = metadata['classes']
        labels = models.labels_of_data(dataset.labels, metadata, prefix)
    elif model.model_name is None:
        raise ValueError(
            f'{prefix}: has no {checkpoints.metadata.NAME}: give its '
            '--model_name, such as ssd_300_vgg, and --anchors=voc if it has '
            "these; its classes are then taken to be the data set's.")
    network = models.make_network(
        model.model_name, class_names, metadata, model.anchors)
    return network, class_names, labels


def _in_batches(pixels, export):
    """Returns images as a list of what the input takes at a time."""
    size = export.batch_size
    # The last batch is filled up.
    num = -(-len(pixels) // size) * size
    pixels = np.resize(pixels, (num, *pixels.shape[1:])).astype(
        export.input_type)
    return [pixels[i:i + size] for i in range(0, num, size)]


def about_file(prefix: str, network: ssd.SSDNet, class_names: Sequence[str],
               detection: evaluation_options.Detection,
               export: options.Export) -> dict:
    """Returns what every file of a checkpoint says of itself, as JSON's."""
    try:
        best = thresholds.read('best', prefix)
    except ValueError:
        best = None
    try:
        version = importlib.metadata.version('ssd-tensorflow')
    except importlib.metadata.PackageNotFoundError:
        version = None
    return {
        'format_version': backends.FORMAT_VERSION,
        'program_version': version,
        'checkpoint': os.path.basename(prefix),
        'step': checkpoints.reader.global_step(prefix),
        'model_name': network.name, 'classes': class_names,
        'image_shape': network.params.img_shape,
        **{field: getattr(export, field) for field in (
            'precision', 'input_type', 'batch_size', 'heads_only')},
        'input': 'RGB, 0 to 255', 'resize': RESIZE,
        **detection._asdict(), 'best_threshold': best}


def write_file(folder: str, module: types.ModuleType, frozen: graph.Frozen,
               precision: str, calibration_images: list[np.ndarray] | None,
               about: dict) -> list[str]:
    """Writes the files of a format; returns their paths below the folder.

    The one to open is the first. The module is of FORMATS, `about` of
    about_file; for the rest see its `convert`.
    """
    with _quiet():
        parts = backends.seal(module.convert(
            frozen, precision, calibration_images,
            json.dumps({**about, 'sum': backends.NO_SUM})))
    for name, content in parts.items():
        files.write_whole(os.path.join(folder, name), [content])
    return list(parts)


@contextlib.contextmanager
def _quiet():
    """Hides what converters log, warn of and print."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (warnings.catch_warnings(),
              contextlib.redirect_stdout(io.StringIO())):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(disabled)


def _prove_checkpoint(prefix, network, model, batches, dataset, labels,
                      detection, export):
    with proof.checkpoint_detector(
            prefix, network, export.batch_size, model.moving_average_decay,
            **detection._asdict()) as detect:
        proven = proof.prove('checkpoint', batches, detect, dataset, labels,
                             detection.select_threshold)
    if any(map(math.isnan, proven.metrics.values())):
        raise ValueError(
            f'{dataset.name} {dataset.split_name}: its images have no object '
            'to find, which proves nothing; choose another '
            '--dataset_split_name.')
    return proven


def _prove(folder, name, parts, expected, batches, dataset, labels, detection,
           export):
    """Returns the Exported of a format."""
    path = os.path.join(folder, parts[0].partition('/')[0])
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(backends.Backend(path))
        detect = backend.detect
        if export.heads_only:
            detect = stack.enter_context(proof.heads_detector(
                backend, **detection._asdict()))
        proven = proof.prove(name, batches, detect, dataset, labels,
                             detection.select_threshold)
    max_loss = export.max_map_loss
    if max_loss is None:
        max_loss = MAX_MAP_LOSS[export.precision]
    faults = [
        f'{metric} fell from {before:.4f} to {proven.metrics[metric]:.4f}'
        for metric, before in expected.metrics.items()
        if not before - proven.metrics[metric] <= max_loss]
    num_bytes = sum(os.path.getsize(os.path.join(folder, part))
                    for part in parts)
    return Exported(name, parts, proven,
                    proof.compare(proven.found, expected.found), num_bytes,
                    faults)


def _to_open(one):
    """Returns the name that an Exported is opened by in its folder."""
    return _name(one.parts[0], bool(one.faults)).partition('/')[0]


def _name(part, is_failed):
    """Returns the path of a part in the folder of the results."""
    first, slash, rest = part.partition('/')
    root, ending = os.path.splitext(first)
    return root + backends.FAILED * is_failed + ending + slash + rest


def _publish(folder, output_dir, exported):
    """Moves all files to their places; export.json, which tells of them, last.

    What is interrupted in between has no export.json.
    """
    path = os.path.join(output_dir, REPORT)
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    for one in exported:
        _move(folder, output_dir, one)
    os.replace(os.path.join(folder, REPORT), path)


def _move(folder, output_dir, one):
    """Gives a file its place, and removes an earlier one of other result."""
    for part in reversed(one.parts):
        path = os.path.join(output_dir, _name(part, bool(one.faults)))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(output_dir, _name(part, not one.faults)))
        os.replace(os.path.join(folder, part), path)


def _write_report(folder, prefix, dataset, about, expected, exported):
    """Writes export.json."""
    files.write_whole(os.path.join(folder, REPORT), [json.dumps({
        **about, 'checkpoint': prefix, 'dataset': dataset.name,
        'split': dataset.split_name, 'num_images': _num_images(expected),
        **_numbers(expected), 'packages': _versions(),
        'files': [{
            'file': _to_open(one), 'is_good': not one.faults,
            **_numbers(one.proof), **one.difference._asdict(),
            'num_bytes': one.num_bytes} for one in exported]},
        indent=2, ensure_ascii=False), '\n'])


def _tell(prefix, dataset, expected, exported, export):
    """Prints the table; raises ValueError of what is not good enough."""
    print(f'{prefix} and its files on {_num_images(expected)} images of '
          f'{dataset.name} {dataset.split_name}:')
    print('\n'.join(tables.lines([
        ('', *(name.replace('_', ' ') for name in expected.metrics),
         'different', 'score', 'bbox', 'images/s', 'MB'),
        _row('checkpoint', expected),
        *(_row(_to_open(one), one.proof,
               f'{one.difference.num_different} of '
               f'{one.difference.num_detections}',
               f'{one.difference.score_difference:.1e}',
               f'{one.difference.bbox_difference:.1e}',
               f'{one.num_bytes / 1e6:.1f}') for one in exported)])))
    print(f'In {export.output_dir}; the same numbers: {REPORT}', flush=True)
    faults = [
        f'{os.path.join(export.output_dir, _to_open(one))}: '
        f'{"; ".join(one.faults)}. {_advice(export)}'
        for one in exported if one.faults]
    if faults:
        raise ValueError('\n'.join(faults))
    good = [one for one in exported if not one.faults]
    if good and not export.heads_only:  # Those are for other programs.
        path = os.path.join(export.output_dir, _to_open(good[0]))
        print('Next: ' + commands.line(
            'python detect_ssd_network.py', checkpoint_path=path,
            input='IMAGE_FOLDER_OR_VIDEO'), flush=True)


def _num_images(proven):
    return sum(len(found.num) for found in proven.found)


def _row(name, proven, different='', score='', bbox='', size=''):
    return (name, *(f'{value:.4f}' for value in proven.metrics.values()),
            different, score, bbox, f'{proven.images_per_second:.1f}', size)


def _numbers(proven):
    return {**proven.metrics, 'images_per_second': proven.images_per_second}


def _versions():
    """Returns the versions of the packages that are installed."""
    versions = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _advice(export):
    if export.precision == 'int8':
        return ('Try more images to calibrate on '
                '(--num_calibration_images=300), or another of the --formats; '
                '--max_map_loss allows more.')
    return ('Try another of the --formats, or --precision=float32; '
            '--max_map_loss allows more.'
            if export.precision == 'float16' else
            'That should not be: please report it, with the versions of '
            f'{REPORT}.')
