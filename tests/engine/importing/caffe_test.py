"""Conversion of Caffe models: what is written, and what is refused."""
import json
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from google.protobuf import text_format

from engine import checkpoints
from engine.importing import caffe
from engine.importing import caffe_pb2
from engine.importing import convert
from engine.importing import weights
from nets import nets_factory
from tests import caffe_files
from tests import scripts

QUARTER = 'ssd_300_vgg_quarter'
PRESETS = nets_factory.get_network('ssd_300_vgg').anchor_presets


@pytest.fixture(scope='module')
def layers_300():
    return caffe_files.layers(caffe_files.prototxt(300, width=.25))


@pytest.fixture(scope='module')
def full_layers_300():
    return caffe_files.layers(caffe_files.prototxt(300))


def read(folder, layers, model_name=QUARTER, **arguments):
    caffe_files.write(folder / 'a.caffemodel', layers)
    return caffe.read(str(folder / 'a.caffemodel'),
                      weights.Options(model_name, **arguments))


def check_refused(folder, message, layers, *args, **kwargs):
    with pytest.raises(ValueError, match=f'a.caffemodel: .*{message}'):
        read(folder, layers, *args, **kwargs)


def without(layers, *endings):
    return [layer for layer in layers if not layer.name.endswith(endings)]


def with_layer(layers, name, change):
    """Returns the layers with a changed copy of one."""
    copy = caffe_pb2.LayerParameter()
    copy.CopyFrom(next(layer for layer in layers if layer.name == name))
    change(copy)
    return [copy if layer.name == name else layer for layer in layers]


def test_a_checkpoint_that_says_how_to_use_it(
        tmp_path, capsys, full_layers_300):
    path = tmp_path / 'a.caffemodel'
    caffe_files.write(path, full_layers_300)
    convert.convert(str(path), 'ssd_300_vgg', 21)
    report = capsys.readouterr().out
    assert 'anchors: 30..60, 60..111' in report and 'tvmonitor' in report
    convert.inspect(str(path))
    assert '26,285,486 parameters' in capsys.readouterr().out
    prefix = str(tmp_path / 'a.ckpt')
    convert.inspect(prefix)
    listing = capsys.readouterr().out
    assert 'block11_box/conv_cls/weights' in listing
    metadata = checkpoints.metadata.read(prefix)
    assert json.loads(listing[listing.index('{'):]) == metadata
    assert metadata['model_name'] == 'ssd_300_vgg'
    assert metadata['anchor_sizes'] == [list(s) for s in PRESETS['voc']]
    assert metadata['prior_scaling'] == [.1, .1, .2, .2]
    network = nets_factory.get_network('ssd_300_vgg')
    assert checkpoints.metadata.apply(
        network.default_params, metadata) == network.with_anchors(
            network.default_params, 'voc')
    assert checkpoints.reader.global_step(prefix) == 0
    assert not (tmp_path / 'checkpoint').exists()


def test_backbone(tmp_path, full_layers_300):
    trunk = [layer for layer in full_layers_300
             if re.fullmatch(r'conv[1-5]_\d|fc[67]', layer.name)]
    classifier = caffe_pb2.LayerParameter(name='fc8')
    caffe_files.add_blob(classifier, np.zeros((10, 1024, 1, 1)))
    imported = read(tmp_path, [*trunk, classifier], 'vgg_16_reduced')
    assert imported.unused == ['fc8'] and imported.metadata is None
    assert len(imported.values) == 15 * 2
    values = imported.values['vgg_16_reduced/conv6/weights']
    assert values.shape == (3, 3, 512, 1024)
    np.testing.assert_array_equal(
        imported.values['vgg_16_reduced/conv1/conv1_1/biases'],
        np.frombuffer(trunk[0].blobs[1].data, np.float32))


def test_own_class_names(tmp_path):
    layers = caffe_files.layers(caffe_files.prototxt(300, 4, width=.25))
    labels = ['RBC', 'WBC', 'Platelets']
    check_refused(tmp_path, 'has 3 classes, neither VOC nor COCO', layers)
    check_refused(tmp_path, 'has 3 classes, but 2 names', layers,
                  labels=labels[:2])
    check_refused(tmp_path, 'has 4 classes, .*--num_classes=81', layers,
                  num_classes=81)
    imported = read(tmp_path, layers, labels=labels)
    assert imported.metadata['classes'] == labels


def test_another_network_is_refused(tmp_path, layers_300):
    alexnet = caffe_pb2.LayerParameter(name='conv1')
    caffe_files.add_blob(alexnet, np.zeros((96, 3, 11, 11)))
    check_refused(tmp_path, 'lacks the layers .*conv6_2_mbox_conf.* are conv1',
                  [alexnet])
    check_refused(tmp_path, 'lacks the layers conv10_2_mbox_conf', layers_300,
                  'ssd_512_vgg')
    check_refused(tmp_path, 'lacks the layers conv7_1 of', without(
        layers_300, 'conv7_1'))
    check_refused(
        tmp_path, r'layer conv1_1 has the shape \(16, 3, 3, 3\), but '
        r'conv1/conv1_1/weights of --model_name needs \(64, 3, 3, 3\)',
        layers_300, 'ssd_300_vgg')
    check_refused(tmp_path, 'unknown network; known: ', layers_300, 'ssd_301')
    check_refused(
        tmp_path, '=ssdlite_320_mobilenet_v2: a .caffemodel can be a network '
        'over VGG-16 or MobileNet v1', layers_300, 'ssdlite_320_mobilenet_v2')
    check_refused(tmp_path, 'lacks the layers conv11_mbox_conf.* of ssd_300_mo',
                  layers_300, 'ssd_300_mobilenet_v1')


def test_300_does_not_take_a_512_file(tmp_path):
    layers = caffe_files.layers(caffe_files.prototxt(512, width=.25))
    check_refused(tmp_path, 'PriorBox layers .*conv10_2_mbox_priorbox',
                  layers)
    check_refused(tmp_path, 'conv8_2_mbox_conf has 126 outputs|differ in num',
                  without(layers, '_mbox_priorbox'), anchors='voc')


@pytest.mark.parametrize('name, text, message', [
    ('conv4_2', 'stride: 2', 'conv4_2 has a stride of 2, not 1 as in ssd_300_'),
    ('fc6', 'pad: 1 dilation: 1', 'a pad of 1, not 6, a dilation of 1, not 6'),
    ('conv6_2', 'pad: 0', 'conv6_2 has a pad of 0, not 1'),
    ('fc7_mbox_loc', 'pad: 0', 'fc7_mbox_loc has a pad of 0, not 1'),
    ('pool5', 'kernel_size: 2 stride: 2', 'a stride of 2, not 1, a kernel of '
     '2, not 3'),
    ('conv1_1', 'stride_h: 1 stride_w: 2', "'conv1_1' has the stride .1, 2.")])
def test_kernels_that_go_another_way_are_refused(
        tmp_path, layers_300, name, text, message):
    """The weights would fit, and detect wrongly."""
    kind = 'pooling_param' if name == 'pool5' else 'convolution_param'

    def change(layer):
        for field in re.findall(r'(\w+):', text):
            getattr(layer, kind).ClearField(field)
        text_format.Merge(f'{kind} {{ {text} }}', layer)

    check_refused(tmp_path, message, with_layer(layers_300, name, change))


def test_file_without_priors_needs_the_anchors(tmp_path, layers_300):
    bare = without(layers_300, '_mbox_priorbox')
    check_refused(tmp_path, 'give --anchors, one of coco, voc', bare)
    check_refused(tmp_path, 'own anchors; leave out --anchors=coco',
                  layers_300, anchors='coco')
    imported = read(tmp_path, bare, anchors='coco')
    assert imported.metadata['anchor_sizes'] == [
        list(pair) for pair in PRESETS['coco']]


@pytest.mark.parametrize('field, value, message', [
    ('clip', True, 'fc7_mbox_priorbox clips the prior boxes, others do not'),
    ('step_h', 8., 'fc7_mbox_priorbox has the steps .8.0, 16.0'),
    ('img_size', 512, r'for images of .512. pixels'),
    ('step', -8., 'fc7_mbox_priorbox has numbers that are no sizes'),
    ('aspect_ratio', [0.], 'fc7_mbox_priorbox has numbers that are no sizes'),
    ('min_size', [float('inf')], 'has numbers that are no sizes'),
    ('offset', float('nan'), 'has numbers that are no sizes'),
    ('variance', [.1, .1], 'has 2 variances; 1 or 4 are needed'),
    ('min_size', [60, 80], 'has 2 min_size and 1 max_size'),
    ('min_size', [.5], 'fc7_mbox_priorbox has anchors of less than a pixel'),
    ('variance', [.3], 'layers differ in variance')])
def test_priors_that_we_have_not_are_refused(
        tmp_path, layers_300, field, value, message):
    def change(layer):
        prior = layer.prior_box_param
        prior.ClearField(field)
        prior.MergeFrom(caffe_pb2.PriorBoxParameter(**{field: value}))

    check_refused(tmp_path, message, with_layer(
        layers_300, 'fc7_mbox_priorbox', change))


def test_steps_offsets_and_clips_of_a_file(tmp_path, layers_300):
    text = caffe_files.prototxt(300, width=.25)
    text = text.replace('clip: false', 'clip: true').replace(
        'step: 8.0 offset: 0.5', 'step: 8.0 offset: 0.25').replace(
            'step: 300.0', '').replace('step: 100.0', 'step: 90.0')
    metadata = read(tmp_path, caffe_files.layers(text)).metadata
    assert metadata['anchor_offset'] == [.25, .5, .5, .5, .5, .5]
    assert metadata['anchor_steps'] == [8, 16, 32, 64, 90, 300]
    assert metadata['anchor_clip'] == 'corners'


def test_the_input_of_a_training(tmp_path, layers_300):
    for transform, mean, scale in (
            ({'mean_value': [104, 117, 123.5]}, [123.5, 117, 104], 1),
            ({'mean_value': [127.5], 'scale': .0078125}, [127.5] * 3, .0078125),
            ({'scale': .5}, [0, 0, 0], .5),
            ({'resize_param': {'height': 300, 'width': 300}},
             [123, 117, 104], 1)):
        metadata = read(tmp_path, caffe_files.snapshot(
            layers_300, **transform)).metadata
        assert (metadata['mean_pixel'], metadata['scale']) == (mean, scale)
    for transform, message in (
            ({'mean_file': 'a.binaryproto'},
             "data subtracts a mean image, 'a.binaryproto'; only mean_value"),
            ({'mean_value': [1, 2]}, 'has 2 mean_value; 1 or 3 are needed'),
            ({'scale': float('nan')}, 'has the scale nan and the mean'),
            ({'resize_param': {'height': 512, 'width': 512}},
             'data is for images of 512x512 pixels, the network for 300x300')):
        check_refused(tmp_path, message, caffe_files.snapshot(
            layers_300, **transform))
    deploy = caffe_pb2.LayerParameter(name='data', type='Input', input_param={
        'shape': [{'dim': [1, 3, 500, 500]}]})
    check_refused(tmp_path, 'for images of 500x500', [deploy, *layers_300])


def test_heads_are_those_that_are_concatenated(tmp_path, layers_300):
    unused = caffe_pb2.LayerParameter()
    unused.CopyFrom(next(layer for layer in layers_300
                         if layer.name == 'fc7_mbox_conf'))
    unused.name, unused.top[:] = 'fc7_mbox_conf_old', ['old']
    layers = [*layers_300, unused]
    assert read(tmp_path, layers).unused == ['fc7_mbox_conf_old']
    check_refused(
        tmp_path, 'layers fc7_mbox_conf, fc7_mbox_conf_old all predict conf '
        'from fc7; only one of them can be used',
        [layer for layer in layers if layer.name != 'mbox_conf'])

    def rename(layer):
        layer.name = 'mine'

    check_refused(tmp_path, 'layer fc7_mbox_conf_old does not feed mbox_conf; '
                  '.*, mine do', with_layer(layers, 'fc7_mbox_conf', rename))


def test_layers_between_that_we_have_not_are_refused(tmp_path, layers_300):
    prelu = caffe_pb2.LayerParameter(
        name='prelu', type='PReLU', bottom=['conv3_2'], top=['conv3_2'])
    caffe_files.add_blob(prelu, np.ones(64))
    index = [layer.name for layer in layers_300].index('conv3_2')
    check_refused(
        tmp_path, r'also predicts with prelu \(PReLU\), which .*_quarter does '
        'not have', [*layers_300[:index + 1], prelu, *layers_300[index + 1:]])


def test_duplicate_and_incomplete_layers_are_refused(tmp_path, layers_300):
    check_refused(tmp_path, 'two layers conv1_1 with weights',
                  [layers_300[0], *layers_300])
    check_refused(
        tmp_path, 'layer conv1_2 has 1 blobs of weights; 2 needed',
        with_layer(layers_300, 'conv1_2', lambda layer: layer.blobs.pop()))


def test_a_checkpoint_in_place_of_a_caffemodel_is_refused(tmp_path):
    with tf.Graph().as_default():
        scripts.save_graph(tmp_path / 'a.ckpt')
    with pytest.raises(ValueError, match='a.ckpt: a TensorFlow checkpoint al'):
        convert.convert(str(tmp_path / 'a.ckpt'), QUARTER)


def test_nothing_is_written_of_what_is_refused(tmp_path, layers_300):
    path = tmp_path / 'a.caffemodel'
    caffe_files.write(path, layers_300[:1])
    with pytest.raises(ValueError, match='--output_path=.* a folder; add the'):
        convert.convert(str(path), QUARTER, output_path=str(tmp_path))
    assert 'a.caffemodel: it lacks the layers' in scripts.fails(
        tmp_path, f'caffe_to_tensorflow.py --caffemodel_path={path}')
    assert '--caffemodel_path must be given' in scripts.fails(
        tmp_path, 'caffe_to_tensorflow.py')
    assert list(tmp_path.iterdir()) == [path]
