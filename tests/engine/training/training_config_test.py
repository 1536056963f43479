import json

import pytest
import tf_slim as slim

from engine.training import training_config
from nets import ssd_vgg_300
from tests import scripts

DATASET = slim.dataset.Dataset(
    None, None, None, 10, {}, name='toy', labels=('cat', 'dog'))


def check_and_write(folder, network=None, dataset=DATASET, is_resumed=True,
                    **changes):
    training_config.check_and_write(
        scripts.options(
            'train_ssd_network', train_dir=str(folder), **changes),
        network or ssd_vgg_300.SSDNet(), dataset, is_resumed)


def test_file_says_what_is_trained_and_how(tmp_path):
    check_and_write(tmp_path, is_resumed=False, learning_rate=0.5)
    content = json.loads((tmp_path / 'training_config.json').read_text())
    assert content['trained']['model_name'] == 'ssd_300_vgg'
    assert content['trained']['classes'] == ['cat', 'dog']
    assert content['trained']['anchor_sizes'][0] == [21, 45]
    assert content['flags']['learning_rate'] == 0.5
    assert [path.name for path in tmp_path.iterdir()] == [
        'training_config.json']


def test_how_it_is_trained_may_change(tmp_path):
    check_and_write(tmp_path, is_resumed=False)
    check_and_write(tmp_path, learning_rate=0.5, batch_size=2)
    content = json.loads((tmp_path / 'training_config.json').read_text())
    assert content['flags']['learning_rate'] == 0.5


VOC_ANCHORS = ssd_vgg_300.SSDNet(ssd_vgg_300.SSDNet.with_anchors(
    ssd_vgg_300.SSDNet.default_params, 'voc'))


@pytest.mark.parametrize('changes, message', [
    ({'optimizer': 'adam'}, "optimizer was 'momentum', now 'adam'"),
    ({'network': ssd_vgg_300.SSDQuarterNet()},
     "model_name was 'ssd_300_vgg', now 'ssd_300_vgg_quarter'"),
    ({'network': VOC_ANCHORS},
     r'anchor_sizes was \[\[21, 45\], .* now \[\[30, 60\]'),
    ({'dataset': slim.dataset.Dataset(
        None, None, None, 10, {}, name='other', labels=('cat', 'dog'))},
     "dataset_name was 'toy', now 'other'"),
    ({'dataset': slim.dataset.Dataset(
        None, None, None, 10, {}, name='toy', labels=('cat',))},
     r"classes was \['cat', 'dog'\], now \['cat'\]"),
    ({'trainable_scopes': ['a', 'b']},
     r"trainable_scopes was None, now \['a', 'b'\]"),
    ({'moving_average_decay': 0.9},
     'moving_averages was False, now True'),
])
def test_what_is_trained_may_not(tmp_path, changes, message):
    check_and_write(tmp_path, is_resumed=False)
    before = (tmp_path / 'training_config.json').read_text()
    with pytest.raises(ValueError, match=(
            f'{tmp_path}: holds another training: {message}.*'
            'Give another --train_dir')):
        check_and_write(tmp_path, **changes)
    assert (tmp_path / 'training_config.json').read_text() == before
    # Without a checkpoint nothing is lost.
    check_and_write(tmp_path, is_resumed=False, **changes)


def test_folder_of_a_training_without_the_file(tmp_path):
    check_and_write(tmp_path)
    assert (tmp_path / 'training_config.json').exists()


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"trained": 1}'])
def test_damaged_file(tmp_path, text):
    (tmp_path / 'training_config.json').write_text(text)
    with pytest.raises(ValueError, match=(
            'training_config.json: not the configuration of a training')):
        check_and_write(tmp_path)
