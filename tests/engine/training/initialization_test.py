"""Random weights fitted to the data at the start of a training."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from engine import models
from engine.training import initialization
from nets import nets_factory
from tests import scripts


@pytest.fixture(scope='module')
def fitted(tmp_path_factory):
    """Records of 20 shapes; end points before and after; the biases."""
    folder = tmp_path_factory.mktemp('shapes')
    scripts.write_shapes(folder / 'voc', 20)
    scripts.write_records(folder / 'voc', folder, 'voc_2007_train')
    options = scripts.training_options(
        dataset_name='pascalvoc_2007', dataset_dir=str(folder))[0]
    dataset = models.open_dataset(options)
    network = nets_factory.get_network('ssd_300_vgg_quarter')()
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        images = tf.constant(
            initialization._first_images(options, dataset, network))
        logits, localisations, end_points = network.net(
            images, is_training=False, from_scratch=True)
        fit = initialization.fit_to_data(options, dataset, network)
        session.run(tf.global_variables_initializer())
        before = session.run(end_points)
        fit(session)
        after, predictions = session.run(
            (end_points, (logits, localisations)))
    return before, after, predictions


def varying_share(values):
    """Returns how much of the features is not the same everywhere."""
    features = values.reshape(-1, values.shape[-1])
    return features.var(0).sum() / (features ** 2).mean(0).sum()


def test_features_vary_from_place_to_place(fitted):
    before, after, _ = fitted
    for layer in ('block4', 'block7', 'block9'):
        assert varying_share(before[layer]) < 0.4
        assert varying_share(after[layer]) > 0.6


def test_every_layer_has_deviation_1_before_its_relu(fitted):
    _, after, _ = fitted
    for layer, values in after.items():
        # Half a normal distribution of mean 0 and deviation 1 is left: the
        # mean of the squares is 1/2.
        np.testing.assert_allclose(
            np.mean(values ** 2), 0.5, atol=0.05, err_msg=layer)


def test_predictions_stay_near_zero(fitted):
    for values in fitted[2]:
        assert np.all(np.isfinite(values))
        assert np.abs(values).mean() < 2
