"""Inception v2 beside slim's definition."""
import pytest
import tensorflow.compat.v1 as tf
from tf_slim.nets import inception_v2

from engine import checkpoints
from nets import ssd_inception
from tests import scripts
from tests import slim_trunks


@pytest.fixture(scope='module')
def started(tmp_path_factory):
    """From slim's own inception_v2, with a classifier."""
    return slim_trunks.start(
        tmp_path_factory.mktemp('slim') / 'slim.ckpt', ssd_inception.SSDNet(),
        lambda images: inception_v2.inception_v2(
            images, num_classes=10, is_training=False,
            spatial_squeeze=False)[1], has_scale=False)


def test_the_trunk_is_slims(started):
    for module in ssd_inception.MODULES:
        slim_trunks.assert_near(
            started.end_points[module.name], started.expected[module.name])


def test_slims_checkpoint_is_the_whole_trunk(started):
    assert not started.new
    assert started.unused == ['InceptionV2/Logits/Conv2d_1c_1x1/biases',
                              'InceptionV2/Logits/Conv2d_1c_1x1/weights']


def test_variables(started):
    slim_trunks.assert_recorded(started.network, started.shapes)
    # As slim's own test has it, with the moving averages.
    assert slim_trunks.num_in_trunk(
        started.network, started.shapes, '') == 10173112
    assert round(started.multiply_adds / 1e9, 2) == 3.96
    # Nothing of the separable layer.
    assert started.decayed == {
        name.removesuffix('/weights') for name in started.shapes
        if name.endswith('/weights')}


def test_layers_that_predict(started):
    """As in the Object Detection API's ssd_inception_v2."""
    network = started.network
    assert [started.end_points[layer].shape
            for layer in network.params.feat_layers] == [
        (1, 19, 19, 576), (1, 10, 10, 1024), (1, 5, 5, 512), (1, 3, 3, 256),
        (1, 2, 2, 256), (1, 1, 1, 128)]
    assert len(network.anchors()) == 1917


def test_no_layer_has_fewer_than_16_channels():
    network = ssd_inception.SSDQuarterNet()
    assert [network.depth(channels) for channels in (32, 64, 96)] == [
        16, 16, 24]


def test_the_object_detection_apis_checkpoint_is_refused(tmp_path):
    """There each norm has a gamma, also the first layer, and ReLU6 follows."""
    path = str(tmp_path / 'model.ckpt')
    names = ['Conv2d_1a_7x7/pointwise_weights', 'Mixed_3b/Branch_0/'
             'Conv2d_0a_1x1/BatchNorm/gamma']
    with tf.Graph().as_default():
        for name in names:
            tf.get_variable(f'FeatureExtractor/InceptionV2/{name}', [1])
        scripts.save_graph(path)
    network = ssd_inception.SSDNet()
    with tf.Graph().as_default(), pytest.raises(ValueError, match=(
            'model.ckpt: nothing in it fits ssd_300_inception_v2; it holds 3')):
        checkpoints.restore.plan(
            [tf.get_variable(f'{network.name}/{name}', [1])
             for name in names], path, network)
