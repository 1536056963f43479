"""Random weights fitted to the data at the start of a training."""
import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from engine import models
from engine.training import initialization
from nets import nets_factory
from tests import scripts
from tests import small_trunk


def varying_share(values):
    """Returns how much of the features is not the same everywhere."""
    features = values.reshape(-1, values.shape[-1])
    return features.var(0).sum() / (features ** 2).mean(0).sum()


def test_features_vary_and_predictions_stay_near_zero(records):
    data = scripts.training_options(
        dataset_name='toy', dataset_dir=str(records))[0]
    dataset = models.open_dataset(data)
    network = nets_factory.get_network('ssd_300_vgg_quarter')()
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        *predictions, end_points = network.net(
            tf.constant(initialization._first_images(
                data, dataset, network.params)),
            is_training=False, from_scratch=True)
        fit = initialization.fit_to_data(data, dataset, network)
        session.run(tf.global_variables_initializer())
        before = session.run(end_points)
        fit(session)
        after, predictions = session.run((end_points, predictions))
    for layer, values in after.items():
        # Half a normal distribution of mean 0 and deviation 1 is left: the
        # mean of the squares is 1/2.
        np.testing.assert_allclose(
            np.mean(values ** 2), 0.5, atol=0.05, err_msg=layer)
    for layer in ('block4', 'block7', 'block9'):
        assert varying_share(before[layer]) < 0.4
        assert varying_share(after[layer]) > 0.6
    for values in predictions:
        assert np.all(np.isfinite(values))
        assert np.abs(values).mean() < 2


class SeparableNet(small_trunk.SSDNet):
    """With a first layer of two kernels and without norm."""

    def trunk(self, images, end_points):
        return super().trunk(slim.separable_conv2d(
            images, 3, 3, depth_multiplier=1, normalizer_fn=None,
            scope='first'), end_points)


def test_a_separable_layer_without_norm_is_fitted(records):
    data = scripts.training_options(
        dataset_name='toy', dataset_dir=str(records))[0]
    dataset, network = models.open_dataset(data), SeparableNet()
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.set_random_seed(1)
        network.net(
            tf.constant(initialization._first_images(
                data, dataset, network.params)),
            is_training=False, from_scratch=True)
        fit = initialization.fit_to_data(data, dataset, network)
        session.run(tf.global_variables_initializer())
        fit(session)
        values = session.run(graph.get_tensor_by_name(
            f'{network.name}/first/BiasAdd:0'))
    np.testing.assert_allclose(values.mean((0, 1, 2)), 0, atol=1e-4)
    assert values.std() < 1.01
