"""Contestants: other engines, on the same network, weights and images.

Each is refused unless it computes the same numbers.
"""
import os
import sys

import numpy as np

from benchmarks import engines
from engine import backends

OUTPUTS = 'logits', 'localisations'
# What is opened of each exported format.
FILES = {'saved_model': 'saved_model', 'onnx': 'model.onnx',
         'openvino': 'model.xml', 'tflite': 'model.tflite'}
# How far an engine's outputs may be off, relative to the largest.
TOLERANCES = {'float32': 1e-4, 'bfloat16': 5e-2}


def onnxruntime(spec: dict) -> engines.Contestant:
    """ONNX Runtime, as it comes."""
    import onnxruntime as engine
    import tf2onnx  # noqa: F401  The model was not written without it.
    session = engine.InferenceSession(
        spec['network'] + '.onnx', providers=['CPUExecutionProvider'])
    feed = {'images:0': _images(spec)}
    return _peer(spec, lambda: session.run(
        [f'{name}:0' for name in OUTPUTS], feed))


def openvino(spec: dict) -> engines.Contestant:
    """OpenVINO in the spec's dtype, tuned for latency: all cores a batch."""
    import tf2onnx  # noqa: F401
    engine = backends.import_package('openvino', 'OpenVINO')
    model = engine.Core().compile_model(spec['network'] + '.onnx', 'CPU', {
        'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': {
            'float32': 'f32', 'bfloat16': 'bf16'}[spec['dtype']]})
    request, feed = model.create_infer_request(), {0: _images(spec)}

    def run():
        found = request.infer(feed)
        return [found[f'{name}:0'] for name in OUTPUTS]

    return _peer(spec, run)


def opencv(spec: dict) -> engines.Contestant:
    """OpenCV's DNN module, with its Winograd convolution where it helps."""
    import cv2
    import tf2onnx  # noqa: F401
    net = cv2.dnn.readNetFromONNX(spec['network'] + '.onnx')
    images = _images(spec)

    def run():
        net.setInput(images)
        return net.forward([f'{name}:0' for name in OUTPUTS])

    return _peer(spec, run)


def litert(spec: dict) -> engines.Contestant:
    """LiteRT on all cores."""
    from ai_edge_litert import interpreter
    run = interpreter.Interpreter(
        spec['network'] + '.tflite', num_threads=engines.num_cores(),
        ).get_signature_runner()
    images = engines.images(engines.make_network(spec), spec['batch'])

    def infer():
        found = run(images=images)
        return [found[name] for name in OUTPUTS]

    return _peer(spec, infer)


def pytorch(spec: dict) -> engines.Contestant:
    """PyTorch, without gradients; in bfloat16 all of the network."""
    torch, model, images = _torch_model(spec)
    dtype = getattr(torch, spec['dtype'])
    model, images = model.to(dtype), images.to(dtype)

    def run():
        with torch.inference_mode():
            return [output.numpy() for output in model(images)]

    return _peer(spec, run)


def pytorch_training(spec: dict) -> engines.Contestant:
    """A step in PyTorch of one batch, without data; in bfloat16 autocast."""
    torch, model, images = _torch_model(spec)
    from benchmarks import torch_network
    expected = np.load(spec['network'] + '.npz')
    targets = [torch.from_numpy(expected[name])
               for name in ('target_labels', 'target_localisations')]
    # A rate at which the steps of one batch stay finite.
    optimizer = torch.optim.SGD(
        model.parameters(), lr=1e-5, momentum=.9, weight_decay=5e-4)

    def run():
        optimizer.zero_grad()
        with torch.autocast(
                'cpu', torch.bfloat16, enabled=spec['dtype'] == 'bfloat16'):
            outputs = model(images)
        loss = torch_network.multibox_loss(*outputs, *targets)
        loss.backward()
        optimizer.step()
        return loss.detach().numpy()

    return _contestant(spec, run, {'loss': run()},
                       engines.PASSES_OF_TRAINING)


def exported(spec: dict) -> engines.Contestant:
    """An exported file, from pixels to detections."""
    for package in spec['packages']:
        backends.check_package(package, spec['format'])
    backend = backends.Backend(os.path.join(
        spec['exports'], FILES[spec['format']]))
    pixels = engines.pixels(
        spec['batch'], engines.make_network(spec).params.img_shape)
    return engines.Contestant(lambda: backend.detect(pixels), spec['batch'])


def _peer(spec, run):
    """Returns an engine's Contestant, if it computes the same numbers."""
    return _contestant(spec, run, dict(zip(OUTPUTS, run(), strict=True)))


def _contestant(spec, run, outputs, num_passes=1):
    expected = np.load(spec['network'] + '.npz')
    tolerance = TOLERANCES[spec['dtype']]
    for name, found in outputs.items():
        largest = np.abs(expected[name]).max()
        error = np.abs(found - expected[name]).max() / largest
        if not error <= tolerance:
            raise ValueError(f'{name} differ by {error:.1e} of the largest')
    return engines.Contestant(
        run, spec['batch'], num_passes * engines.flops_of(
            engines.make_network(spec), spec))


def _torch_model(spec):
    """Returns torch, a network and its images in the memory format."""
    # PyTorch's compiler, which is not used, crashes beside TensorFlow.
    sys.modules['triton'] = None
    import torch

    from benchmarks import torch_network
    network = engines.make_network(spec)
    memory_format = getattr(torch, spec['memory_format'])
    model = torch_network.Network(network, spec['checkpoint'])
    return (torch, model.to(memory_format=memory_format), torch.from_numpy(
        _images(spec)).to(memory_format=memory_format))


def _images(spec):
    """Returns the network's images, float32 [batch, 3, height, width]."""
    return np.ascontiguousarray(engines.images(
        engines.make_network(spec), spec['batch']).transpose(0, 3, 1, 2))
