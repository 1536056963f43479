"""Conversion of Caffe models: what is written, and what is refused."""
import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.importing import caffe
from engine.importing import caffe_pb2
from engine.importing import convert
from nets import nets_factory
from tests import caffe_files
from tests import scripts

PRESETS = nets_factory.get_network('ssd_300_vgg').anchor_presets


@pytest.fixture(scope='module')
def layers_300():
    return caffe_files.layers(caffe_files.prototxt(300))


def convert_layers(folder, layers, model_name='ssd_300_vgg', **arguments):
    path = folder / 'a.caffemodel'
    caffe_files.write(path, layers)
    return caffe.convert(str(path), model_name, **arguments)


def check_refused(folder, message, layers, *args, **kwargs):
    with pytest.raises(ValueError, match=message) as error:
        convert_layers(folder, layers, *args, **kwargs)
    assert 'a.caffemodel: ' in str(error.value)
    assert '\n' not in str(error.value)
    assert [path.name for path in folder.iterdir()] == ['a.caffemodel']


def without(layers, *endings):
    return [layer for layer in layers if not layer.name.endswith(endings)]


def with_layer(layers, name, change):
    """Returns the layers with a changed copy of one."""
    copy = caffe_pb2.LayerParameter()
    copy.CopyFrom(next(layer for layer in layers if layer.name == name))
    change(copy)
    return [copy if layer.name == name else layer for layer in layers]


def test_checkpoint_says_how_to_use_it(tmp_path, layers_300):
    conversion = convert_layers(tmp_path, layers_300)
    prefix = str(tmp_path / 'a.ckpt')
    assert conversion.checkpoint_path == prefix
    metadata = checkpoints.metadata.read(prefix)
    assert metadata['model_name'] == 'ssd_300_vgg'
    assert metadata['anchor_sizes'] == [list(s) for s in PRESETS['voc']]
    assert metadata['prior_scaling'] == [.1, .1, .2, .2]
    network = nets_factory.get_network('ssd_300_vgg')
    assert checkpoints.metadata.apply(
        network.default_params, metadata) == network.with_anchors(
            network.default_params, 'voc')
    assert checkpoints.reader.global_step(prefix) == 0
    assert not (tmp_path / 'checkpoint').exists()


def test_backbone(tmp_path, layers_300):
    trunk = [layer for layer in layers_300
             if layer.name.startswith(('conv1', 'conv2', 'conv3', 'fc'))
             or layer.name in ('conv4_1', 'conv4_2', 'conv4_3',
                               'conv5_1', 'conv5_2', 'conv5_3')]
    trunk = without(trunk, '_loc', '_conf')
    classifier = caffe_pb2.LayerParameter(name='fc8')
    caffe_files.add_blob(classifier, np.zeros((10, 1024, 1, 1)))
    conversion = convert_layers(
        tmp_path, [*trunk, classifier], 'vgg_16_reduced',
        output_path=str(tmp_path / 'new' / 'vgg.ckpt'))
    assert conversion.unused_layers == ['fc8']
    reader = tf.train.NewCheckpointReader(str(tmp_path / 'new' / 'vgg.ckpt'))
    shapes = reader.get_variable_to_shape_map()
    assert len(shapes) == 15 * 2 + 1
    assert shapes['vgg_16_reduced/conv6/weights'] == [3, 3, 512, 1024]
    np.testing.assert_array_equal(
        reader.get_tensor('vgg_16_reduced/conv1/conv1_1/biases'),
        np.frombuffer(trunk[0].blobs[1].data, np.float32))


def test_own_class_names(tmp_path):
    layers = caffe_files.layers(caffe_files.prototxt(300, 4))
    labels = 'RBC', 'WBC', 'Platelets'
    check_refused(tmp_path, 'has 3 classes, neither VOC nor COCO', layers)
    check_refused(tmp_path, 'has 3 classes, but 2 names', layers,
                  labels=labels[:2])
    assert convert_layers(tmp_path, layers, labels=labels).labels == labels


def test_wrong_number_of_classes_is_refused(tmp_path, layers_300):
    check_refused(tmp_path, 'has 21 classes, .*--num_classes=81', layers_300,
                  num_classes=81)


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
        tmp_path, r'layer conv1_1 has the shape \(64, 3, 3, 3\), but '
        r'ssd_300_vgg_quarter/conv1/conv1_1/weights needs \(16, 3, 3, 3\)',
        layers_300, 'ssd_300_vgg_quarter')
    check_refused(tmp_path, 'unknown network; known: ', layers_300, 'ssd_301')


def test_300_does_not_take_a_512_file(tmp_path):
    layers = caffe_files.layers(caffe_files.prototxt(512))
    check_refused(tmp_path, 'PriorBox layers .*conv10_2_mbox_priorbox',
                  layers)
    check_refused(tmp_path, 'conv8_2_mbox_conf has 126 outputs|differ in num',
                  without(layers, '_mbox_priorbox'), anchors='voc')


def test_file_without_priors_needs_the_anchors(tmp_path, layers_300):
    bare = without(layers_300, '_mbox_priorbox')
    check_refused(tmp_path, 'give --anchors, one of coco, voc', bare)
    check_refused(tmp_path, 'own anchors; leave out --anchors=coco',
                  layers_300, anchors='coco')
    conversion = convert_layers(tmp_path, bare, anchors='coco')
    assert conversion.params.anchor_sizes == PRESETS['coco']


@pytest.mark.parametrize('field, value, message', [
    ('clip', True, 'fc7_mbox_priorbox clips'),
    ('step_h', 8., 'fc7_mbox_priorbox has the steps .8.0, 16.0'),
    ('img_size', 512, r'for images of .512. pixels'),
    ('step', float('nan'), 'fc7_mbox_priorbox has the steps .nan.'),
    ('offset', .25, 'layers differ in offset'),
])
def test_priors_that_we_have_not_are_refused(
        tmp_path, layers_300, field, value, message):
    check_refused(tmp_path, message, with_layer(
        layers_300, 'fc7_mbox_priorbox',
        lambda layer: setattr(layer.prior_box_param, field, value)))


@pytest.mark.parametrize('field, values, message', [
    ('min_size', [60, 80], 'has 2 min_size and 1 max_size'),
    ('min_size', [.5], 'fc7_mbox_priorbox has anchors of less than a pixel'),
    ('max_size', [float('inf')], r'has the max_size .inf.; that is no pos'),
    ('aspect_ratio', [2, 0], r'has the aspect_ratio .2.0, 0.0.; that is no'),
    ('variance', [.1, .2], 'has 2 variances; one or four'),
    ('variance', [.3], 'layers differ in variance'),
])
def test_lists_of_priors_that_we_have_not_are_refused(
        tmp_path, layers_300, field, values, message):
    def change(layer):
        getattr(layer.prior_box_param, field)[:] = values

    check_refused(tmp_path, message, with_layer(
        layers_300, 'fc7_mbox_priorbox', change))


def test_duplicate_and_incomplete_layers_are_refused(tmp_path, layers_300):
    check_refused(tmp_path, 'two layers conv1_1 with weights',
                  [layers_300[0], *layers_300])
    check_refused(
        tmp_path, 'layer conv1_2 has 1 blobs of weights; 2 needed',
        with_layer(layers_300, 'conv1_2', lambda layer: layer.blobs.pop()))


def test_report_and_inspection(tmp_path, capsys, layers_300):
    path = tmp_path / 'a.caffemodel'
    caffe_files.write(path, layers_300)
    convert.convert(str(path), 'ssd_300_vgg', 21, None, None, None)
    report = capsys.readouterr().out
    assert 'anchors: 30..60, 60..111' in report and 'tvmonitor' in report
    convert.inspect(str(path))
    assert '26,285,486 parameters' in capsys.readouterr().out
    convert.inspect(str(tmp_path / 'a.ckpt'))
    listing = capsys.readouterr().out
    assert 'block11_box/conv_cls/weights' in listing
    metadata = json.loads(listing[listing.index('{'):])
    assert metadata['model_name'] == 'ssd_300_vgg'


def test_checkpoint_in_place_of_a_caffemodel_is_refused(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable('ssd300/multibox_head/loc_0/bias', [1])
        session.run(variable.initializer)
        prefix = tf.train.Saver().save(session, str(tmp_path / 'a.ckpt'))
    with pytest.raises(ValueError, match='HiKapok'):
        convert.convert(prefix, 'ssd_300_vgg', None, None, None, None)


def test_checkpoint_is_not_written_into_nowhere(tmp_path, layers_300):
    path = tmp_path / 'a.caffemodel'
    caffe_files.write(path, layers_300[:1])
    with pytest.raises(ValueError, match='--output_path=.* a folder; add the'):
        caffe.convert(
            str(path), 'ssd_300_vgg', output_path=str(tmp_path))


@pytest.mark.parametrize('flags, message', [
    (['--caffemodel_path={}'], 'a.caffemodel: not a whole .caffemodel'),
    (['--inspect={}'], 'a.caffemodel: not a whole .caffemodel'),
    ([], '--caffemodel_path must be given')])
def test_script_fails_with_one_line(tmp_path, flags, message):
    path = tmp_path / 'a.caffemodel'
    path.write_bytes(b'name: "VGG"')
    assert message in scripts.fails(
        tmp_path, ' '.join(['caffe_to_tensorflow.py', *flags]).format(path))
    assert list(tmp_path.iterdir()) == [path]
