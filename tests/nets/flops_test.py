"""What networks cost: by hand, of all of them, and as docs/networks.md says."""
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim

from nets import flops
from nets import layers
from nets import nets_factory
from tests import scripts


def test_convolutions_by_hand():
    with tf.Graph().as_default() as graph:
        images = tf.zeros([2, 10, 10, 3])
        # 5 x 5 cells x 4 outputs, each over 3 x 3 x 3 values; 2 images.
        net = slim.conv2d(images, 4, [3, 3], stride=2, scope='a')
        assert flops.multiply_adds(graph) == 2 * 25 * 4 * 27
        # Only the nine values of one channel.
        net = slim.separable_conv2d(net, None, [3, 3], scope='b')
        assert flops.multiply_adds(graph) == 2 * 25 * 4 * (27 + 9)
        layers.atrous_conv2d(net, 5, 3, rate=6, scope='c')
        assert flops.multiply_adds(graph) == 2 * 25 * (4 * 36 + 5 * 36)


# Of all networks, with 20 classes: variables, 10^6 parameters, 10^9 MAC.
# Published: 26.3 and 31.4 of ssd_300_vgg, 90.2 of ssd_512_vgg, 1.15 (2.3 GFLOP,
# Caffe's MobileNet-SSD) of ssd_300_mobilenet_v1.
COSTS = {
    'ssd_300_vgg': (71, 26.285, 31.374),
    'ssd_300_vgg_quarter': (71, 2.272, 2.223),
    'ssd_512_vgg': (79, 27.189, 90.208),
    'ssd_300_mobilenet_v1': (199, 5.796, 1.148),
    'ssd_300_mobilenet_v1_half': (199, 1.559, .308),
    'ssd_300_mobilenet_v1_quarter': (199, .445, .087),
    'ssdlite_320_mobilenet_v2': (404, 3.356, .695),
    'ssdlite_320_mobilenet_v2_half': (404, 1.284, .247),
    'ssdlite_320_mobilenet_v2_quarter': (404, .627, .109),
    'ssd_300_resnet_50': (289, 15.428, 15.806),
    'ssd_300_resnet_50_half': (289, 4.647, 4.42),
    'ssd_300_resnet_50_quarter': (289, 1.557, 1.339),
    'ssd_512_resnet_50': (329, 36.45, 21.024),
    'ssd_512_resnet_50_half': (329, 10.513, 5.837),
    'ssd_512_resnet_50_quarter': (329, 3.329, 1.75),
    'ssd_300_inception_v2': (331, 15.702, 3.956),
    'ssd_300_inception_v2_half': (331, 4.762, 1.093),
    'ssd_300_inception_v2_quarter': (331, 1.61, .323),
    'ssd_300_vgg_bn': (175, 26.294, 31.374),
    'ssd_300_vgg_bn_half': (175, 7.414, 8.193),
    'ssd_300_vgg_bn_quarter': (175, 2.275, 2.223),
}


@pytest.mark.parametrize('name', nets_factory.networks_map)
def test_cost(name):
    cost = flops.of_network(nets_factory.get_network(name)())
    assert (cost.num_variables, round(cost.num_parameters / 1e6, 3),
            round(cost.multiply_adds / 1e9, 3)) == COSTS[name]


def test_the_page_of_networks_says_the_same():
    full, _, rest = (scripts.ROOT / 'docs' / 'networks.md').read_text(
        'utf-8').partition('\n## Smaller forms\n')
    said = {name: cells[2:4] for name, *cells in rows(full)}
    for name, *cells in rows(rest.partition('\n## ')[0]):
        for ending, cell in zip(('_half', '_quarter'), cells, strict=True):
            if cell:
                said[name + ending] = cell.split(', ')
    assert said.keys() == COSTS.keys()
    for name, texts in said.items():
        for text, value in zip(texts, COSTS[name][1:], strict=True):
            step = 10. ** -len(text.partition('.')[2])
            assert abs(float(text) - value) < .51 * step, name


def rows(text):
    """Yields the cells of the rows of tables that begin with a name."""
    for line in text.splitlines():
        if line.startswith('| `'):
            first, *cells = line.strip('|').split('|')
            yield first.strip(' `'), *map(str.strip, cells)
