"""What all conversions share: flags, checks, what is written and said."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.importing import convert
from tests import scripts
from tests.engine.importing import hikapok_test

QUARTER = '--model_name=ssd_300_vgg_quarter'


@pytest.fixture(scope='module')
def detector(tmp_path_factory):
    """The path of a detector of two classes that does not name them."""
    return hikapok_test.save(tmp_path_factory.mktemp('detector'),
                             hikapok_test.random_weights(num_classes=3))


def test_class_names_are_given_by_a_flag(tmp_path, detector):
    scripts.call(
        f'caffe_to_tensorflow.py --caffemodel_path={detector} {QUARTER} '
        f'--labels=cat,dög --output_path={tmp_path}/new/a.ckpt')
    metadata = checkpoints.metadata.read(f'{tmp_path}/new/a.ckpt')
    assert metadata['classes'] == ['cat', 'dög']
    (tmp_path / 'names.txt').write_text('one')
    with pytest.raises(ValueError, match='2 classes, but 1 names were given'):
        scripts.call(
            f'caffe_to_tensorflow.py --caffemodel_path={detector} {QUARTER} '
            f'--labels_file={tmp_path}/names.txt')


def test_other_arguments_that_do_not_fit(tmp_path, detector):
    for arguments, message in (
            ({'output_path': str(tmp_path)}, '--output_path=.* a folder; add'),
            ({'output_path': detector}, '--output_path=.*: this is what is co'),
            ({'labels': 'a,a'}, "--labels, name 2: class name 'a' was already"),
            ({'labels': 'a', 'labels_file': 'b'}, '_file: give only one of')):
        with pytest.raises(ValueError, match=message):
            convert.convert(detector, 'ssd_300_vgg_quarter', **arguments)
    (tmp_path / 'a.caffemodel').write_bytes(b'\xa2\x06\x02\x0a\x00')
    with pytest.raises(ValueError, match="a.caffemodel: leave out "
                       "--absolute_coordinates, which is for HiKapok's"):
        convert.convert(str(tmp_path / 'a.caffemodel'),
                        absolute_coordinates=True)


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    values = hikapok_test.random_weights()
    values['fc7/bias'][3] = np.nan
    prefix = hikapok_test.save(tmp_path, values)
    with pytest.raises(ValueError, match='model.ckpt-7: what is to be ssd_300_'
                       'vgg_quarter/conv7/biases has numbers that are not fin'):
        convert.convert(prefix, 'ssd_300_vgg_quarter')
    assert not list(tmp_path.glob('*converted*'))


def test_what_is_nothing_to_convert_is_called_what_it_is(tmp_path):
    for content, message in (
            (b'<!DOCTYPE html>\n<title>404</title>', 'a web page or an error'),
            (b'version https://git-lfs.github.com/spec/v1', 'a pointer of Git'),
            (b'\x89HDF\r\n\x1a\n', 'an HDF5 file, as Keras writes them'),
            (b'\0\0\0\0TFL3', 'a model of TensorFlow Lite'),
            (b'', 'an empty file'),
            (b'\1\2\3\4' * 9, 'not a known kind of file')):
        (tmp_path / 'model').write_bytes(content)
        for function in (convert.convert, convert.inspect):
            with pytest.raises(ValueError, match=f'model: {message}'):
                function(str(tmp_path / 'model'))
    with pytest.raises(ValueError, match='nothing: not there'):
        convert.convert(str(tmp_path / 'nothing'))


def test_a_checkpoint_of_this_program_is_not_converted(tmp_path):
    with tf.Graph().as_default():
        tf.get_variable('ssd_300_vgg/conv6/weights', [2])
        scripts.save_graph(tmp_path / 'a.ckpt')
    with pytest.raises(ValueError, match='a.ckpt: a TensorFlow checkpoint al'):
        convert.convert(str(tmp_path / 'a.ckpt'))


def test_inspection_of_a_detector_of_hikapok(detector, capsys):
    convert.inspect(detector)
    *_, last = capsys.readouterr().out.splitlines()
    assert last == ('an SSD300 of HiKapok/SSD.TensorFlow; '
                    'caffe_to_tensorflow.py converts it')
