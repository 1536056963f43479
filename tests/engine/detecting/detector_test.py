"""The detector: what it returns, from what, and what it refuses."""
import concurrent.futures
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from engine import checkpoints
from engine import runtime
from engine.detecting import detector
from nets import nets_factory
from preprocessing import ssd_vgg_preprocessing
from tests import detector_files
from tests import scripts

PICTURES = detector_files.pictures(10)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('checkpoints')


@pytest.fixture(scope='module')
def checkpoint(folder):
    return detector_files.save(folder / 'with_metadata')


@pytest.fixture(scope='module')
def unnamed(folder):
    return detector_files.save(folder / 'unnamed', with_metadata=False)


@pytest.fixture(scope='module')
def network(checkpoint):
    with detector.Detector(
            checkpoint, select_threshold=detector_files.THRESHOLD) as network:
        yield network


@pytest.fixture(scope='module')
def found(network):
    return network.detect(PICTURES)


def assert_same(found_a, found_b):
    """Boxes are compared relative to the image, as the scores are."""
    assert found_a.names == found_b.names
    assert found_a.size == found_b.size
    np.testing.assert_array_equal(found_a.class_ids, found_b.class_ids)
    np.testing.assert_allclose(found_a.scores, found_b.scores, atol=1e-4)
    scale = np.array([*found_a.size, *found_a.size])
    np.testing.assert_allclose(
        found_a.bboxes / scale, found_b.bboxes / scale, atol=1e-4)


def test_what_is_found_is_in_pixels_sorted_and_named(network, found):
    assert network.class_names == detector_files.NAMES
    assert network.model_name == detector_files.MODEL
    assert sum(len(image.scores) for image in found) > 25
    for picture, image in zip(PICTURES, found, strict=True):
        height, width = image.size
        assert image.size == picture.shape[:2]
        assert image.bboxes.shape == (len(image.names), 4)
        assert image.bboxes.dtype == image.scores.dtype == np.float32
        assert image.class_ids.dtype == np.int32
        assert (image.bboxes >= 0).all()
        assert (image.bboxes <= [height, width, height, width]).all()
        assert (np.diff(image.scores) <= 0).all()
        assert (image.scores > detector_files.THRESHOLD).all()
        assert image.names == [
            detector_files.NAMES[class_id - 1]
            for class_id in image.class_ids]


def test_boxes_are_those_of_the_network_itself(network, checkpoint, found):
    picture = PICTURES[0]
    metadata = checkpoints.metadata.read(checkpoint)
    network_class = nets_factory.get_network(detector_files.MODEL)
    net = network_class(checkpoints.metadata.apply(
        network_class.default_params, metadata))
    with runtime.quiet(), tf.Graph().as_default(), tf.Session() as session:
        image, _ = ssd_vgg_preprocessing.preprocess_for_eval(
            tf.constant(picture), (300, 300))
        logits, localisations, _ = net.net(image[None], is_training=False)
        tf.train.Saver().restore(session, checkpoint)
        expected = net.detect(
            logits, localisations,
            select_threshold=detector_files.THRESHOLD)
        expected = session.run(expected)
    num = expected.num[0]
    scale = [*picture.shape[:2]] * 2
    assert_same(found[0], detector.Detected(
        np.clip(expected.bboxes[0, :num], 0, 1) * scale,
        expected.scores[0, :num], expected.classes[0, :num],
        [detector_files.NAMES[number - 1]
         for number in expected.classes[0, :num]], picture.shape[:2]))


def test_lower_precision_finds_nearly_the_same(checkpoint, found):
    with detector.Detector(
            checkpoint, select_threshold=detector_files.THRESHOLD,
            compute_dtype='bfloat16') as network:
        half = network.detect(PICTURES[:4])
    for got, expected in zip(half, found[:4], strict=True):
        assert got.names[:1] == expected.names[:1]
        assert 0 < abs(got.scores[0] - expected.scores[0]) < .02


def test_single_images_in_threads_give_what_a_batch_does(network, found):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(network.detect, PICTURES))
    for result, expected in zip(results, found, strict=True):
        assert_same(result, expected)


def test_images_may_be_paths_and_arrays_mixed(network, found, tmp_path):
    path = detector_files.write_picture(tmp_path / 'ä b.png', PICTURES[1])
    first, second, third = network.detect((PICTURES[0], path, str(path)))
    assert_same(first, found[0])
    for image in (second, third, network.detect(path)):
        assert_same(image, found[1])
    assert network.detect([]) == []


def test_files_are_turned_upright(network, found, tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6  # Stored turned to the left.
    path = tmp_path / 'turned.png'
    Image.fromarray(np.ascontiguousarray(np.rot90(PICTURES[0]))).save(
        path, exif=exif)
    assert_same(network.detect(path), found[0])


def test_pictures_of_a_pixel_and_arrays_that_are_not_contiguous(network):
    turned = PICTURES[0].transpose(1, 0, 2)[::-1]
    tiny, large = network.detect([np.zeros((1, 1, 3), np.uint8), turned])
    assert tiny.size == (1, 1)
    assert_same(large, network.detect(turned.copy()))


@pytest.mark.parametrize('image, fault', [
    (np.zeros((4, 4), np.uint8), r'the image is uint8 \[4, 4\]'),
    (np.zeros((4, 4, 4), np.uint8), r'the image is uint8 \[4, 4, 4\]'),
    (np.zeros((0, 4, 3), np.uint8), r'the image is uint8 \[0, 4, 3\]'),
    ([PICTURES[0], np.zeros((4, 4, 3))], r'images\[1\] is float64'),
    (None, 'the image is NoneType')])
def test_other_arrays_are_refused(network, image, fault):
    with pytest.raises(ValueError, match=fault + '.*it must be .*uint8'):
        network.detect(image)


def test_files_that_are_no_images_are_named(network, tmp_path):
    path = tmp_path / 'text.jpg'
    path.write_text('text')
    with pytest.raises(ValueError, match='text.jpg: not an image'):
        network.detect(path)
    with pytest.raises(FileNotFoundError, match='missing.jpg'):
        network.detect([tmp_path / 'missing.jpg'])


def test_a_checkpoint_without_metadata_needs_names(unnamed, found):
    with pytest.raises(ValueError, match=(
            r'unnamed: it has 5 classes \(6 with background\), but does not '
            'name them: give --labels or --labels_file')):
        detector.Detector(unnamed, detector_files.MODEL)
    with pytest.raises(ValueError, match='but 2 names were given'):
        detector.Detector(unnamed, detector_files.MODEL, ['a', 'b'])
    with detector.Detector(
            unnamed, detector_files.MODEL, 'abcde',
            select_threshold=detector_files.THRESHOLD) as network:
        result = network.detect(PICTURES[0])
    assert network.class_names == tuple('abcde')
    np.testing.assert_allclose(result.scores, found[0].scores, atol=1e-4)


@pytest.mark.parametrize('arguments, fault', [
    ({'model_name': 'ssd_512_vgg'}, 'the checkpoint is a ssd_300_vgg_qu'),
    ({'class_names': ['x']}, 'its classes are circle, .* these are x'),
    ({'batch_size': 0}, '--batch_size=0: it must be at least 1'),
    ({'select_threshold': 2}, 'select_threshold is 2')])
def test_arguments_that_contradict_are_refused(checkpoint, arguments, fault):
    with pytest.raises(ValueError, match=fault):
        detector.Detector(checkpoint, **arguments)


def test_all_variables_must_be_there(unnamed, folder):
    with pytest.raises(ValueError, match='does not fit the network: .*conv'):
        detector.Detector(unnamed, class_names='abcde')
    with pytest.raises(ValueError, match='nowhere: no such checkpoint'):
        detector.Detector(folder / 'nowhere')


def test_is_quiet_in_a_program_that_uses_tensorflow_2(
        checkpoint, tmp_path, found):
    path = detector_files.write_picture(tmp_path / 'a.png', PICTURES[0])
    program = f"""
import json, warnings, tensorflow as tf
from engine.detecting import detector
filters, level = list(warnings.filters), tf.get_logger().level
with detector.Detector({checkpoint!r}, select_threshold=
                       {detector_files.THRESHOLD}) as network:
    found = network.detect({str(path)!r})
assert (filters, level) == (warnings.filters, tf.get_logger().level)
assert tf.executing_eagerly()
print(json.dumps(found.scores.tolist()))
"""
    process = subprocess.run(
        [sys.executable, '-c', program], cwd=scripts.ROOT, check=True,
        capture_output=True, text=True)
    np.testing.assert_allclose(
        json.loads(process.stdout.splitlines()[-1]), found[0].scores,
        atol=1e-4)
    assert 'WARNING:tensorflow' not in process.stderr
    assert 'Warning' not in process.stderr
