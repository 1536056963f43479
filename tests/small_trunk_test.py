"""A small trunk with batch norm: trains, resumes, averages, is scored."""
import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim

from datasets.shapes import drawing
from engine import checkpoints
from engine.detecting import detector
from engine.exporting import weights
from engine.training import gradients
from nets import layers
from nets import nets_factory
from tests import scripts
from tests import small_trunk

NAME = small_trunk.SSDNet.name
NORM = f'{NAME}/block1/depthwise/BatchNorm/'
AVERAGE = checkpoints.restore.AVERAGE
# Of the folders of records, training, evaluation and export.
ODD_NAME = r'~ [v1], *? 50%d #2 \日'


@pytest.fixture(scope='module', autouse=True)
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets_factory.networks_map, NAME, small_trunk.SSDNet)
        yield


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes') / ODD_NAME
    scripts.synthetic_shapes.write(folder / 'voc', 8, 0, size=64)
    scripts.write_records(
        folder / 'voc', folder, 'toy_train', labels=drawing.CLASSES)
    return folder


def train(data, train_dir, num_steps, **changes):
    scripts.train(**{
        'dataset_name': 'toy', 'dataset_dir': str(data), 'model_name': NAME,
        'train_dir': str(train_dir), 'batch_size': 4, 'random_seed': 1,
        'preprocessing_name': 'resize_only', 'optimizer': 'adam',
        'learning_rate': .01, 'learning_rate_decay_type': 'fixed',
        'warmup_steps': 0, 'max_number_of_steps': num_steps,
        'moving_average_decay': .9, **changes})


def tensors(prefix):
    stored = checkpoints.reader.open_reader(str(prefix))
    return {name: stored.get_tensor(name)
            for name in stored.get_variable_to_shape_map()}


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory):
    """The folder of a training that was resumed."""
    folder = tmp_path_factory.mktemp('train') / ODD_NAME
    train(data, folder, 1)
    train(data, folder, 100)
    return folder


def test_batch_norm_equals_its_formula():
    images = np.random.default_rng(0).normal(3, 2, (2, 4, 4, 3)).astype('f4')
    with tf.Graph().as_default(), tf.Session() as session:
        training = layers.batch_norm(
            tf.constant(images), is_training=True, decay=.9)
        with tf.variable_scope('', reuse=True):
            scoring = layers.batch_norm(
                tf.constant(images), is_training=False)
        session.run(tf.global_variables_initializer())
        mean, variance = images.mean((0, 1, 2)), images.var((0, 1, 2))
        np.testing.assert_allclose(
            session.run(training), (images - mean) / np.sqrt(
                variance + .001), atol=1e-5)
        np.testing.assert_allclose(
            session.run(scoring), images / np.sqrt(1.001), rtol=1e-5)
        session.run([statistic.update() for statistic
                     in tf.get_collection(layers.MOVING_STATISTICS)])
        moving_mean, moving_variance = session.run(
            tf.moving_average_variables())
    np.testing.assert_allclose(moving_mean, .1 * mean, rtol=1e-5)
    # Of a sample: divided by n - 1.
    np.testing.assert_allclose(
        moving_variance, .9 + .1 * variance * 32 / 31, rtol=1e-5)


def test_what_decays_and_what_is_averaged():
    with tf.Graph().as_default():
        small_trunk.SSDNet().net(
            tf.zeros([1, 64, 64, 3]), is_training=True, weight_decay=.1)
        decayed = {loss.op.name.partition('/kernel')[0]
                   for loss in tf.losses.get_regularization_losses()}
        names = {variable.op.name for variable in slim.get_model_variables()}
        moving = {variable.op.name
                  for variable in tf.moving_average_variables()}
    assert decayed == {name.removesuffix('/weights') for name in names
                       if name.endswith('/weights')}
    assert moving == {name for name in names if '/moving_' in name}
    assert NORM + 'moving_mean' in moving
    assert f'{NAME}/block1/depthwise/depthwise_weights' in names
    assert not any('block2_box' in name and 'BatchNorm' in name
                   for name in names)


@pytest.mark.parametrize('split', [
    {}, {'accumulate_steps': 2}, {'num_clones': 2, 'clone_on_cpu': True}])
def test_statistics_move_once_a_step_however_a_batch_is_split(split):
    _, model, loss, _, run = scripts.training_options(
        batch_size=4 if not split else 2, **split)
    net = small_trunk.SSDNet()
    num_anchors = len(net.anchors())
    with tf.Graph().as_default():
        step = gradients.of_batch(model, loss, run, net, {
            'image': tf.zeros([4, 64, 64, 3]),
            'target/labels': tf.zeros([4, num_anchors], tf.int64),
            'target/localisations': tf.zeros([4, num_anchors, 4])}, 1.)
        assert [statistic.variable for statistic in step.statistics] == (
            tf.moving_average_variables())


def test_statistics_are_saved_and_averaged(trained):
    values = tensors(trained / 'model.ckpt-100')
    for name in 'moving_mean', 'moving_variance', 'gamma', 'beta':
        value = values[NORM + name]
        average = values[NORM + name + AVERAGE]
        assert np.isfinite(value).all() and (value != 0).any()
        np.testing.assert_allclose(average, value, atol=.5)
        assert (average != value).any()
    metadata = checkpoints.metadata.read(str(trained / 'model.ckpt-100'))
    assert metadata['mean_pixel'] == [127.5] * 3
    assert metadata['scale'] == 1 / 127.5


@pytest.mark.parametrize('decay', [None, .9])
def test_it_is_scored_with_its_statistics(data, trained, tmp_path, decay):
    scripts.evaluate(
        dataset_name='toy', dataset_split_name='train', batch_size=4,
        dataset_dir=str(data), checkpoint_path=str(trained),
        eval_dir=str(tmp_path / ODD_NAME), moving_average_decay=decay,
        report=False)
    metrics = json.loads((tmp_path / ODD_NAME / 'metrics.json').read_text())
    assert metrics['mAP_VOC07'] > .5


def test_it_detects_with_the_averages_that_were_exported(
        data, trained, tmp_path):
    path = str(tmp_path / ODD_NAME / 'small.ckpt')
    weights.export(str(trained), path, averages=True)
    with detector.Detector(path) as network:
        assert network.model_name == NAME
        found = network.detect(
            [str(path) for path in sorted(data.glob('voc/JPEGImages/*'))])
    assert sum(len(one.names) for one in found) >= 8
    values, averages = tensors(path), tensors(trained / 'model.ckpt-100')
    np.testing.assert_array_equal(
        values[NORM + 'moving_mean'],
        averages[NORM + 'moving_mean' + AVERAGE])


def test_a_trunks_checkpoint_is_found_by_its_own_names(tmp_path):
    with tf.Graph().as_default():
        with tf.variable_scope('MobilenetV1'):
            slim.model_variable('Conv2d_0/weights', [3, 3, 3, 16])
        scripts.save_graph(tmp_path / 'mobilenet.ckpt')
    net = small_trunk.SSDNet()
    with tf.Graph().as_default():
        net.net(tf.zeros([1, 64, 64, 3]), is_training=False)
        entries, _ = checkpoints.restore.plan(
            slim.get_model_variables(), str(tmp_path / 'mobilenet.ckpt'), net)
    assert [(entry.variable.op.name, entry.source) for entry in entries
            if entry.source] == [
        (f'{NAME}/block0/weights', 'MobilenetV1/Conv2d_0/weights')]
