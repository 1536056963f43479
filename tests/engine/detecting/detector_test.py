"""The detector: what it returns, from what, and what it refuses."""
import concurrent.futures
import io
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from engine import checkpoints
from engine import models
from engine import runtime
from engine.detecting import detections
from engine.detecting import detector
from preprocessing import ssd_vgg_preprocessing
from tests import detector_files
from tests import scripts

PICTURES = detector_files.pictures(10)


def make(path, *arguments, **changes):
    return detector.Detector(path, *arguments, **{
        'select_threshold': detector_files.THRESHOLD, **changes})


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    return detector_files.save(tmp_path_factory.mktemp('named') / 'named')


@pytest.fixture(scope='module')
def unnamed(tmp_path_factory):
    return detector_files.save(
        tmp_path_factory.mktemp('unnamed') / 'unnamed', with_metadata=False)


@pytest.fixture(scope='module')
def network(checkpoint):
    with make(checkpoint) as network:
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
    size = PICTURES[0].shape[:2]
    net = models.make_network(None, detector_files.NAMES,
                              checkpoints.metadata.read(checkpoint))
    with runtime.quiet(), tf.Graph().as_default(), tf.Session() as session:
        image, _ = ssd_vgg_preprocessing.preprocess_for_eval(
            tf.constant(PICTURES[0]), (300, 300))
        logits, localisations, _ = net.net(image[None], is_training=False)
        tf.train.Saver().restore(session, checkpoint)
        classes, scores, bboxes, num = (value[0] for value in session.run(
            net.detect(logits, localisations,
                       select_threshold=detector_files.THRESHOLD)))
    assert_same(found[0], detections.Detected(
        np.clip(bboxes[:num], 0, 1) * [*size, *size], scores[:num],
        classes[:num],
        [detector_files.NAMES[label - 1] for label in classes[:num]], size))


def test_lower_precision_finds_nearly_the_same(checkpoint, found):
    with make(checkpoint, compute_dtype='bfloat16') as network:
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


def test_images_may_be_open_files(network, found, tmp_path):
    path = detector_files.write_picture(tmp_path / 'a.png', PICTURES[1])
    with open(path, 'rb') as file:
        assert_same(network.detect(file), found[1])
        with pytest.raises(ValueError, match=f'{path}: the file is empty.'):
            network.detect(file)  # It was read to its end.
    assert_same(network.detect([io.BytesIO(path.read_bytes())])[0], found[1])
    with pytest.raises(ValueError, match=r'images\[0\]: not an image'):
        network.detect([io.BytesIO(b'text')])
    with pytest.raises(ValueError, match='the image gives no bytes; open it'):
        network.detect(io.StringIO('text'))


def test_a_stream_gives_frames_and_what_is_found_in_them(network, tmp_path):
    frames = detector_files.pictures(5, size=(64, 64))
    video = detector_files.write_video(tmp_path / 'a.avi', frames)
    samples = list(network.stream(video, every_n_frames=2))
    assert [(sample.frame, sample.seconds) for sample in samples] == [
        (0, 0), (2, pytest.approx(2 / 12)), (4, pytest.approx(4 / 12))]
    for sample in samples:
        assert_same(sample.found, network.detect(sample.pixels))
    for name in ('b.png', 'c.png'):
        detector_files.write_picture(tmp_path / 'in' / name, PICTURES[1])
    (tmp_path / 'in' / 'b.png').write_text('text')
    with pytest.warns(UserWarning, match='b.png: not an image'):
        sample, = network.stream(tmp_path / 'in')
    assert sample.name == 'c.png' and sample.found.size == sample.pixels.shape[
        :2]
    with pytest.raises(ValueError, match='--input=99: there is no camera 99'):
        network.stream(99)


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
    (np.zeros((4, 4), np.uint8), r'the image is uint8 \[4, 4\]; it must be'),
    (np.zeros((4, 4, 4), np.uint8), r'the image is uint8 \[4, 4, 4\]; it'),
    (np.zeros((0, 4, 3), np.uint8), r'the image is uint8 \[0, 4, 3\]; it'),
    ([PICTURES[0], np.zeros((4, 4, 3))], r'images\[1\] is float64'),
    (None, 'the image is NoneType'), (__file__, 'test.py: not an image'),
    (['missing.jpg'], 'No such file.*missing.jpg')])
def test_what_is_no_image_is_named(network, image, fault):
    with pytest.raises((ValueError, FileNotFoundError), match=fault):
        network.detect(image)


def test_a_checkpoint_without_metadata_needs_names(unnamed, found):
    with pytest.raises(ValueError, match=(
            r'unnamed: it has 5 classes \(6 with background\), but does not '
            'name them: give --labels or --labels_file')):
        make(unnamed, detector_files.MODEL)
    with pytest.raises(ValueError, match='but 2 names were given'):
        make(unnamed, detector_files.MODEL, ['a', 'b'])
    with make(unnamed, detector_files.MODEL, 'abcde') as network:
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
        make(checkpoint, **arguments)


def test_all_variables_must_be_there(unnamed, tmp_path):
    with pytest.raises(ValueError, match='does not fit the network: .*conv'):
        make(unnamed, class_names='abcde')
    with pytest.raises(ValueError, match='nowhere: no such checkpoint'):
        make(tmp_path / 'nowhere')


def test_is_quiet_in_a_program_that_uses_tensorflow_2(
        checkpoint, tmp_path, found):
    path = detector_files.write_picture(tmp_path / 'a.png', PICTURES[0])
    program = f"""
import json, warnings, tensorflow as tf
from engine.detecting import detections
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
