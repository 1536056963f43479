import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from detection import targets
from engine import deployment
from engine import training_graph
from nets import ssd_vgg_300
from tests import scripts


def test_clone_devices():
    assert deployment.clone_devices(2) == ['/device:GPU:0', '/device:GPU:1']
    assert deployment.clone_devices(2, clone_on_cpu=True) == [
        '/device:CPU:0'] * 2
    with pytest.raises(ValueError, match='--num_clones=0: at least 1'):
        deployment.clone_devices(0)


def test_split_keeps_structures():
    with tf.Graph().as_default(), tf.Session() as session:
        parts = deployment.split(
            (tf.range(4), targets.Targets(tf.range(4, 8), tf.eye(4))), 2)
        (images, batch_targets), (_, other_targets) = session.run(parts)
    assert images.tolist() == [0, 1]
    assert batch_targets.labels.tolist() == [4, 5]
    assert other_targets.labels.tolist() == [6, 7]
    assert other_targets.localisations.shape == (2, 4)


def weights(seed, shape):
    scale = np.sqrt(2 / np.prod(shape[:-1].as_list()))
    return np.random.default_rng(seed).normal(0, scale, shape)


def losses_and_gradients(num_clones):
    """Returns those of a batch of 4, one without objects, and the names."""
    options = scripts.options(
        'train_ssd_network', num_clones=num_clones, batch_size=4 // num_clones)
    network = ssd_vgg_300.SSDNet(ssd_vgg_300.SSDNet.default_params._replace(
        num_classes=3, depth_multiplier=1 / 32))
    rng = np.random.default_rng(0)
    num_anchors = len(network.anchors())
    labels = rng.choice(3, (4, num_anchors), p=[0.99, 0.006, 0.004])
    labels[2] = 0
    batch = {
        'image': rng.uniform(-120, 120, (4, 300, 300, 3)).astype(np.float32),
        'target/labels': labels,
        'target/localisations': rng.normal(
            size=(4, num_anchors, 4)).astype(np.float32)}
    with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(
            allow_soft_placement=True)) as session:
        tf.set_random_seed(0)
        losses = training_graph.clone_losses(
            options, network, {name: tf.constant(value)
                               for name, value in batch.items()})
        variables = tf.trainable_variables()
        gradients = tf.gradients(losses[:3], variables)
        # The same weights for any number of clones.
        session.run(
            [variable.initializer for variable in variables],
            {variable.initializer.inputs[1]: weights(index, variable.shape)
             for index, variable in enumerate(variables)})
        values = session.run([losses, gradients])
    return *values, [variable.op.name for variable in variables]


def test_clones_add_up_to_one():
    losses, gradients, names = losses_and_gradients(1)
    assert len(set(names)) == len(names) == 71
    for num_clones in (2, 4):
        other_losses, other_gradients, other_names = losses_and_gradients(
            num_clones)
        assert other_names == names
        np.testing.assert_allclose(other_losses, losses, rtol=1e-5)
        for name, value, other in zip(
                names, gradients, other_gradients, strict=True):
            np.testing.assert_allclose(
                other, value, rtol=1e-5, atol=1e-5 * np.abs(value).max(),
                err_msg=name)
