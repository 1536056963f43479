"""TFLite: for LiteRT, on phones and small machines."""
import numpy as np
import tensorflow.compat.v1 as tf

from engine import backends
from engine.exporting import graph

NAME = 'tflite'
PRECISIONS = ('float32', 'float16', 'int8')
PACKAGES, INT8_PACKAGES = ('ai_edge_litert',), ()


def convert(frozen: graph.Frozen, precision: str, images: list[np.ndarray],
            about: str) -> dict[str, bytes]:
    """Returns a graph as a .tflite file; see onnx_model.convert."""
    flatbuffers = backends.import_package(
        'ai_edge_litert.tools.flatbuffer_utils', 'TFLite')
    if precision == 'int8':
        # The converter would have all in int8, even the numbers of anchors.
        model = _joined(*(
            flatbuffers.read_model_from_bytearray(bytearray(part)) for part in
            (_converted(frozen.graph_def, (backends.INPUT,), frozen.heads,
                        precision, images),
             _converted(frozen.graph_def, frozen.heads, frozen.outputs,
                        'float32'))))
    else:
        model = flatbuffers.read_model_from_bytearray(bytearray(_converted(
            frozen.graph_def, (backends.INPUT,), frozen.outputs, precision)))
    _add_signature(model)
    _add_metadata(model, about)
    return {'model.tflite': bytes(
        flatbuffers.convert_object_to_bytearray(model))}


def _converted(graph_def, inputs, outputs, precision, images=()):
    """Returns the .tflite of what is between operations of a graph."""
    with tf.Graph().as_default() as whole, tf.Session() as session:
        tf.import_graph_def(graph_def, name='')
        converter = tf.lite.TFLiteConverter.from_session(session, *(
            [whole.get_tensor_by_name(f'{name}:0') for name in names]
            for names in (inputs, outputs)))
        if precision != 'float32':
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == 'float16':
            converter.target_spec.supported_types = [tf.float16]
        elif precision == 'int8':
            converter.representative_dataset = lambda: (
                [image] for image in images)
        return converter.convert()


def _joined(first, second):
    """Returns a model whose outputs are the second's of the first's.

    Both are objects of the flatbuffers' schema; the first one is changed.
    """
    (one,), (two,) = first.subgraphs, second.subgraphs
    num_tensors = len(one.tensors)
    places = {**{i: num_tensors + i for i in range(len(two.tensors))},
              **dict(zip(two.inputs, one.outputs, strict=True)), -1: -1}
    for tensor in two.tensors:
        tensor.buffer += len(first.buffers)
    for operator in two.operators:
        operator.opcodeIndex += len(first.operatorCodes)
        operator.inputs = [places[i] for i in operator.inputs]
        operator.outputs = [places[i] for i in operator.outputs]
    first.buffers += second.buffers
    first.operatorCodes += second.operatorCodes
    one.tensors += two.tensors
    one.operators += two.operators
    one.outputs = [places[i] for i in two.outputs]
    return first


def _add_signature(model):
    """Lets a program find inputs and outputs by their names."""
    schema = backends.import_package(
        'ai_edge_litert.schema_py_generated', 'TFLite')
    part, = model.subgraphs
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = 'serving_default', 0
    for field, indices in (
            ('inputs', part.inputs), ('outputs', part.outputs)):
        entries = []
        for index in indices:
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = part.tensors[index].name, index
            entries.append(entry)
        setattr(signature, field, entries)
    model.signatureDefs = [signature]


def _add_metadata(model, about):
    schema = backends.import_package(
        'ai_edge_litert.schema_py_generated', 'TFLite')
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer = backends.METADATA, len(model.buffers)
    buffer.data = np.frombuffer(about.encode(), np.uint8)
    model.metadata = [*(model.metadata or []), entry]
    model.buffers.append(buffer)
