"""Trainings that start from VGG-16: reduced by its authors, or by us."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim

from engine import checkpoints
from engine.importing import caffe_pb2
from engine.importing import convert
from nets import ssd_vgg_300
from tests import caffe_files
from tests import scripts

TRUNK = ('conv1_', 'conv2_', 'conv3_', 'conv4_', 'conv5_', 'fc6', 'fc7')


def restored(net, prefix):
    """Returns the plan's table, and the variables that start from it."""
    prefix = str(prefix)
    with tf.Graph().as_default(), tf.Session() as session:
        net.net(tf.zeros([1, 300, 300, 3]), is_training=False)
        entries, _ = checkpoints.restore.plan(
            slim.get_model_variables(), prefix, net)
        checkpoints.restore.initializer(entries, prefix)(session)
        values = session.run({
            entry.variable.op.name.partition('/')[2]: entry.variable
            for entry in entries if entry.source})
    return checkpoints.restore.format_plan(entries, prefix), values


def test_a_start_from_the_reduced_caffe_model(tmp_path, capsys):
    # As VGG_ILSVRC_16_layers_fc_reduced: no classifier, and of format V1.
    layers = [
        layer for layer in caffe_files.layers(caffe_files.prototxt(300))
        if layer.blobs and layer.name.startswith(TRUNK)
        and '_norm' not in layer.name and '_mbox' not in layer.name]
    path = tmp_path / 'reduced.caffemodel'
    caffe_files.write(path, [
        caffe_pb2.V1LayerParameter(name='data'),
        *map(caffe_files.as_v1, layers)])
    convert.convert(str(path), 'vgg_16_reduced', None, None, None, None)
    assert 'next: python train_ssd_network.py --checkpoint_path=' in (
        capsys.readouterr().out)
    table, values = restored(
        ssd_vgg_300.SSDNet(), tmp_path / 'reduced.ckpt')
    assert '30 of 71 variables restored' in table
    blobs = {layer.name: np.frombuffer(layer.blobs[0].data, '<f4').reshape(
        layer.blobs[0].shape.dim) for layer in layers}
    for name, scope in (('conv1_1', 'conv1/conv1_1'), ('fc6', 'conv6'),
                        ('fc7', 'conv7')):
        expected = blobs[name].transpose(2, 3, 1, 0)
        if name == 'conv1_1':
            expected = expected[:, :, ::-1]
        np.testing.assert_array_equal(values[f'{scope}/weights'], expected)


@pytest.fixture(scope='module')
def vgg_16(tmp_path_factory):
    """A file like slim's vgg_16.ckpt, with a quarter of the channels."""
    prefix = tmp_path_factory.mktemp('vgg') / 'vgg_16.ckpt'
    with tf.Graph().as_default(), tf.variable_scope('vgg_16'):
        inputs = 3
        for block, (num_layers, channels) in enumerate(
                ((2, 16), (2, 32), (3, 64), (3, 128), (3, 128)), 1):
            for layer in range(1, num_layers + 1):
                add_layer(f'conv{block}/conv{block}_{layer}',
                          [3, 3, inputs, channels])
                inputs = channels
        add_layer('fc6', [7, 7, 128, 1024])
        add_layer('fc7', [1, 1, 1024, 1024])
        add_layer('fc8', [1, 1, 1024, 1000])
        scripts.save_graph(prefix, tf.train.SaverDef.V1)
    return prefix


def add_layer(scope, shape):
    with tf.variable_scope(scope):
        tf.get_variable('weights', shape)
        tf.get_variable('biases', shape[-1:],
                        initializer=tf.random_normal_initializer())


def test_a_start_from_fully_connected_layers(vgg_16):
    table, values = restored(ssd_vgg_300.SSDQuarterNet(), vgg_16)
    assert '30 of 71 variables restored' in table
    before = checkpoints.reader.open_reader(str(vgg_16))
    for name, source, slices in (
            ('conv5/conv5_3/weights', 'conv5/conv5_3/weights', np.s_[:]),
            # Taps 0, 3 and 6 of seven; one of four outputs, and for fc7 the
            # inputs that those are.
            ('conv6/weights', 'fc6/weights', np.s_[::3, ::3, :, ::4]),
            ('conv6/biases', 'fc6/biases', np.s_[::4]),
            ('conv7/weights', 'fc7/weights', np.s_[:, :, ::4, ::4]),
            ('conv7/biases', 'fc7/biases', np.s_[::4])):
        np.testing.assert_array_equal(
            values[name],
            before.get_tensor(f'vgg_16/{source}')[slices])


def test_excluded_scopes_are_not_subsampled(vgg_16):
    net = ssd_vgg_300.SSDQuarterNet()
    with tf.Graph().as_default():
        net.net(tf.zeros([1, 300, 300, 3]), is_training=False)
        entries, _ = checkpoints.restore.plan(
            slim.get_model_variables(), str(vgg_16), net,
            exclude_scopes=[f'{net.name}/conv6'])
    reasons = {entry.variable.op.name: entry.reason for entry in entries}
    assert reasons[f'{net.name}/conv6/weights'] == 'excluded'
    assert reasons[f'{net.name}/conv7/weights'] is None
