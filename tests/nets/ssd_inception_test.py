"""Inception v2: trunk, variables and cost, beside slim's definition."""
from tf_slim.nets import inception_v2

from nets import ssd_inception
from tests import slim_trunks


def test_slims_trunk(tmp_path):
    network = ssd_inception.SSDNet()
    images = slim_trunks.images(network)

    def build(values):
        _, end_points = inception_v2.inception_v2(
            values, num_classes=10, is_training=False, spatial_squeeze=False)
        return {module.name: end_points[module.name]
                for module in ssd_inception.MODULES}

    expected = slim_trunks.save(
        tmp_path / 'slim.ckpt', images, build, has_scale=False)
    end_points, new, unused = slim_trunks.restore(
        tmp_path / 'slim.ckpt', network, images)
    assert not new
    assert unused == ['InceptionV2/Logits/Conv2d_1c_1x1/biases',
                      'InceptionV2/Logits/Conv2d_1c_1x1/weights']
    for name, values in expected.items():
        slim_trunks.assert_near(end_points[name], values)
