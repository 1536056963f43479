"""Contestants that run a network of this project."""
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from datasets.shapes import drawing
from engine import checkpoints
from engine import models
from engine import runtime
from engine.training import defaults
from engine.training import divergence
from engine.training import graph
from engine.training import options
from nets import flops
from nets import ssd
from nets import ssd_vgg

MATMUL_SIDE = 3000
# A training step computes each layer three times: its outputs, and the
# gradients of its inputs and of its weights.
PASSES_OF_TRAINING = 3


class Contestant(NamedTuple):
    """What is run again and again."""
    run: Callable[[], object]  # A float: seconds that it waited for data.
    num_images: int  # Of a run.
    flops: int | None = None  # Multiplications and additions; if counted.


def num_cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def make_network(spec: dict) -> ssd.SSDNet:
    """Returns the network of a spec's checkpoint."""
    metadata = checkpoints.metadata.read(spec['checkpoint'])
    return models.make_network(None, metadata['classes'], metadata)


def training_options(spec: dict) -> tuple:
    """Returns the five groups of options of a training on a spec's data."""
    return tuple(defaults.ordinary((
        options.Data(spec['dataset_name'], dataset_dir=spec['dataset_dir'],
                     num_preprocessing_threads=num_cores()),
        options.Model(spec['model_name'], compute_dtype=spec['dtype']),
        options.Loss(), options.Optimizer(),
        options.Run(
            batch_size=spec['batch'], random_seed=0,
            clone_on_cpu=not tf.config.list_physical_devices('GPU')))))


def matmul(spec: dict) -> Contestant:
    """Multiplies large matrices: what the machine can do at the most."""
    matrix = tf.Variable(tf.random_uniform([MATMUL_SIDE, MATMUL_SIDE]))
    product = tf.matmul(matrix, matrix).op
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return Contestant(
        lambda: session.run(product), 1, 2 * MATMUL_SIDE ** 3)


def forward(spec: dict) -> Contestant:
    """The network as evaluation and detection run it."""
    with checkpoints.restore.weights_of(spec['checkpoint']):
        return _network(spec)


def forward_rate(spec: dict) -> Contestant:
    """The original's graph: conv6 by slim's rate, weights in variables."""
    _use_rate_for_conv6()
    return _network(spec, tf.train.Saver)


def _network(spec, make_saver=None):
    """Returns a Contestant; the saver's variables are restored."""
    network = make_network(spec)
    values = images(network, spec['batch'])
    inputs = tf.placeholder(tf.float32, values.shape)
    outputs = network.net(
        inputs, is_training=False, compute_dtype=spec['dtype'])[:2]
    operations = [output.op for output in outputs]
    session = tf.Session()
    if make_saver is not None:
        make_saver().restore(session, spec['checkpoint'])
    return Contestant(lambda: session.run(operations, {inputs: values}),
                      spec['batch'], flops_of(network, spec))


def detection(spec: dict) -> Contestant:
    """A checkpoint from pixels to detections."""
    network = make_network(spec)
    params = network.params
    values = pixels(spec['batch'], params.img_shape)
    inputs = tf.placeholder(tf.uint8, values.shape)
    with checkpoints.restore.weights_of(spec['checkpoint']):
        found = models.detections(
            network, (tf.cast(inputs, tf.float32) - params.mean)
            * params.scale, tf.constant([[0., 0., 1., 1.]]), spec['dtype'])
    run = tf.Session(config=runtime.session_config()).make_callable(
        list(found), [inputs])
    return Contestant(lambda: run(values), spec['batch'])


def training_step(spec: dict) -> Contestant:
    """A step of a training: data, network, loss, gradients, update."""
    data, model, loss, optimizer, run = training_options(spec)
    dataset = models.open_dataset(data)
    network = models.make_network(model.model_name, dataset.labels)
    guard = divergence.Guard(model.compute_dtype, optimizer, run)
    step = graph.build(
        (data, model, loss, optimizer, run), dataset, network, 0, guard)
    session = tf.Session(config=runtime.session_config())
    session.run([tf.global_variables_initializer(),
                 tf.local_variables_initializer(), tf.tables_initializer()])
    return Contestant(
        lambda: guard.run(session, step).waited.item(), spec['batch'],
        flops_of(network, spec) * PASSES_OF_TRAINING)


def training_step_rate(spec: dict) -> Contestant:
    """The same, with conv6 by slim's rate."""
    _use_rate_for_conv6()
    return training_step(spec)


def flops_of(network: ssd.SSDNet, spec: dict) -> int:
    """Returns the operations of all convolutions on a spec's batch."""
    return 2 * flops.of_network(network).multiply_adds * spec['batch']


def images(network: ssd.SSDNet, num: int) -> np.ndarray:
    """Returns float32 [num, height, width, 3], as a network takes them."""
    params = network.params
    return ((pixels(num, params.img_shape) - np.float32(params.mean))
            * np.float32(params.scale))


def bboxes(rng: np.random.Generator, num: int,
           max_side: float) -> np.ndarray:
    """Returns random bboxes of all sizes to a side, float32 [num, 4]."""
    sides = rng.uniform(max_side / 10, max_side, [num, 2])
    corners = rng.uniform(0, 1 - sides)
    return np.concatenate([corners, corners + sides], 1).astype(np.float32)


def pixels(num: int, shape: tuple[int, int]) -> np.ndarray:
    """Returns drawn shapes, uint8 [num, *shape, 3]."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(num):
        image = drawing.texture(rng, *shape)
        for name in drawing.CLASSES:
            drawing.paint(image, drawing.draw_shape(image, rng, name), rng)
        drawn.append(np.clip(image, 0, 255).astype(np.uint8))
    return np.stack(drawn)


def _use_rate_for_conv6():
    """Makes conv6 as the original does: through SpaceToBatch."""
    @slim.add_arg_scope
    def atrous_conv2d(inputs, num_outputs, kernel_size, rate, scope, **kwargs):
        return slim.conv2d(inputs, num_outputs, [kernel_size, kernel_size],
                           rate=rate, scope=scope, **kwargs)

    ssd_vgg.layers.atrous_conv2d = atrous_conv2d
