"""Reading .caffemodel files: formats, and what is no .caffemodel."""
import random

import numpy as np
import pytest

from engine.importing import caffe_model
from engine.importing import caffe_pb2
from tests import caffe_files

WEIGHTS = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1)
BIASES = np.array([7, 8], np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'a.caffemodel'


@pytest.fixture
def layer():
    layer = caffe_pb2.LayerParameter(name='conv', type='Convolution')
    caffe_files.add_blob(layer, WEIGHTS)
    caffe_files.add_blob(layer, BIASES)
    return layer


@pytest.fixture
def prior():
    return caffe_pb2.LayerParameter(name='prior', prior_box_param={
        'min_size': [35.84], 'max_size': [60], 'variance': [.1, .2]})


def test_layers_with_shapes_and_fields_that_are_passed_over(path, layer):
    caffe_files.write(path, [caffe_pb2.LayerParameter(name='data'), layer])
    name, input_dims = b'\x0a\x03net', b'\x20\x01\x20\x80\x02'
    path.write_bytes(name + input_dims + path.read_bytes() + name)
    data, conv = caffe_model.read(path)
    assert (data.name, data.blobs, data.prior_box) == ('data', (), None)
    assert (conv.name, conv.type) == ('conv', 'Convolution')
    np.testing.assert_array_equal(conv.blobs[0], WEIGHTS)
    np.testing.assert_array_equal(conv.blobs[1], BIASES)
    lines = list(caffe_model.describe([conv]))
    assert lines[0].split() == ['conv', 'Convolution', '2x3x1x1', '2']
    assert lines[1] == '1 layers, 8 parameters'


def test_v1_layer_with_legacy_shapes_and_doubles(path, layer):
    caffe_files.write(path, [caffe_files.as_v1(layer, '<f8')])
    conv, = caffe_model.read(path)
    assert (conv.name, conv.type) == ('conv', 'CONVOLUTION')
    np.testing.assert_array_equal(conv.blobs[0], WEIGHTS)
    np.testing.assert_array_equal(conv.blobs[1], BIASES.reshape(1, 1, 1, 2))
    assert conv.blobs[0].dtype == np.float32


def test_prior_box_parameters(path, prior):
    caffe_files.write(path, [prior])
    prior_box = caffe_model.read(path)[0].prior_box
    assert prior_box.min_size == pytest.approx([35.84])
    assert prior_box.flip and not prior_box.clip and prior_box.offset == .5


def test_what_feeds_a_concatenation(path):
    def made(name, kind, bottoms, tops, has_weights=False):
        layer = caffe_pb2.LayerParameter(
            name=name, type=kind, bottom=bottoms, top=tops)
        if has_weights:
            caffe_files.add_blob(layer, WEIGHTS)
        return layer

    caffe_files.write(path, [
        made('first', 'Convolution', ['data'], ['a'], True),
        made('relu', 'ReLU', ['a'], ['a']),  # In place.
        made('split', 'Split', ['a'], ['a_0', 'a_1']),
        made('second', 'Convolution', ['a_0'], ['b'], True),
        made('bn', 'BatchNorm', ['b'], ['b'], True),
        made('scale', 'Scale', ['b'], ['b'], True),
        made('flat', 'Flatten', ['b'], ['b_flat']),
        made('third', 'Convolution', ['a_1'], ['b'], True),  # The name again.
        made('mbox_loc', 'Concat', ['b_flat', 'unknown'], ['mbox_loc']),
        made('mbox_conf', 'Concat', ['b'], ['mbox_conf'])])
    model = caffe_model.Model(caffe_model.read(path))
    assert model.feeding('mbox_loc') == {'second', 'bn', 'scale'}
    assert model.feeding('mbox_conf') == {'third'}
    assert model.feeding('mbox_priorbox') == set()
    assert model.feeding('mbox_', nearest=False) == {
        'first', 'second', 'bn', 'scale', 'third'}
    assert [norm.name for norm in model.norms('second')] == ['bn', 'scale']
    assert model.norms('first') == model.norms('third') == []


def test_v1_layers_are_connected_too(path):
    first = caffe_pb2.V1LayerParameter(name='head', top=['a'])
    caffe_files.add_blob(first, WEIGHTS)
    caffe_files.write(path, [first, caffe_pb2.V1LayerParameter(
        name='mbox_conf', type='CONCAT', bottom=['a'], top=['b'])])
    model = caffe_model.Model(caffe_model.read(path))
    assert model.feeding('mbox_conf') == {'head'}


@pytest.mark.parametrize('content', [
    b'', b'\x00' * 100, b'\xff' * 100, b'name: "VGG"\nlayer { name: "a" }\n',
    b'layer {\n}\n', b'\x89HDF\r\n\x1a\n' + bytes(50), b'PK\x03\x04' * 20])
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f'^{path}: not a .*caffemodel.*$'):
        caffe_model.read(path)


@pytest.mark.parametrize('values, change, fault', [
    (WEIGHTS, {'shape': {'dim': [2, 3, 1, 2]}}, r'\(2, 3, 1, 2\), but 6 numb'),
    (WEIGHTS, {'data': b'12345678'}, r'\(2, 3, 1, 1\), but 2 numbers'),
    (WEIGHTS, {'data': b'12345'}, 'multiple of element size'),
    (np.array([1, np.nan]), {}, "layer 'conv' has numbers that are not fini"),
    (np.array([1, 1e300]), {}, "layer 'conv' has numbers that are not finit")])
def test_blobs_that_are_damaged_are_refused(path, values, change, fault):
    layer = caffe_pb2.LayerParameter(name='conv')
    dtype = '<f4' if values is WEIGHTS else '<f8'
    caffe_files.add_blob(layer, values, dtype=dtype)
    for field, value in change.items():
        layer.blobs[0].ClearField(field)
        layer.blobs[0].MergeFrom(caffe_pb2.BlobProto(**{field: value}))
    caffe_files.write(path, [layer])
    with pytest.raises(ValueError, match=f'^{path}: not a whole .*{fault}'):
        caffe_model.read(path)


@pytest.mark.parametrize('name', [b'\xff\xfe', b'a\n'])
def test_names_that_are_no_line_of_text_are_refused(path, name):
    path.write_bytes(b'\xa2\x06\x04\x0a\x02' + name)
    with pytest.raises(ValueError, match='is no name of a layer'):
        caffe_model.read(path)


def test_damage_is_never_worse_than_a_value_error(path, layer, prior):
    caffe_files.write(path, [layer])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match='not a'):
            caffe_model.read(path)
    caffe_files.write(path, [layer, caffe_files.as_v1(layer), prior])
    whole, generator, faults = path.read_bytes(), random.Random(0), []
    for _ in range(500):
        start = generator.randrange(len(whole))
        path.write_bytes(
            whole[:start] + generator.randbytes(generator.randrange(4))
            + whole[start + generator.randrange(4):])
        try:
            list(caffe_model.describe(caffe_model.read(path)))
        except ValueError as error:
            faults.append(str(error))
    assert 250 < len(faults) < 500 and '\n' not in ''.join(faults)
