"""Anchors against a worked cell and against Caffe's priors."""
import os

import numpy as np
import pytest

from detection import anchors
from detection import boxes
from nets import nets_factory

DATA = os.path.join(os.path.dirname(__file__), 'data')


def test_anchors_of_a_single_cell():
    cell = anchors.layer_anchors((1, 1), (300, 300), (264, 315), (2, .5), 300)
    assert cell.dtype == np.float32
    np.testing.assert_allclose(cell * 300, [
        [150, 150, 264, 264], [150, 150, 288.3748, 288.3748],
        [150, 150, 186.6762, 373.3524], [150, 150, 373.3524, 186.6762],
    ], rtol=1e-6)


def test_cells_come_by_row_then_column():
    centres = anchors.layer_anchors((2, 3), (20, 30), (5,), (), 10)[:, :2]
    np.testing.assert_allclose(centres * (20, 30), [
        [5, 5], [5, 15], [5, 25], [15, 5], [15, 15], [15, 25]])


@pytest.mark.parametrize('network, preset, reference', [
    ('ssd_300_vgg', None, 'ssd_300_coco'),
    ('ssd_300_vgg', 'voc', 'ssd_300_voc'),
    ('ssd_300_vgg', 'coco', 'ssd_300_coco'),
    ('ssd_300_vgg_quarter', 'voc', 'ssd_300_voc'),
    ('ssd_512_vgg', None, 'ssd_512_coco'),
    ('ssd_512_vgg', 'voc', 'ssd_512_voc'),
])
def test_anchors_equal_the_reference(network, preset, reference):
    """tests/data/anchors.npz: closed formula, checked against Caffe's."""
    network = nets_factory.get_network(network)
    params = network.default_params
    if preset:
        params = network.with_anchors(params, preset)
    expected = np.load(os.path.join(DATA, 'anchors.npz'))[reference]
    np.testing.assert_allclose(
        network(params).anchors(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize('preset', ['voc', 'coco'])
def test_truncated_sizes_give_the_anchors_of_caffe(preset):
    network = nets_factory.get_network('ssd_512_vgg')
    params = network.with_anchors(network.default_params, preset)
    params = params._replace(anchor_sizes=tuple(
        tuple(int(size) for size in sizes) for sizes in params.anchor_sizes))
    expected = np.load(
        os.path.join(DATA, 'anchors.npz'))[f'ssd_512_{preset}_caffe_int']
    np.testing.assert_allclose(
        network(params).anchors(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize('name', sorted(nets_factory.networks_map))
def test_best_overlaps_are_those_of_all_pairs(name):
    params = nets_factory.get_network(name).default_params
    rng = np.random.RandomState(0)
    low = rng.uniform(0, .9, (200, 2))
    bboxes = np.concatenate(
        [low, np.minimum(low + rng.uniform(.01, 1, (200, 2)), 1)], 1)
    geometry = (params.feat_shapes, params.img_shape, params.anchor_sizes,
                params.anchor_ratios, params.anchor_steps)
    corners = boxes.to_corners(
        anchors.all_anchors(*geometry).astype(np.float64), np)
    expected = [boxes.jaccard(bbox, corners, np).max() for bbox in bboxes]
    np.testing.assert_allclose(
        anchors.best_overlaps(bboxes, *geometry), expected, atol=1e-6)
    assert anchors.best_overlaps(np.zeros((0, 4)), *geometry).shape == (0,)
