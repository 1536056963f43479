"""However a batch is split, its loss and its gradients are the same."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from engine import runtime
from engine.training import gradients
from nets import ssd
from tests import scripts
from tests import small_trunk


class SSDNet(small_trunk.SSDNet):
    """Without batch norm, which depends on the split; with L2 norm."""
    default_params = small_trunk.SSDNet.default_params._replace(
        num_classes=3, normalizations=(20., None, None))
    arg_scope = ssd.SSDNet.arg_scope


NETWORK = SSDNet()


def batch_of_4():
    """Returns a batch; one image is without objects."""
    rng = np.random.default_rng(0)
    num_anchors = len(NETWORK.anchors())
    labels = rng.choice(3, (4, num_anchors), p=[0.9, 0.06, 0.04])
    labels[2] = 0
    return {
        'image': rng.uniform(-1, 1, (4, 64, 64, 3)).astype(np.float32),
        'target/labels': labels,
        'target/localisations': rng.normal(
            size=(4, num_anchors, 4)).astype(np.float32)}


def weights(seed, shape):
    scale = np.sqrt(2 / np.prod(shape[:-1].as_list()))
    return np.random.default_rng(seed).normal(0, scale, shape)


def compute(num_clones=1, accumulate_steps=1, loss_scale=1., **changes):
    """Returns the values of Gradients, with variables' names."""
    _, model, loss, _, run = scripts.training_options(
        num_clones=num_clones, clone_on_cpu=True,
        accumulate_steps=accumulate_steps,
        batch_size=4 // num_clones // accumulate_steps, **changes)
    config = runtime.session_config(num_cpus=num_clones)
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        result = gradients.of_batch(
            model, loss, run, NETWORK,
            {name: tf.constant(value) for name, value
             in batch_of_4().items()}, tf.constant(loss_scale))
        variables = tf.trainable_variables()
        # The same weights for any number of parts.
        session.run(
            [variable.initializer for variable in variables],
            {variable.initializer.inputs[1]: weights(index, variable.shape)
             for index, variable in enumerate(variables)})
        names = [variable.op.name for variable in result.variables]
        tensors = result._replace(variables=[], in_trunk=[], decays=[
            decay for decay in result.decays if decay is not None])
        return session.run(tensors)._replace(
            variables=names, in_trunk=result.in_trunk)


@pytest.fixture(scope='module')
def whole():
    return compute()


@pytest.mark.parametrize('num_clones, accumulate_steps', [
    (2, 1), (4, 1), (1, 4), (2, 2)])
def test_parts_add_up_to_the_whole(whole, num_clones, accumulate_steps):
    assert len(set(whole.variables)) == len(whole.gradients) == 31
    parts = compute(num_clones, accumulate_steps, loss_scale=1024.)
    # Weights of the layers, and the L2 scale; no biases, nothing depthwise.
    assert len(parts.decays) == 13
    np.testing.assert_allclose(
        parts.regularization, whole.regularization, rtol=1e-6)
    assert parts.variables == whole.variables
    assert parts.in_trunk == whole.in_trunk == [
        '_box/' not in name and '/block4/' not in name
        for name in whole.variables]
    np.testing.assert_allclose(parts.losses, whole.losses, rtol=1e-5)
    for name, value, other in zip(
            whole.variables, whole.gradients, parts.gradients, strict=True):
        np.testing.assert_allclose(
            other, value, rtol=1e-5, atol=1e-5 * np.abs(value).max(),
            err_msg=name)


@pytest.mark.parametrize('dtype, loss_tolerance, tolerance', [
    ('bfloat16', .05, .5), ('float16', .005, .1)])
def test_lower_precision_is_near(whole, dtype, loss_tolerance, tolerance):
    near = compute(compute_dtype=dtype, loss_scale=64.)
    np.testing.assert_allclose(
        near.losses, whole.losses, rtol=loss_tolerance)
    for name, value, other in zip(
            whole.variables, whole.gradients, near.gradients, strict=True):
        assert other.dtype == np.float32
        # These weights are random, which is hard on them.
        assert np.linalg.norm(other - value) < (
            tolerance * np.linalg.norm(value)), name
    assert near.regularization == whole.regularization
