"""What checkpoints say of themselves."""
import json

import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.importing import convert
from nets import ssd_vgg_300
from tests import scripts

CLASSES = ('cat', 'dög')
VGG = ssd_vgg_300.SSDNet
NETWORK = VGG(VGG.with_anchors(VGG.default_params, 'voc')._replace(
    num_classes=3, mean=(123.68, 116.78, 103.94), scale=.5))


def save(folder, text):
    """Returns the prefix of a checkpoint with text as its metadata."""
    with tf.Graph().as_default():
        tf.get_variable('ssd_metadata', initializer=text)
        scripts.save_graph(folder / 'model.ckpt')
    return str(folder / 'model.ckpt')


def test_metadata_comes_back(tmp_path):
    metadata = checkpoints.metadata.make(NETWORK, CLASSES)
    with tf.Graph().as_default():
        checkpoints.metadata.variable(metadata)
        scripts.save_graph(tmp_path / 'model')
    read = checkpoints.metadata.read(str(tmp_path / 'model'))
    assert read == metadata
    assert {key: read[key] for key in (
        'model_name', 'classes', 'mean_pixel', 'scale', 'image_shape',
        'format_version')} == {
            'model_name': 'ssd_300_vgg', 'classes': ['cat', 'dög'],
            'mean_pixel': [123.68, 116.78, 103.94], 'scale': .5,
            'image_shape': [300, 300], 'format_version': 1}
    assert checkpoints.metadata.apply(
        VGG.default_params, read) == NETWORK.params
    del read['scale']  # As earlier checkpoints have it.
    assert checkpoints.metadata.apply(VGG.default_params, read).scale == 1


def test_what_readers_of_version_1_do_not_heed_is_of_version_2():
    first, *others = VGG.default_params.extra_blocks
    for change in ({'anchor_clip': 'sides'}, {'unused_labels': (1,)},
                   {'clips_bboxes': True},
                   {'anchor_offset': (.5, .6, .7, .8, .9, 1.)},
                   {'extra_blocks': (first._replace(pad=(0, 1)), *others)}):
        params = NETWORK.params._replace(**change)
        metadata = checkpoints.metadata.make(VGG(params), CLASSES)
        assert metadata['format_version'] == 2
        assert checkpoints.metadata.apply(
            VGG.default_params, json.loads(json.dumps(metadata))) == params


@pytest.mark.parametrize('text, message', [
    ('{', 'ssd_metadata is damaged'),
    ('{}', "ssd_metadata is damaged: KeyError.'format_version'"),
    ('{"format_version": 3}', 'is of version 3; .* reads version 2'),
    ('{"format_version": 1, "classes": []}',
     'lacks anchor_offset, anchor_ratios, anchor_sizes')])
def test_damaged_metadata(tmp_path, text, message):
    with pytest.raises(ValueError, match=f'model.ckpt: .*{message}'):
        checkpoints.metadata.read(save(tmp_path, text))


@pytest.mark.parametrize('key, value, message', [
    ('model_name', 'resnet', 'resnet: unknown network'),
    ('image_shape', [512, 512],
     r'\[512, 512\], but ssd_300_vgg takes \[300, 300\]')])
def test_metadata_that_contradicts_the_network(tmp_path, key, value, message):
    metadata = {**checkpoints.metadata.make(NETWORK, CLASSES), key: value}
    with pytest.raises(ValueError, match=f'ckpt: ssd_metadata: .*{message}'):
        checkpoints.metadata.read(save(tmp_path, json.dumps(metadata)))


def test_inspection_does_not_count_what_training_adds(tmp_path, capsys):
    with tf.Graph().as_default():
        weights = tf.get_variable('net/weights', [2, 3])
        tf.train.ExponentialMovingAverage(.9).apply([weights])
        tf.train.AdamOptimizer().minimize(tf.reduce_sum(weights))
        checkpoints.metadata.variable(
            checkpoints.metadata.make(NETWORK, CLASSES))
        scripts.save_graph(tmp_path / 'a.ckpt')
    convert.inspect(str(tmp_path))
    output = capsys.readouterr().out
    assert ['net/weights', '2x3'] in map(str.split, output.splitlines())
    assert '8 variables, 6 parameters' in output
    assert json.loads(output[output.index('{'):])['model_name'] == VGG.name


def test_inspection_of_any_checkpoint(tmp_path, capsys):
    with tf.Graph().as_default():
        tf.get_variable('resnet/kernel', [3, 3, 3, 64])
        scripts.save_graph(tmp_path / 'model.ckpt-9')
    assert checkpoints.metadata.read(str(tmp_path / 'model.ckpt-9')) is None
    convert.inspect(str(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['global_step', 'scalar']
    assert lines[-2] == '2 variables, 1,728 parameters'
    assert lines[-1].startswith('no ssd_metadata')
