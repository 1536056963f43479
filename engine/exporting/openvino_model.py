"""OpenVINO: for Intel's processors and others with its instructions."""
import os
import tempfile

import numpy as np

from engine import backends
from engine.exporting import graph

NAME = 'openvino'
PRECISIONS = ('float32', 'float16', 'int8')
PACKAGES, INT8_PACKAGES = ('openvino',), ('nncf',)


def convert(frozen: graph.Frozen, precision: str, images: list[np.ndarray],
            about: str) -> dict[str, bytes]:
    """Returns a graph as OpenVINO's two files; see onnx_model.convert."""
    openvino = backends.import_package('openvino', 'OpenVINO')
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'graph.pb')
        with open(path, 'wb') as file:
            file.write(frozen.graph_def.SerializeToString())
        model = openvino.Core().read_model(path)
        for port, name in zip(model.outputs, _order(model, frozen.outputs)):
            port.get_tensor().set_names({name})
        model.input().get_tensor().set_names({backends.INPUT})
        _settle_no_ties(model)
        if precision == 'int8':
            model = _quantized(model, images)
        model.set_rt_info(about, backends.METADATA)
        path = os.path.join(folder, 'model.xml')
        try:
            openvino.save_model(
                model, path, compress_to_fp16=precision == 'float16')
        except RuntimeError as error:
            raise OSError(f'{folder}: OpenVINO cannot write there ({error}); '
                          'is the disk full?') from None
        return {name: _read(os.path.join(folder, name))
                for name in ('model.xml', 'model.bin')}


def _order(model, names):
    """Returns the names of a model's outputs, in its order."""
    return [next(name for name in names if f'{name}:0' in port.get_names())
            for port in model.outputs]


def _settle_no_ties(model):
    """Lets TopK leave the order of equal values open.

    The graph does not rely on it, and otherwise it takes a hundred times as
    long.
    """
    opset = backends.import_package('openvino.opset11', 'OpenVINO')
    for node in model.get_ops():
        if node.get_type_name() == 'TopK':
            about = node.get_attributes()
            other = opset.topk(
                node.input_value(0), node.input_value(1), about['axis'],
                about['mode'], about['sort'], about['index_element_type'],
                stable=False)
            for old, new in zip(node.outputs(), other.outputs(), strict=True):
                old.replace(new)


def _quantized(model, images):
    nncf = backends.import_package('nncf', 'int8')
    return nncf.quantize(
        model, nncf.Dataset(images), subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(
            patterns=[f'{graph.POSTPROCESSING}/.*'], validate=False))


def _read(path):
    with open(path, 'rb') as file:
        return file.read()
