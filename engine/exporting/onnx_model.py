"""ONNX: for ONNX Runtime and many others."""
import os
import tempfile

import numpy as np

from engine import backends
from engine.exporting import graph

NAME = 'onnx'
PRECISIONS = ('float32', 'float16', 'int8')
PACKAGES, INT8_PACKAGES = ('tf2onnx', 'onnx', 'onnxruntime'), ()
OPSET = 17
# What is computed in int8, but for the post-processing.
_QUANTIZED = ('Conv', 'Clip', 'Relu', 'Add', 'MaxPool', 'AveragePool')


def convert(frozen: graph.Frozen, precision: str, images: list[np.ndarray],
            about: str, is_symmetric: bool = False) -> dict[str, bytes]:
    """Returns a graph as an .onnx file: {name: content}.

    Args:
      frozen: of graph.build.
      precision: of PRECISIONS. In float16 the weights are stored; it depends
        on the runtime in what they are computed.
      images: of the input's type and shape each; for int8.
      about: JSON that is put into the file.
      is_symmetric: of int8, whether 0 stands for 0 everywhere.
    """
    tf2onnx = backends.import_package('tf2onnx', 'ONNX')
    model, _ = tf2onnx.convert.from_graph_def(
        frozen.graph_def, input_names=[f'{backends.INPUT}:0'],
        output_names=[f'{name}:0' for name in frozen.outputs], opset=OPSET)
    _rename(model, (backends.INPUT, *frozen.outputs))
    if precision == 'float16':
        _store_in_float16(model)
    elif precision == 'int8':
        model = _quantized(model, images, is_symmetric)
    model.metadata_props.add(key=backends.METADATA, value=about)
    return {'model.onnx': model.SerializeToString()}


def _rename(model, names):
    """Gives inputs and outputs their names in place of those of tensors."""
    for node in model.graph.node:
        for values in (node.input, node.output):
            for i, value in enumerate(values):
                if value.removesuffix(':0') in names:
                    values[i] = value.removesuffix(':0')
    for value in (*model.graph.input, *model.graph.output):
        value.name = value.name.removesuffix(':0')


def _store_in_float16(model):
    """Rounds kernels to float16; each is cast when it is used."""
    onnx = backends.import_package('onnx', 'ONNX')
    casts = []
    for tensor in model.graph.initializer:
        if len(tensor.dims) != 4:
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(
            onnx.numpy_helper.to_array(tensor).astype(np.float16),
            f'{name}_float16'))
        casts.append(onnx.helper.make_node(
            'Cast', [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _quantized(model, images, is_symmetric):
    """Returns the model with Q/DQ around what is computed in int8.

    Weights are int8, by channel. What is between layers is uint8, which ONNX
    Runtime computes with up to twice as fast as with int8 on x86; or, if it
    is symmetric, int8.
    """
    onnx = backends.import_package('onnx', 'ONNX')
    quantization = backends.import_package('onnxruntime.quantization', 'int8')
    constants = {tensor.name for tensor in model.graph.initializer}

    class Images(quantization.CalibrationDataReader):
        def __init__(self):
            self._images = iter(images)

        def get_next(self):
            image = next(self._images, None)
            return None if image is None else {backends.INPUT: image}

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'model.onnx')
        quantization.quantize_static(
            model, path, Images(),
            op_types_to_quantize=_QUANTIZED,
            nodes_to_exclude=[
                node.name for node in model.graph.node
                if node.name.startswith(graph.POSTPROCESSING)
                or node.op_type == 'Add' and constants & set(node.input)],
            quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            **({'activation_type': quantization.QuantType.QInt8,
                'extra_options': {'ActivationSymmetric': True,
                                  'QuantizeBias': False}}
               if is_symmetric else
               {'activation_type': quantization.QuantType.QUInt8}))
        return onnx.load(path)
