"""Contestants: other engines, on the same network, weights and images.

Each is refused unless it computes the same numbers.
"""
import numpy as np

from benchmarks import engines

# How far an engine's outputs may be off, relative to the largest.
TOLERANCES = {'float32': 1e-4, 'bfloat16': 5e-2}


def onnxruntime(spec: dict) -> engines.Contestant:
    """ONNX Runtime, as it comes."""
    import onnx  # noqa: F401  The model was not written without it.
    import onnxruntime as engine
    session = engine.InferenceSession(
        spec['onnx'], providers=['CPUExecutionProvider'])
    feed = {'images': _images(spec)}
    return _peer(spec, lambda: session.run(None, feed))


def openvino(spec: dict) -> engines.Contestant:
    """OpenVINO in the spec's dtype, tuned for latency: all cores a batch."""
    import onnx  # noqa: F401
    import openvino as engine
    model = engine.Core().compile_model(spec['onnx'], 'CPU', {
        'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': {
            'float32': 'f32', 'bfloat16': 'bf16'}[spec['dtype']]})
    request, feed = model.create_infer_request(), {0: _images(spec)}

    def run():
        found = request.infer(feed)
        return [found[0], found[1]]

    return _peer(spec, run)


def opencv(spec: dict) -> engines.Contestant:
    """OpenCV's DNN module, with its Winograd convolution where it helps."""
    import cv2
    import onnx  # noqa: F401
    net = cv2.dnn.readNetFromONNX(spec['onnx'])
    images = _images(spec)

    def run():
        net.setInput(images)
        return net.forward(['logits', 'localisations'])

    return _peer(spec, run)


def _peer(spec, run):
    """Returns an engine's Contestant, if it computes the same numbers."""
    expected = np.load(spec['onnx'] + '.npz')
    tolerance = TOLERANCES[spec['dtype']]
    for name, found in zip(('logits', 'localisations'), run(), strict=True):
        largest = np.abs(expected[name]).max()
        error = np.abs(found - expected[name]).max() / largest
        if not error <= tolerance:
            raise ValueError(f'{name} differ by {error:.1e} of the largest')
    flops = engines.flops_of_network(
        engines.make_network(spec)) * spec['batch']
    return engines.Contestant(run, spec['batch'], flops)


def _images(spec):
    return np.ascontiguousarray(engines.images(spec).transpose(0, 3, 1, 2))
