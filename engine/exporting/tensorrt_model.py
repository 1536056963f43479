"""ONNX in int8 as NVIDIA's TensorRT asks for it: symmetric, biases as floats.

ONNX Runtime runs it too, on x86 slower than the file of onnx_model.
"""
import numpy as np

from engine.exporting import graph
from engine.exporting import onnx_model

NAME = 'tensorrt'
PRECISIONS = ('int8',)
PACKAGES, INT8_PACKAGES = onnx_model.PACKAGES, ()


def convert(frozen: graph.Frozen, precision: str, images: list[np.ndarray],
            about: str) -> dict[str, bytes]:
    """Returns a graph as an .onnx file; see onnx_model.convert."""
    content, = onnx_model.convert(
        frozen, precision, images, about, is_symmetric=True).values()
    return {'model_tensorrt.onnx': content}
