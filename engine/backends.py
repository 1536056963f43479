"""Exported files in their own runtimes: one call from images to detections.

Nothing here needs TensorFlow, but for a SavedModel. What is in the files says
engine.exporting.
"""
import hashlib
import importlib.util
import json
import os
import re
import sys
import threading
from typing import NamedTuple

import numpy as np

from common import files

# Key of what a file says of itself, as JSON, in the place of its format.
METADATA = 'ssd_metadata'
FORMAT_VERSION = 1
SAVED_MODEL = 'saved_model.pb'
# Beside a SavedModel's graph, where TensorFlow keeps what is not its own.
SAVED_MODEL_METADATA = os.path.join('assets.extra', f'{METADATA}.json')
# In the names of files that were not as good as their checkpoint.
FAILED = '.failed'
INPUT, DETECTIONS, HEADS = (
    'images', ('boxes', 'scores', 'class_ids', 'num'), ('boxes', 'scores'))
# Options of a checkpoint, and of a detection, that the file has decided on.
_OF_CHECKPOINTS = (
    'model_name', 'labels', 'labels_file', 'anchors', 'moving_average_decay',
    'compute_dtype', 'which', 'engine')
_OF_DETECTION = 'select_top_k', 'keep_top_k', 'nms_threshold'
# What openvino and nncf report their use through.
_TELEMETRY = 'openvino_telemetry'
# The sum of the files' content, with zeros for its own digits.
_SUM = re.compile(rb'ssd-sha256-([0-9a-f]{64})')
NO_SUM = f'ssd-sha256-{"0" * 64}'


class Found(NamedTuple):
    """Detections of n images, by descending score; 0 after the first `num`."""
    classes: np.ndarray  # int32 [n, keep_top_k], from 1.
    scores: np.ndarray   # float32 [n, keep_top_k].
    bboxes: np.ndarray   # float32 [n, keep_top_k, 4], relative, clipped.
    num: np.ndarray      # int32 [n].


class Backend:
    """An exported file, ready to run; for use by many threads.

    Attributes:
      path: of the file.
      about: what it says of itself: 'classes', the list of names; and more,
        as engine.exporting.export writes it.
    """

    def __init__(self, path: str):
        """Loads a file.

        Args:
          path: an .onnx, an .xml of OpenVINO, whose .bin is beside it, a
            .tflite, or the folder of a SavedModel.

        Raises:
          ValueError: it is damaged, of another version, was not as good as
            its checkpoint, or its runtime is not installed.
          OSError: it cannot be read.
        """
        self.path = os.path.normpath(files.user_path(path))
        name = os.path.basename(self.path)
        if FAILED in name:
            raise ValueError(
                f'{self.path}: is not as good as its checkpoint (export.json '
                'beside it says by how much); rename it to use it anyway.')
        _check_sum(self.path, _parts(self.path))
        runtime = _RUNTIMES[_ending(self.path)]
        library = import_package(runtime.package, self.path)
        try:
            self._runtime = runtime(library, self.path)
            self.about = json.loads(self._runtime.metadata)
            version = self.about['format_version']
        except (OSError, MemoryError):
            raise
        except Exception as error:  # Of four libraries, of any kind.
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            raise ValueError(
                f'{self.path}: cannot be opened: {reason}') from None
        if version != FORMAT_VERSION:
            raise ValueError(
                f'{self.path}: is of version {version}; this program reads '
                f'version {FORMAT_VERSION}. Export it again.')
        self._lock = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Frees the file; it cannot be run afterwards."""
        del self._runtime

    def check(self, model: tuple, detection: tuple):
        """Checks that options do not contradict what the file decided on.

        Args:
          model, detection: NamedTuples with the names and the defaults of
            flags; what is the default is taken to be not given.

        Raises:
          ValueError: they do; or the file has no suppression.
        """
        self._check_detects()
        given = [f'--{name}' for name in _OF_CHECKPOINTS
                 if getattr(model, name, None)
                 != model._field_defaults.get(name)]
        if given:
            raise ValueError(
                f'{self.path}: is exported, and {", ".join(given)} is decided '
                'on in it; leave that out.')
        for name in _OF_DETECTION:
            value = getattr(detection, name)
            if value not in (
                    self.about[name], detection._field_defaults[name]):
                raise ValueError(
                    f'--{name}={value}: {self.path} was exported with '
                    f'{self.about[name]}; leave the flag out, or export it '
                    'again.')

    def check_threshold(self, select_threshold: float):
        """Raises ValueError if scores above it are not all in the file."""
        if select_threshold < self.about['select_threshold']:
            raise ValueError(
                f'--select_threshold={select_threshold:g}: {self.path} was '
                f'exported with {self.about["select_threshold"]:g} and leaves '
                'out what is below; give a higher one, or export it again.')

    def _check_detects(self):
        if self.about['heads_only']:
            raise ValueError(
                f'{self.path}: was exported with --heads_only, which leaves '
                'the suppression out; export it without.')

    def detect(self, images: np.ndarray) -> Found:
        """Returns what is found in images; see `run`.

        Raises:
          ValueError: also if the file has no suppression.
        """
        self._check_detects()
        outputs = self.run(images)
        return Found(*(outputs[name] for name in (
            'class_ids', 'scores', 'boxes', 'num')))

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the file's outputs, by name, of any number of images.

        Args:
          images: uint8, or what the file's input is, [n, height, width, 3],
            RGB, 0..255, of the network's size.

        Raises:
          ValueError: the images are of another type or size.
        """
        about = self.about
        batch_size, dtype = about['batch_size'], about['input_type']
        if (images.dtype not in (np.uint8, dtype)
                or images.shape[1:] != (*about['image_shape'], 3)):
            raise ValueError(
                f'{self.path}: the images are {images.dtype} '
                f'{list(images.shape)}; they must be {dtype} [n, '
                f'{", ".join(map(str, about["image_shape"]))}, 3], RGB.')
        num = len(images)
        padded = np.zeros((max(-(-num // batch_size), 1) * batch_size,
                           *images.shape[1:]), dtype)
        padded[:num] = images
        with self._lock:
            batches = [self._runtime.run(padded[i:i + batch_size])
                       for i in range(0, len(padded), batch_size)]
        return {name: np.concatenate([batch[name] for batch in batches])[:num]
                for name in (HEADS if about['heads_only'] else DETECTIONS)}


def is_exported(path: str) -> bool:
    """Whether a path is that of an exported file, by its name."""
    return _ending(files.user_path(path)) is not None


def seal(parts: dict[str, bytes]) -> dict[str, bytes]:
    """Returns files' contents with their sum in place of NO_SUM."""
    digits = _digest(parts.values()).encode()
    return {name: content.replace(
        NO_SUM.encode(), NO_SUM.encode()[:-len(digits)] + digits)
        for name, content in parts.items()}


def check_package(name: str, what: str):
    """Raises ValueError if a package that `what` needs is not installed."""
    if importlib.util.find_spec(name) is None:
        raise ValueError(_missing(name, what, 'is not installed'))


def import_package(name: str, what: str):
    """Returns the module of a package that not everybody has.

    What reports its use to its makers does not, if it was not imported before.

    Raises:
      ValueError: it cannot be imported; `what` needs it.
    """
    telemetry = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # As if it were not installed.
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(_missing(
            name.partition('.')[0], what, f'cannot be imported ({error})'
            )) from None
    finally:
        del sys.modules[_TELEMETRY]
        if telemetry is not None:
            sys.modules[_TELEMETRY] = telemetry


def _missing(name, what, fault):
    return (f'{what} needs the package {name}, which {fault}: pip install '
            "'.[export]'")


class _OnnxRuntime:
    package = 'onnxruntime'

    def __init__(self, library, path):
        library.disable_telemetry_events()  # Of its builds for Windows.
        options = library.SessionOptions()
        options.log_severity_level = 3
        self._session = library.InferenceSession(path, options, [
            name for name in ('CUDAExecutionProvider', 'CPUExecutionProvider')
            if name in library.get_available_providers()])
        self._names = [out.name for out in self._session.get_outputs()]
        properties = self._session.get_modelmeta().custom_metadata_map
        self.metadata = properties[METADATA]

    def run(self, images):
        return dict(zip(self._names, self._session.run(
            self._names, {INPUT: images}), strict=True))


class _OpenVino:
    package = 'openvino'

    def __init__(self, library, path):
        core = library.Core()
        model = core.read_model(path)
        self.metadata = model.get_rt_info(METADATA).astype(str)
        # As the file says; its own choice is bfloat16 on some CPUs.
        self._request = core.compile_model(model, 'CPU', {
            'INFERENCE_PRECISION_HINT': 'f32',
            'PERFORMANCE_HINT': 'LATENCY'}).create_infer_request()
        self._names = [out.get_any_name() for out in model.outputs]

    def run(self, images):
        outputs = self._request.infer({INPUT: images})
        return {name: outputs[name].copy() for name in self._names}


class _LiteRT:
    package = 'ai_edge_litert.interpreter'

    def __init__(self, library, path):
        schema = importlib.import_module('ai_edge_litert.schema_py_generated')
        with open(path, 'rb') as file:
            content = file.read()
        model = schema.Model.GetRootAs(content)
        self.metadata = next(
            model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
            for entry in map(model.Metadata, range(model.MetadataLength()))
            if entry.Name() == METADATA.encode())
        self._interpreter = library.Interpreter(
            model_content=content, num_threads=_num_cores())
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]['index']
        self._outputs = {out['name']: out['index'] for out
                         in self._interpreter.get_output_details()}

    def run(self, images):
        self._interpreter.set_tensor(self._input, images)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index)
                for name, index in self._outputs.items()}


class _SavedModel:
    package = 'tensorflow.compat.v1'

    def __init__(self, library, path):
        with open(os.path.join(path, SAVED_MODEL_METADATA), 'rb') as file:
            self.metadata = file.read()
        self._session = library.Session(graph=library.Graph())
        with self._session.graph.as_default():
            signature = library.saved_model.load(
                self._session, ['serve'], path).signature_def[
                    'serving_default']
        self._run = self._session.make_callable(
            [out.name for out in signature.outputs.values()],
            [signature.inputs[INPUT].name])
        self._names = list(signature.outputs)

    def run(self, images):
        return dict(zip(self._names, self._run(images), strict=True))


_RUNTIMES = {'.onnx': _OnnxRuntime, '.xml': _OpenVino, '.tflite': _LiteRT,
             SAVED_MODEL: _SavedModel}


def _ending(path):
    """Returns the key of _RUNTIMES that a path has, or None."""
    if os.path.isfile(os.path.join(path, SAVED_MODEL)):
        return SAVED_MODEL
    ending = os.path.splitext(path)[1].lower()
    return ending if ending in _RUNTIMES and not os.path.isdir(path) else None


def _parts(path):
    """Returns the paths of all files that make up an exported one."""
    ending = _ending(path)
    if ending == SAVED_MODEL:
        return [os.path.join(path, SAVED_MODEL),
                os.path.join(path, SAVED_MODEL_METADATA)]
    if ending == '.xml':
        return [path, f'{os.path.splitext(path)[0]}.bin']
    if ending is None:
        raise ValueError(
            f'{path}: not an exported file; these end in .onnx, .xml or '
            f'.tflite, or are a folder with {SAVED_MODEL}.')
    return [path]


def _check_sum(path, parts):
    """Raises ValueError unless files are as they were written."""
    contents = []
    for part in parts:
        try:
            with open(part, 'rb') as file:
                contents.append(file.read())
        except FileNotFoundError:
            raise ValueError(f'{part}: is missing.') from None
    found = next(filter(None, map(_SUM.search, contents)), None)
    if found is None:
        raise ValueError(
            f'{path}: was not written by export_ssd_network.py, or is '
            'damaged; export it again.')
    if found[1].decode() != _digest(contents):
        raise ValueError(
            f'{path}: is damaged, or was changed: its sum is another; export '
            'it again.')


def _digest(contents):
    """Returns the sum of files' contents, in hexadecimal digits."""
    digest = hashlib.sha256()
    for content in contents:
        place = _SUM.search(content)
        start, end = place.span(1) if place else (len(content),) * 2
        view = memoryview(content)
        digest.update(view[:start])
        digest.update(b'0' * (end - start))
        digest.update(view[end:])
    return digest.hexdigest()


def _num_cores():
    return (len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity')
            else os.cpu_count())
