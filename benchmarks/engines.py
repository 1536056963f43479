"""Contestants that run a network of this project."""
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from engine import checkpoints
from engine import models
from engine import runtime
from engine.training import defaults
from engine.training import divergence
from engine.training import graph
from engine.training import options
from nets import ssd
from nets import ssd_vgg

MATMUL_SIDE = 3000
# A training step computes each layer three times: its outputs, and the
# gradients of its inputs and of its weights.
PASSES_OF_TRAINING = 3


class Contestant(NamedTuple):
    """What is run again and again."""
    run: Callable[[], object]
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
    network = make_network(spec)
    inputs = _inputs(spec)
    with checkpoints.restore.weights_of(spec['checkpoint']):
        outputs = network.net(
            inputs, is_training=False, compute_dtype=spec['dtype'])[:2]
    operations = [output.op for output in outputs]
    session = tf.Session()
    feed = {inputs: images(spec)}
    return Contestant(lambda: session.run(operations, feed), spec['batch'],
                      flops_of_network(network) * spec['batch'])


def forward_rate(spec: dict) -> Contestant:
    """The original's graph: conv6 by slim's rate, weights in variables."""
    _use_rate_for_conv6()
    network = make_network(spec)
    inputs = _inputs(spec)
    outputs = network.net(inputs, is_training=False)[:2]
    operations = [output.op for output in outputs]
    session = tf.Session()
    tf.train.Saver().restore(session, spec['checkpoint'])
    feed = {inputs: images(spec)}
    return Contestant(lambda: session.run(operations, feed), spec['batch'],
                      flops_of_network(network) * spec['batch'])


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
    flops = flops_of_network(network) * spec['batch'] * PASSES_OF_TRAINING
    return Contestant(
        lambda: guard.run(session, step), spec['batch'], flops)


def training_step_rate(spec: dict) -> Contestant:
    """The same, with conv6 by slim's rate."""
    _use_rate_for_conv6()
    return training_step(spec)


def flops_of_network(network: ssd.SSDNet) -> int:
    """Returns the operations of all convolutions on one image."""
    with tf.Graph().as_default():
        network.net(tf.zeros([1, *network.params.img_shape, 3]),
                    is_training=False)
        return sum(
            2 * np.prod(operation.outputs[0].shape.as_list())
            * np.prod(operation.inputs[1].shape.as_list()[:3])
            for operation in tf.get_default_graph().get_operations()
            if operation.type == 'Conv2D').item()


def _inputs(spec):
    return tf.placeholder(
        tf.float32, [spec['batch'], spec['size'], spec['size'], 3])


def images(spec: dict) -> np.ndarray:
    """Returns float32 [batch, size, size, 3], RGB minus mean."""
    size = spec['size']
    return np.random.default_rng(0).uniform(
        -120, 140, [spec['batch'], size, size, 3]).astype(np.float32)


def _use_rate_for_conv6():
    """Makes conv6 as the original does: through SpaceToBatch."""
    @slim.add_arg_scope
    def atrous_conv2d(inputs, num_outputs, kernel_size, rate, scope, **kwargs):
        return slim.conv2d(inputs, num_outputs, [kernel_size, kernel_size],
                           rate=rate, scope=scope, **kwargs)

    ssd_vgg.layers.atrous_conv2d = atrous_conv2d
