"""Anchors of a data set, written and read back."""
import json

import pytest

from engine import checkpoints
from engine import models
from nets import anchor_files
from nets import ssd_vgg_300

NETWORK = ssd_vgg_300.SSDQuarterNet
PARAMS = NETWORK.default_params
SIZES = tuple((low + .25, high + .125) for low, high in PARAMS.anchor_sizes)
RATIOS = tuple(tuple(ratio * 2 for ratio in layer)
               for layer in PARAMS.anchor_ratios)


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / 'my anchors [1].json')
    anchor_files.write(path, NETWORK, SIZES, RATIOS)
    return path


def test_what_is_written_is_what_the_network_has(path):
    network = models.make_network(NETWORK.name, ['cat'], None, path)
    assert network.params.anchor_sizes == SIZES
    for found, written in zip(
            network.params.anchor_ratios, RATIOS, strict=True):
        assert found == pytest.approx(written, abs=1e-3)
    metadata = checkpoints.metadata.make(network, ['cat'])
    assert models.make_network(
        None, ['cat'], metadata, path).params == network.params
    with pytest.raises(ValueError, match='--anchors=voc: the checkpoint was'):
        models.make_network(None, ['cat'], metadata, 'voc')


@pytest.mark.parametrize('change, message', [
    ({'anchor_sizes': SIZES[:-1]}, 'is for ssd_300_vgg_quarter; ssd_300_vgg_q'
     'uarter has 4, 6, 6, 6, 4, 4 anchors in a cell'),
    ({'anchor_ratios': ((2,), *RATIOS[1:])}, 'has 4, 6, 6, 6, 4, 4 anchors'),
    ({'anchor_ratios': ((2, 0), *RATIOS[1:])}, 'must be above 0'),
    ({'anchor_sizes': ((float('nan'), 1), *SIZES[1:])}, 'must be above 0'),
    ({'anchor_sizes': 3}, 'not a file of anchors, as inspect_data.py --sugg'),
    ({'anchor_sizes': [['a', 'b']]}, 'not a file of anchors')])
def test_anchors_for_something_else(path, change, message):
    with open(path, encoding='utf-8') as file:
        content = json.load(file) | change
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(content, file)
    with pytest.raises(ValueError, match='--anchors=.*my anchors .*' + message):
        anchor_files.apply(path, NETWORK, PARAMS)


def test_no_such_file():
    with pytest.raises(ValueError, match=(
            '--anchors=mine.json: no file, and unknown for ssd_300_vgg_quart')):
        models.make_network(NETWORK.name, ['cat'], None, 'mine.json')
