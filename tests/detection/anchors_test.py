"""Anchors against a worked cell and against Caffe's priors."""
import numpy as np
import pytest

from detection import anchors
from detection import boxes
from nets import nets_factory
from tests import scripts


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


def test_clipped_anchors_and_offsets_of_layers():
    geometry = [(1, 1), (1, 2)], (10, 20), [(8,), (20,)], [(), ()], [10, 25]
    offsets = .5, 0.

    def clipped(clip):
        return anchors.all_anchors(*geometry, offsets, clip) * (10, 20, 10, 20)

    np.testing.assert_allclose(clipped(None), [
        [5, 5, 8, 8], [0, 0, 20, 20], [0, 25, 20, 20]])
    np.testing.assert_allclose(clipped('sides'), [
        [5, 5, 8, 8], [0, 0, 10, 20], [0, 25, 10, 20]])
    np.testing.assert_allclose(clipped('centres_and_sides'), [
        [5, 5, 8, 8], [0, 0, 10, 20], [0, 20, 10, 20]])
    np.testing.assert_allclose(clipped('corners'), [
        [5, 5, 8, 8], [5, 5, 10, 10], [5, 17.5, 10, 5]])
    with pytest.raises(ValueError, match="anchor_clip is 'edges', not corne"):
        clipped('edges')


@pytest.mark.parametrize('network, preset, reference', [
    ('ssd_300_vgg', None, 'ssd_300_coco'),
    ('ssd_300_vgg', 'voc', 'ssd_300_voc'),
    ('ssd_512_vgg', None, 'ssd_512_coco'),
    ('ssd_512_vgg', 'voc', 'ssd_512_voc'),
    ('ssd_512_vgg', 'coco', 'ssd_512_coco_caffe_int'),
    ('ssd_512_vgg', 'voc', 'ssd_512_voc_caffe_int')])
def test_anchors_equal_the_reference(network, preset, reference):
    """tests/data/anchors.npz: closed formula, checked against Caffe's."""
    network = nets_factory.get_network(network)
    params = network.default_params
    if preset is not None:
        params = network.with_anchors(params, preset)
    if reference.endswith('_int'):  # Caffe truncates the sizes.
        params = params._replace(anchor_sizes=[
            list(map(int, sizes)) for sizes in params.anchor_sizes])
    np.testing.assert_allclose(
        network(params).anchors(),
        np.load(scripts.DATA / 'anchors.npz')[reference], rtol=0, atol=1e-6)


@pytest.mark.parametrize('name', ['ssd_300_vgg', 'ssd_512_vgg'])
def test_best_overlaps_are_those_of_all_pairs(name):
    params = nets_factory.get_network(name).default_params
    rng = np.random.RandomState(0)
    low = rng.uniform(0, .9, (200, 2))
    bboxes = np.concatenate(
        [low, np.minimum(low + rng.uniform(.01, 1, (200, 2)), 1)], 1)
    geometry = (params.feat_shapes, params.img_shape, params.anchor_sizes,
                params.anchor_ratios, params.anchor_steps)
    corners = boxes.to_corners(
        anchors.all_anchors(*geometry).astype(np.float64))
    expected = [boxes.jaccard(bbox, corners).max() for bbox in bboxes]
    np.testing.assert_allclose(
        anchors.best_overlaps(bboxes, *geometry), expected, atol=1e-6)
    assert anchors.best_overlaps(np.zeros((0, 4)), *geometry).shape == (0,)
