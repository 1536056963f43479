"""A training step equals an independent one, in PyTorch, if it is there.

The same weights, batch and targets; the loss with the weights' decay.
Rounding decides which way a ReLU or a maximum of almost equal numbers goes,
and one such choice moves a float32 gradient by up to 1e-2 of the largest.
So the gradients are compared in float64, on the project's own graph with
every float32 in it made a float64; in float32 the loss, and most gradients.
"""
import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow.core.framework import types_pb2

from detection import targets
from engine.training import gradients
from engine.training import options
from nets import nets_factory

torch = pytest.importorskip('torch', reason='PyTorch is not installed')
torch_ssd = pytest.importorskip('tests.torch_ssd')

WEIGHT_DECAY = 0.0005
NUM_MATCHED = (600, 200)  # Of each image.
# Relative; a gradient's to the largest of its variable.
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-4


def he_like_weights(name, shape, random):
    """Returns a variable's weights, float64, which keep the signal's size."""
    if name.endswith('gamma'):
        return random.uniform(15, 25, shape)
    scale = 0.1
    if name.endswith('weights'):
        # Pixels are 64 times as large as what VGG's layers exchange.
        scale = np.sqrt(2 / np.prod(shape[:-1])) / (
            64 if 'conv1_1' in name else 1)
    return random.normal(0, scale, shape)


def make_batch(num_anchors, num_classes, random):
    """Returns images [2, 300, 300, 3] and their Targets, of numpy float64."""
    images = np.stack([
        cv2.resize(random.uniform(-120, 130, (20, 20, 3)), (300, 300),
                   interpolation=cv2.INTER_CUBIC) for _ in NUM_MATCHED])
    labels = np.zeros((2, num_anchors), np.int64)
    localisations = np.zeros((2, num_anchors, 4))
    for image, num_matched in enumerate(NUM_MATCHED):
        # With the last one, which alone has the last layer.
        matched = num_anchors - 1 - np.append(0, 1 + random.choice(
            num_anchors - 1, num_matched - 1, replace=False))
        labels[image, matched] = random.integers(1, num_classes, num_matched)
        localisations[image, matched] = random.normal(0, 2, (num_matched, 4))
    return images, targets.Targets(labels, localisations)


def project_graph(network):
    """Returns the graph of a training's step, and the variables' shapes.

    Its tensors: loss, decay, and each variable's name after 'gradient/'.
    """
    num_anchors = len(network.anchors())
    with tf.Graph().as_default() as graph:
        step = gradients.of_batch(
            options.Model(), options.Loss(weight_decay=WEIGHT_DECAY),
            options.Run(batch_size=2, clone_on_cpu=True), network, {
                'image': tf.placeholder(
                    tf.float32, [2, 300, 300, 3], 'images'),
                'target/labels': tf.placeholder(
                    tf.int64, [2, num_anchors], 'labels'),
                'target/localisations': tf.placeholder(
                    tf.float32, [2, num_anchors, 4], 'offsets')}, 1.)
        tf.add_n(step.losses[:3], 'loss')
        tf.identity(step.regularization, 'decay')
        for variable, gradient, decay in zip(
                step.variables, step.gradients, step.decays, strict=True):
            tf.identity(gradient if decay is None else gradient + decay,
                        f'gradient/{variable.op.name}')
        shapes = {variable.op.name: variable.shape.as_list()
                  for variable in step.variables}
    return graph.as_graph_def(), shapes


def make_float64(graph_def):
    """Makes every float32 of a graph a float64, in place."""
    for node in graph_def.node:
        for attribute in node.attr.values():
            if attribute.type == types_pb2.DT_FLOAT:
                attribute.type = types_pb2.DT_DOUBLE
            for index, dtype in enumerate(attribute.list.type):
                if dtype == types_pb2.DT_FLOAT:
                    attribute.list.type[index] = types_pb2.DT_DOUBLE
            if attribute.tensor.dtype == types_pb2.DT_FLOAT:
                attribute.tensor.CopyFrom(tf.make_tensor_proto(
                    tf.make_ndarray(attribute.tensor), tf.float64))


def project_step(graph_def, weights, images, batch_targets):
    """Returns the project's loss, decay and gradients by variable."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph_def, name='')
        return session.run(
            ('loss:0', 'decay:0',
             {name: f'gradient/{name}:0' for name in weights}),
            {'images:0': images, 'labels:0': batch_targets.labels,
             'offsets:0': batch_targets.localisations,
             **{f'{name}/read:0': weights[name] for name in weights}})


def torch_step(weights, images, batch_targets):
    """Returns PyTorch's loss, decay and gradients, as project_step."""
    tensors = {
        name.partition('/')[2]: torch.from_numpy(np.ascontiguousarray(
            value.transpose(3, 2, 0, 1) if value.ndim == 4 else value)
        ).requires_grad_() for name, value in weights.items()}
    loss = torch_ssd.multibox_loss(
        *torch_ssd.forward(tensors, torch.from_numpy(
            images.transpose(0, 3, 1, 2).copy())),
        *map(torch.from_numpy, batch_targets))
    decay = WEIGHT_DECAY / 2 * sum(
        (tensor ** 2).sum() for name, tensor in tensors.items()
        if not name.endswith('biases'))
    (loss + decay).backward()
    values = [tensor.grad.numpy() for tensor in tensors.values()]
    return loss.item(), decay.item(), {
        name: value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
        for name, value in zip(weights, values, strict=True)}


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('name', ['ssd_300_vgg_quarter', 'ssd_300_vgg'])
def test_loss_and_gradients_are_pytorch_s(name, dtype):
    network = nets_factory.get_network(name)()
    random = np.random.default_rng(1)
    images, (labels, localisations) = make_batch(
        len(network.anchors()), network.params.num_classes, random)
    batch = images.astype(dtype), targets.Targets(
        labels, localisations.astype(dtype))
    graph_def, shapes = project_graph(network)
    weights = {name: he_like_weights(name, shape, random).astype(dtype)
               for name, shape in shapes.items()}
    if dtype == np.float64:
        make_float64(graph_def)
    loss, decay, found = project_step(graph_def, weights, *batch)
    expected_loss, expected_decay, expected = torch_step(weights, *batch)
    errors = {
        variable: np.abs(found[variable] - value).max()
        / np.abs(value).max() for variable, value in expected.items()}
    median = np.median(list(errors.values()))
    worst = max(errors, key=errors.get)
    # Shown by pytest -rP; the figures of docs/training.md.
    print(f'{name} {dtype.__name__}: loss {loss:.6f}, relative error '
          f'{abs(loss / expected_loss - 1):.1e}; decay {decay:.6f}, '
          f'{abs(decay / expected_decay - 1):.1e}; {len(errors)} gradients: '
          f'median {median:.1e}, largest {errors[worst]:.1e} ({worst})')
    np.testing.assert_allclose(loss, expected_loss, rtol=LOSS_TOLERANCE)
    np.testing.assert_allclose(decay, expected_decay, rtol=LOSS_TOLERANCE)
    assert median < GRADIENT_TOLERANCE
    if dtype == np.float64:
        assert errors[worst] < GRADIENT_TOLERANCE
