"""ResNet-50: trunk, variables and cost, beside slim's definition."""
from tf_slim.nets import resnet_v1

from nets import ssd_resnet
from tests import slim_trunks

EPSILON = 1e-5


def test_slims_trunk_is_the_512s(tmp_path):
    """Slim's third block strides in its last unit, here it does after it."""
    network = ssd_resnet.SSD512Net()
    images = slim_trunks.images(network)

    expected = slim_trunks.save(
        tmp_path / 'slim.ckpt', images, lambda values: resnet_v1.resnet_v1_50(
            values, num_classes=10, is_training=False)[1], epsilon=EPSILON)
    end_points, new, unused = slim_trunks.restore(
        tmp_path / 'slim.ckpt', network, images)
    assert not new
    assert unused == ['resnet_v1_50/logits/biases',
                      'resnet_v1_50/logits/weights']
    slim_trunks.assert_near(
        end_points['block3'][:, ::2, ::2], expected['resnet_v1_50/block3'])
    slim_trunks.assert_near(
        end_points['block4'], expected['resnet_v1_50/block4'])


def test_slims_blocks_without_their_stride_are_the_300s(tmp_path):
    network = ssd_resnet.SSD300Net()
    images = slim_trunks.images(network)
    blocks = [resnet_v1.resnet_v1_block('block1', 64, 3, stride=2),
              resnet_v1.resnet_v1_block('block2', 128, 4, stride=1),
              resnet_v1.resnet_v1_block('block3', 256, 6, stride=1)]
    expected = slim_trunks.save(
        tmp_path / 'slim.ckpt', images, lambda values: resnet_v1.resnet_v1(
            values, blocks, is_training=False, global_pool=False,
            scope='resnet_v1_50')[0], epsilon=EPSILON)
    end_points, new, unused = slim_trunks.restore(
        tmp_path / 'slim.ckpt', network, images)
    assert not new and not unused
    slim_trunks.assert_near(end_points['block3'], expected)
