"""Trunks as tf_slim.nets defines them, with made-up weights, in checkpoints."""
import zlib
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from engine import checkpoints
from nets import flops
from nets import layers
from tests import scripts


class Started(NamedTuple):
    """A network that was started from a checkpoint of its trunk."""
    network: object
    expected: dict  # What slim's network gives, by name,
    end_points: dict  # and what this one gives.
    new: list[str]  # Variables of its trunk that are not restored,
    unused: list[str]  # and those of the checkpoint that are not used.
    shapes: dict[str, list[int]]  # Of all its variables, by name.
    decayed: set[str]  # Names of the layers that decay.
    multiply_adds: int


def start(path, network, build, **batch_norm):
    """Returns a Started, from a network that slim builds.

    Args:
      path: of its checkpoint.
      network: SSDNet.
      build: function of images, float32 [1, height, width, 3], that builds
        slim's and returns tensors by name.
      **batch_norm: arguments of layers.batch_norm, which slim's, which does
        not run today, is replaced by.
    """
    params = network.params
    pixels = np.random.default_rng(0).uniform(
        0, 255, (1, *params.img_shape, 3))
    images = ((pixels - params.mean) * params.scale).astype(np.float32)
    with (tf.Graph().as_default(), tf.Session() as session,
          slim.arg_scope([slim.conv2d], normalizer_fn=layers.batch_norm),
          slim.arg_scope([layers.batch_norm], is_training=False, **batch_norm),
          slim.arg_scope([slim.max_pool2d], padding='SAME')):
        values = tf.placeholder(tf.float32, images.shape)
        tensors = build(values)
        variables = tf.global_variables()
        session.run([variable.initializer for variable in variables], {
            variable.initializer.inputs[1]: _weights(
                variable.op.name, variable.shape.as_list())
            for variable in variables})
        tf.train.Saver().save(session, str(path), write_meta_graph=False)
        expected = session.run(tensors, {values: images})
    with tf.Graph().as_default() as graph, tf.Session() as session:
        values = tf.placeholder(tf.float32, images.shape)
        *_, end_points = network.net(
            values, is_training=False, weight_decay=.1)
        variables = slim.get_model_variables()
        entries, warnings = checkpoints.restore.plan(
            variables, str(path), network)
        assert not warnings
        session.run(tf.global_variables_initializer())
        checkpoints.restore.initializer(entries, str(path))(session)
        stored = checkpoints.reader.open_reader(str(path))
        return Started(
            network, expected, session.run(end_points, {values: images}),
            [entry.variable.op.name for entry in entries
             if entry.source is None
             and network.in_trunk(entry.variable.op.name)],
            sorted(set(stored.get_variable_to_shape_map()) - {
                entry.source for entry in entries}),
            {variable.op.name: variable.shape.as_list()
             for variable in variables},
            {loss.op.name.partition('/kernel')[0]
             for loss in tf.losses.get_regularization_losses()},
            flops.multiply_adds(graph))


def _weights(name, shape):
    """Returns a draw that keeps the size of a signal."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith('weights'):
        return rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))
    if name.endswith(('gamma', 'moving_variance')):
        return rng.uniform(.5, 1.5, shape)
    return rng.normal(size=shape) * .1


def assert_near(got, expected):
    """Within 1e-5 of the largest."""
    np.testing.assert_allclose(
        got, expected, atol=1e-5 * np.abs(expected).max())


def assert_recorded(network, shapes):
    """The variables are those of tests/data."""
    lines = (scripts.DATA / f'variables_{network.name}.tsv').read_text()
    assert [f'{name}\t{"x".join(map(str, shape))}' for name, shape
            in sorted(shapes.items())] == lines.splitlines()


def num_in_trunk(network, shapes, *kinds):
    """Returns how many numbers of the trunk are of kinds of variables."""
    return sum(np.prod(shape) for name, shape in shapes.items()
               if network.in_trunk(name) and name.endswith(kinds))
