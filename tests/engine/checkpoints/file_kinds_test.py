"""What is no checkpoint is called what it is."""
import bz2
import gzip
import io
import pickle
import struct
import tarfile
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.importing import caffe_pb2

TAKEN = ('; this program takes checkpoints of TensorFlow, and converts '
         'weights of Caffe and PyTorch.')
CONVERTED = ('; to convert those of an SSD or of VGG-16: python '
             "caffe_to_tensorflow.py --caffemodel_path='{}'")
PAGE = ('a web page or an error of a server (it begins with {!r}), saved in '
        'place of the file; download it again.')
JSON = ('JSON (it begins with {!r}), as a server sends on an error in place '
        'of the file; download it again.')
PACKED = ('a packed file, but no archive (.tar, .zip) of a checkpoint; unpack '
          'it, and give what is in it.')
GRAPH = ('a frozen graph, whose weights cannot be restored; give the '
         'checkpoint that it was made of.')
SAVED_MODEL = ('a SavedModel; give the checkpoint that it was made of, or, '
               'for one of TensorFlow 1, its variables/variables.')


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        for name in names:
            archive.writestr(name, 'x')
    return file.getvalue()


def array_file(*arrays):
    file = io.BytesIO()
    (np.savez if len(arrays) > 1 else np.save)(file, *arrays)
    return file.getvalue()


def hdf5():
    file = io.BytesIO()
    with h5py.File(file, 'w') as content:
        content['weights'] = [1.]
    return file.getvalue()


def graph():
    with tf.Graph().as_default() as made:
        tf.constant([1.], name='weights')
    return made.as_graph_def().SerializeToString()


def meta_graph():
    with tf.Graph().as_default():
        tf.constant([1.], name='weights')
        definition = tf.train.export_meta_graph()
    # saved_model.proto: the version, and MetaGraphs.
    content = definition.SerializeToString()
    size = len(content)
    return b'\x08\x01\x12' + bytes(
        [size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + content


def caffe(name=b'', **layers):
    network = caffe_pb2.NetParameter(**layers).SerializeToString()
    return (b'\n%c%s' % (len(name), name) if name else b'') + network


def torch_pickle():
    # The first three of what torch.save wrote until version 1.6.
    return b''.join(pickle.dumps(value, protocol=2) for value in (
        0x1950a86a20f9469cfc6c, 1001, {'little_endian': True}))


def safetensors():
    header = b'{"0.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    return struct.pack('<Q', len(header)) + header + bytes(4)


ONNX = b'\x08\x07\x12\x07pytorch\x1a\x041.10:\x02\n\0B\x02\x10\x0b'
CASES = [
    ('empty', b'', 'an empty file; copy or download it again.'),
    ('markup', b'\n<!DOCTYPE html>\n<html><head><title>Google Drive - Virus',
     PAGE.format('<!DOCTYPE html> <html><head><title>Googl')),
    ('markup', '\ufeff<html>Ünknown'.encode(), PAGE.format('<html>Ünknown')),
    ('markup', b"<?xml version='1.0'?><Error>", PAGE.format(
        "<?xml version='1.0'?><Error>")),
    ('json', b'{"error": "Not Found"}', JSON.format('{"error": "Not Found"}')),
    ('text', b'404: Not Found', "text (it begins with '404: Not Found'), no "
     'model; check the path, or download it again.'),
    ('lfs', b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n'
     b'size 12345\n', 'a pointer of Git LFS, which stands for the file; fetch '
     'that by git lfs pull.'),
    ('state', b'model_checkpoint_path: "model.ckpt-7"\n', "the list of a "
     "folder's checkpoints; give the folder, or one of them."),
    ('prototxt', b'# An SSD\nname: "VGG"\nlayer {', 'the description of a '
     'Caffe network (.prototxt), which has no weights; give the .caffemodel.'),
    ('hdf5', hdf5(), f'an HDF5 file, as Keras writes them{TAKEN}'),
    ('keras', zipped('metadata.json', 'config.json', 'model.weights.h5'),
     f'a model of Keras{TAKEN}'),
    ('tflite', b'\x1c\0\0\0TFL3\x14\0', f'a model of TensorFlow Lite{TAKEN}'),
    ('onnx', ONNX, f'a model of ONNX{TAKEN}'),
    ('darknet', struct.pack('<3iQf', 0, 2, 5, 32013312, .5),
     f'weights of Darknet (YOLO){TAKEN}'),
    ('numpy', array_file([1.]), f'arrays of NumPy{TAKEN}'),
    ('numpy', array_file([1.], [2.]), f'arrays of NumPy{TAKEN}'),
    ('pickle', pickle.dumps({'weights': [1.]}, protocol=4),
     f'a pickle of Python{TAKEN}'),
    ('graph', graph(), GRAPH),
    ('saved_model', meta_graph(), SAVED_MODEL),
    ('packed', gzip.compress(b'weights', mtime=0), PACKED),
    ('packed', bz2.compress(b'weights'), PACKED),
    ('packed', b"7z\xbc\xaf'\x1c\0\4", PACKED),
    ('caffe', caffe(b'VGG_VOC0712_SSD', layer=[{'name': 'conv1_1'}]),
     f'weights of Caffe{CONVERTED}'),
    ('caffe', caffe(layers=[{'name': 'conv1_1'}]),
     f'weights of Caffe{CONVERTED}'),
    ('torch', torch_pickle(), f'weights of PyTorch{CONVERTED}'),
    ('torch', zipped('ssd/data.pkl', 'ssd/data/0', 'ssd/version'),
     f'weights of PyTorch{CONVERTED}'),
    ('safetensors', safetensors(),
     f'weights of PyTorch (safetensors){CONVERTED}'),
    ('zip', zipped('model.ckpt.index'), None),
    ('zip', b'PK\3\4 cut', None),
    (None, b'\0\1\2\3', None)]


# The ending says nothing. No name has the content: that of some, such as a
# graph's, is another in each process.
@pytest.mark.parametrize(
    'kind, content, sentence', CASES,
    ids=[f'{index}_{kind}' for index, (kind, *_) in enumerate(CASES)])
def test_sentences(tmp_path, kind, content, sentence):
    path = tmp_path / 'my model.ckpt'
    path.write_bytes(content)
    assert checkpoints.file_kinds.kind(str(path)) == kind
    assert checkpoints.file_kinds.describe(str(path)) == (
        sentence and sentence.replace('{}', str(path)))
    if sentence is not None:
        with pytest.raises(ValueError) as caught:
            checkpoints.paths.find(str(path))
        assert str(caught.value) == (
            f'{path}: {sentence.replace("{}", str(path))}')


def test_every_kind_has_its_case():
    assert {*checkpoints.file_kinds._SENTENCES} == {'missing', *(
        kind for kind, _, sentence in CASES if sentence)}


def test_folder_of_a_saved_model(tmp_path):
    assert checkpoints.file_kinds.kind(str(tmp_path)) is None
    (tmp_path / 'variables').mkdir()
    (tmp_path / 'saved_model.pb').touch()
    assert checkpoints.file_kinds.kind(str(tmp_path)) == 'saved_model'
    with pytest.raises(ValueError) as caught:
        checkpoints.paths.find(str(tmp_path))
    assert str(caught.value) == f'{tmp_path}: {SAVED_MODEL}'


@pytest.mark.parametrize('mode', ['w', 'w:gz', 'w:bz2', 'w:xz'])
def test_tar(tmp_path, mode):
    path = tmp_path / 'vgg_16'
    with tarfile.open(path, mode) as archive:
        archive.add(__file__, 'vgg_16.ckpt')
    assert checkpoints.file_kinds.kind(str(path)) == 'tar'


def test_what_is_not_there(tmp_path):
    assert checkpoints.file_kinds.kind(str(tmp_path / 'no')) == 'missing'
    assert checkpoints.file_kinds.describe(
        str(tmp_path / 'no')) == 'not there; check the path.'
