"""SavedModel: for TensorFlow itself and TensorFlow Serving."""
import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import saved_model_pb2

from engine import backends
from engine.exporting import graph

NAME = 'saved_model'
PRECISIONS = ('float32', 'float16')
PACKAGES, INT8_PACKAGES = (), ()


def convert(frozen: graph.Frozen, precision: str, images: list[np.ndarray],
            about: str) -> dict[str, bytes]:
    """Returns a graph as a SavedModel's files; see onnx_model.convert."""
    del images
    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    with tf.Graph().as_default() as whole:
        tf.import_graph_def(
            frozen.graph_def if precision == 'float32'
            else _in_float16(frozen.graph_def), name='')
        meta_graph = saved.meta_graphs.add()
        meta_graph.CopyFrom(tf.train.export_meta_graph(graph=whole))
        meta_graph.meta_info_def.tags.append('serve')
        meta_graph.signature_def['serving_default'].CopyFrom(
            tf.saved_model.predict_signature_def(*(
                {name: whole.get_tensor_by_name(f'{name}:0')
                 for name in names}
                for names in ((backends.INPUT,), frozen.outputs))))
    return {f'{NAME}/{backends.SAVED_MODEL}': saved.SerializeToString(),
            f'{NAME}/{backends.SAVED_MODEL_METADATA}': about.encode()}


def _in_float16(graph_def):
    """Returns a graph with kernels in float16, each cast when it is used."""
    result = tf.GraphDef(versions=graph_def.versions)
    for node in graph_def.node:
        if node.op != 'Const' or len(  # Looking for 'value' would add it.
                node.attr['value'].tensor.tensor_shape.dim) != 4:
            result.node.add().CopyFrom(node)
            continue
        kernel = result.node.add(name=f'{node.name}_float16', op='Const')
        kernel.attr['dtype'].type = tf.float16.as_datatype_enum
        kernel.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(
            tf.make_ndarray(node.attr['value'].tensor).astype(np.float16)))
        cast = result.node.add(
            name=node.name, op='Cast', input=[kernel.name])
        cast.attr['SrcT'].type = tf.float16.as_datatype_enum
        cast.attr['DstT'].type = tf.float32.as_datatype_enum
    return result
