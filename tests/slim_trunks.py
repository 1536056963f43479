"""Trunks as tf_slim.nets defines them, with made-up weights, in checkpoints."""
import zlib

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from engine import checkpoints
from nets import layers


def images(network):
    """Returns a batch of one image as a network sees it, float32 numpy."""
    params = network.params
    pixels = np.random.default_rng(0).uniform(
        0, 255, (1, *params.img_shape, 3))
    return ((pixels - params.mean) * params.scale).astype(np.float32)


def save(path, values, build, **batch_norm):
    """Saves a network that slim builds; returns what it gives.

    Args:
      path: of the checkpoint.
      values: float32 [1, height, width, 3], its images.
      build: function of the images that returns tensors by name.
      **batch_norm: arguments of layers.batch_norm, which slim's, which does
        not run today, is replaced by.
    """
    with (tf.Graph().as_default(), tf.Session() as session,
          slim.arg_scope([slim.conv2d], normalizer_fn=layers.batch_norm),
          slim.arg_scope([layers.batch_norm], is_training=False, **batch_norm),
          slim.arg_scope([slim.max_pool2d], padding='SAME')):
        tensors = build(tf.constant(values))
        variables = tf.global_variables()
        session.run([variable.initializer for variable in variables], {
            variable.initializer.inputs[1]: weights(
                variable.op.name, variable.shape.as_list())
            for variable in variables})
        tf.train.Saver().save(session, str(path), write_meta_graph=False)
        return session.run(tensors)


def weights(name, shape):
    """Returns a draw that keeps the size of a signal."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith('weights'):
        return rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))
    if name.endswith(('gamma', 'moving_variance')):
        return rng.uniform(.5, 1.5, shape)
    return rng.normal(size=shape) * .1


def restore(path, network, values):
    """Starts a network from a checkpoint.

    Returns what its layers give, and two lists of names: of variables of its
    trunk that are not restored, and of the checkpoint's that are not used.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        *_, end_points = network.net(tf.constant(values), is_training=False)
        entries, warnings = checkpoints.restore.plan(
            slim.get_model_variables(), str(path), network)
        assert not warnings
        session.run(tf.global_variables_initializer())
        checkpoints.restore.initializer(entries, str(path))(session)
        stored = checkpoints.reader.open_reader(str(path))
        return (
            session.run(end_points),
            [entry.variable.op.name for entry in entries
             if entry.source is None
             and network.in_trunk(entry.variable.op.name)],
            sorted(set(stored.get_variable_to_shape_map()) - {
                entry.source for entry in entries}))


def assert_near(got, expected):
    """Within 1e-5 of the largest."""
    np.testing.assert_allclose(
        got, expected, atol=1e-5 * np.abs(expected).max())
