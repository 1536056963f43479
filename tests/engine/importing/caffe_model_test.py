"""Reading .caffemodel files: formats, and what is no .caffemodel."""
import random
import time
import tracemalloc

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


def test_layer_with_shapes(path, layer):
    caffe_files.write(path, [caffe_pb2.LayerParameter(name='data'), layer])
    data, conv = caffe_model.read(path)
    assert (data.name, data.blobs, data.prior_box) == ('data', (), None)
    assert (conv.name, conv.type) == ('conv', 'Convolution')
    np.testing.assert_array_equal(conv.blobs[0], WEIGHTS)
    np.testing.assert_array_equal(conv.blobs[1], BIASES)


def test_v1_layer_with_legacy_shapes_and_doubles(path, layer):
    caffe_files.write(path, [caffe_files.as_v1(layer, '<f8')])
    conv, = caffe_model.read(path)
    assert (conv.name, conv.type) == ('conv', 'CONVOLUTION')
    np.testing.assert_array_equal(conv.blobs[0], WEIGHTS)
    np.testing.assert_array_equal(conv.blobs[1], BIASES.reshape(1, 1, 1, 2))
    assert conv.blobs[0].dtype == np.float32


def test_prior_box_parameters(path):
    layer = caffe_pb2.LayerParameter(name='a_mbox_priorbox')
    layer.prior_box_param.min_size.append(35.84)
    caffe_files.write(path, [layer])
    prior_box = caffe_model.read(path)[0].prior_box
    assert prior_box.min_size == pytest.approx([35.84])
    assert prior_box.flip and not prior_box.clip and prior_box.offset == .5


def test_fields_that_are_not_layers_are_passed_over(path, layer):
    caffe_files.write(path, [layer])
    name = b'\x0a\x03net'
    input_dims = b'\x20\x01\x20\x80\x02'
    path.write_bytes(name + input_dims + path.read_bytes() + name)
    assert [layer.name for layer in caffe_model.read(path)] == ['conv']


def test_describe(path, layer):
    caffe_files.write(path, [layer])
    first, last = caffe_model.describe(caffe_model.read(path))
    assert first.split() == ['conv', 'Convolution', '2x3x1x1', '2']
    assert last == '1 layers, 8 parameters'


def test_every_truncation_is_refused(path, layer):
    caffe_files.write(path, [layer])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match='not a'):
            caffe_model.read(path)


@pytest.mark.parametrize('content', [
    b'', b'\x00' * 100, b'\xff' * 100, b'name: "VGG"\nlayer { name: "a" }\n',
    b'layer {\n}\n', b'\x89HDF\r\n\x1a\n' + bytes(50), b'PK\x03\x04' * 20],
    ids=['empty', 'zeros', 'ones', 'prototxt', 'layer', 'hdf5', 'zip'])
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f'^{path}: not a .*caffemodel') as e:
        caffe_model.read(path)
    assert '\n' not in str(e.value)


def test_claimed_length_is_not_allocated(path):
    path.write_bytes(
        caffe_files.varint(caffe_files.LAYERS * 8 + 2)
        + caffe_files.varint(10 * 2 ** 30) + b'conv')
    tracemalloc.start()
    with pytest.raises(ValueError, match='10,737,418,240 bytes, but 4 follow'):
        caffe_model.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 ** 20


@pytest.mark.parametrize('shape', [
    (-1, -6), (2, 3, 1, 2), (0,), (2 ** 62, 4), (2 ** 40, 2 ** 40)])
def test_shape_and_data_must_agree(path, shape):
    layer = caffe_pb2.LayerParameter(name='conv')
    caffe_files.add_blob(layer, WEIGHTS)
    layer.blobs[0].shape.dim[:] = shape
    caffe_files.write(path, [layer])
    with pytest.raises(ValueError, match="layer 'conv' has the shape .* 6 n"):
        caffe_model.read(path)


def test_half_a_number_is_refused(path):
    layer = caffe_pb2.LayerParameter(name='conv')
    layer.blobs.add(data=b'12345')
    caffe_files.write(path, [layer])
    with pytest.raises(ValueError, match='no whole count'):
        caffe_model.read(path)


@pytest.mark.parametrize('number', [np.nan, np.inf, 1e300])
def test_numbers_must_be_finite_float32(path, number):
    layer = caffe_pb2.LayerParameter(name='conv')
    caffe_files.add_blob(layer, np.array([1., number]), dtype='<f8')
    caffe_files.write(path, [layer])
    with pytest.raises(ValueError, match="layer 'conv' .* not finite"):
        caffe_model.read(path)


def test_number_of_dimensions_is_limited(path):
    layer = caffe_pb2.LayerParameter(name='conv')
    layer.blobs.add().shape.dim.extend([2 ** 60] * 1000)
    caffe_files.write(path, [layer])
    with pytest.raises(ValueError, match='1,000 dimensions; .* at most 32'):
        caffe_model.read(path)


def test_name_that_is_no_text_is_refused(path):
    path.write_bytes(b'\xa2\x06\x04\x0a\x02\xff\xfe')
    with pytest.raises(ValueError, match='is no name of a layer'):
        caffe_model.read(path)


def test_damage_is_never_worse_than_a_value_error(path, layer):
    caffe_files.write(path, [
        layer, caffe_files.as_v1(layer),
        caffe_pb2.LayerParameter(name='prior', prior_box_param={
            'min_size': [30], 'max_size': [60], 'variance': [.1, .2]})])
    whole = path.read_bytes()
    generator = random.Random(0)
    num_refused = 0
    for _ in range(500):
        start = generator.randrange(len(whole))
        end = start + generator.randrange(4)
        path.write_bytes(
            whole[:start] + generator.randbytes(generator.randrange(4))
            + whole[end:])
        try:
            list(caffe_model.describe(caffe_model.read(path)))
        except ValueError as error:
            assert '\n' not in str(error)
            num_refused += 1
    assert 250 < num_refused < 500


def test_name_that_would_break_a_line_is_refused(path):
    caffe_files.write(path, [caffe_pb2.LayerParameter(name='a\nb')])
    with pytest.raises(ValueError, match=r"'a\\nb' is no name of a layer"):
        caffe_model.read(path)


@pytest.mark.parametrize('content', [
    b'\xa2\x06\x00' * 2_000_000,
    b'\xa2\x06' + caffe_files.varint(6_000_000) + b'\x3a\x00' * 3_000_000])
def test_millions_of_empty_layers_or_blobs_are_refused(path, content):
    path.write_bytes(content)
    seconds = time.process_time()
    with pytest.raises(ValueError, match='more than 10,000 fields before byte'):
        caffe_model.read(path)
    assert time.process_time() - seconds < 2
