"""ResNet-50 beside slim's definition; the layouts of NVIDIA and gluon-cv."""
import numpy as np
import pytest
from tf_slim.nets import resnet_v1

from nets import ssd_resnet
from tests import slim_trunks

TRAINED = 'weights', 'gamma', 'beta'
EPSILON = 1e-5


@pytest.fixture(scope='module')
def ssd_512(tmp_path_factory):
    """From slim's own resnet_v1_50, with a classifier."""
    return slim_trunks.start(
        tmp_path_factory.mktemp('512') / 'slim.ckpt', ssd_resnet.SSD512Net(),
        lambda images: resnet_v1.resnet_v1_50(
            images, num_classes=10, is_training=False)[1], epsilon=EPSILON)


@pytest.fixture(scope='module')
def ssd_300(tmp_path_factory):
    """From slim's first three blocks, of which the first alone strides."""
    blocks = [resnet_v1.resnet_v1_block(f'block{index}', *numbers)
              for index, numbers in enumerate(
                  [(64, 3, 2), (128, 4, 1), (256, 6, 1)], 1)]
    return slim_trunks.start(
        tmp_path_factory.mktemp('300') / 'slim.ckpt', ssd_resnet.SSD300Net(),
        lambda images: resnet_v1.resnet_v1(
            images, blocks, is_training=False, global_pool=False,
            scope='resnet_v1_50')[1], epsilon=EPSILON)


def test_the_trunks_are_slims(ssd_300, ssd_512):
    slim_trunks.assert_near(
        ssd_300.end_points['block3'], ssd_300.expected['resnet_v1_50/block3'])
    slim_trunks.assert_near(
        ssd_512.end_points['block4'], ssd_512.expected['resnet_v1_50/block4'])
    # Slim's third block strides in its last unit, here it does so after it.
    slim_trunks.assert_near(
        ssd_512.end_points['block3'][:, ::2, ::2],
        ssd_512.expected['resnet_v1_50/block3'])


def test_slims_checkpoint_is_the_whole_trunk(ssd_300, ssd_512):
    assert not ssd_300.new and not ssd_300.unused
    assert not ssd_512.new and ssd_512.unused == [
        'resnet_v1_50/logits/biases', 'resnet_v1_50/logits/weights']


def test_variables(ssd_300, ssd_512):
    for started in ssd_300, ssd_512:
        slim_trunks.assert_recorded(started.network, started.shapes)
        assert started.decayed == {
            name.removesuffix('/weights') for name in started.shapes
            if name.endswith('/weights')}
        assert not any('_box/' in name and 'BatchNorm' in name
                       for name in started.shapes)
    # torchvision's resnet50 has 25,557,032, of which 2,049,000 classify, and
    # 14,964,736 are in its layer4.
    assert [slim_trunks.num_in_trunk(
        started.network, started.shapes, *TRAINED)
        for started in (ssd_300, ssd_512)] == [8543296, 23508032]
    assert [round(started.multiply_adds / 1e9, 2)
            for started in (ssd_300, ssd_512)] == [15.81, 21.02]


def test_layers_that_predict(ssd_300, ssd_512):
    for started, expected in (
            (ssd_300, [(38, 1024, 5776), (19, 512, 2166), (10, 512, 600),
                       (5, 256, 150), (3, 256, 36), (1, 256, 4)]),
            (ssd_512, [(32, 1024, 4096), (16, 2048, 1536), (8, 512, 384),
                       (4, 512, 96), (2, 256, 16), (1, 256, 4)])):
        network = started.network
        assert [started.end_points[layer].shape
                for layer in network.params.feat_layers] == [
            (1, side, side, channels) for side, channels, _ in expected]
        assert len(network.anchors()) == sum(
            num_anchors for *_, num_anchors in expected)


def test_anchors_of_the_512():
    """gluon-cv's: of the first cell's centre, in pixels: h, w."""
    network = ssd_resnet.SSD512Net()
    np.testing.assert_allclose(network.anchors()[:4] * 512, [
        [8, 8, 51.2, 51.2], [8, 8, *[np.sqrt(51.2 * 102.4)] * 2],
        [8, 8, 51.2 / np.sqrt(2), 51.2 * np.sqrt(2)],
        [8, 8, 51.2 * np.sqrt(2), 51.2 / np.sqrt(2)]], rtol=1e-6)
    coco = network.with_anchors(network.params, 'coco').anchor_sizes
    assert coco[0] == (51.2, 133.12) and coco[-1] == (460.8, 542.72)
