"""Converted Caffe models, beside OpenCV's Caffe engine.

The weights are random, the photographs real: matplotlib's. But for one model
the networks have a quarter of the channels.
"""
import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from matplotlib import cbook

from engine import checkpoints
from engine import models
from engine.detecting import detector
from engine.importing import convert
from nets import nets_factory
from nets import ssd_vgg_512
from tests import caffe_files

# Both engines are in float32; how far their scores may be from the true ones.
SCORE_ACCURACY = 1e-5
COCO_300 = nets_factory.get_network('ssd_300_vgg').anchor_presets['coco']
VOC_512 = tuple(
    (int(low), int(high)) for low, high in
    nets_factory.get_network('ssd_512_vgg').anchor_presets['voc'])
QUARTER, QUARTER_512 = 'ssd_300_vgg_quarter', 'ssd_512_vgg_quarter'


class Quarter512(ssd_vgg_512.SSDNet):
    """SSD512 with a quarter of the channels."""
    name = QUARTER_512
    default_params = ssd_vgg_512.SSDNet.default_params._replace(
        depth_multiplier=.25)


def photographs(size, number):
    """Returns different ones: uint8 [number, size, size, 3], RGB."""
    hopper = cv2.imread(
        str(cbook.get_sample_data('grace_hopper.jpg', asfileobj=False)))
    return np.stack([cv2.resize(view, (size, size))[..., ::-1]
                     for view in [hopper, hopper[:300, 150:450]][:number]])


def run_in_opencv(text, caffemodel_path, images, mean, scale):
    """Yields localisations, logits and detections of each image.

    The network is given (pixels - mean) * scale; the mean is of RGB.

    A detection is (class, score, ymin, xmin, ymax, xmax).
    """
    prototxt_path = caffemodel_path.with_suffix('.prototxt')
    prototxt_path.write_text(text)
    net = cv2.dnn.readNetFromCaffe(str(prototxt_path), str(caffemodel_path))
    for image in images:
        net.setInput(cv2.dnn.blobFromImage(
            image[..., ::-1].copy(), scale, mean=mean[::-1]))
        localisations, logits, detections = net.forward(
            ['mbox_loc', 'mbox_conf', 'detection_out'])
        found = detections[0, 0][:, [1, 2, 4, 3, 6, 5]]
        # Where there are fewer than keep_top_k, rows of 0 fill it.
        found = found[found[:, 0] > 0]
        yield localisations.reshape(-1, 4), logits.ravel(), found


def run_converted(prefix, metadata, images):
    """Yields the same of the checkpoint that was written."""
    net = models.make_network(None, metadata['classes'], metadata)
    with tf.Graph().as_default(), tf.Session() as session:
        logits, localisations, _ = net.net(
            (tf.constant(images, tf.float32) - net.params.mean)
            * net.params.scale, is_training=False)
        detected = net.detect(logits, localisations)
        tf.train.Saver().restore(session, prefix)
        logits, localisations, detected = session.run(
            (logits, localisations, detected))
    for i, num in enumerate(detected.num):
        yield localisations[i], logits[i].ravel(), np.concatenate([
            detected.classes[i, :num, None], detected.scores[i, :num, None],
            detected.bboxes[i, :num]], axis=1)


def check_equal(folder, text, layers=None, opencv_text=None,
                num_images=2, mean=(123, 117, 104), scale=1, **arguments):
    """Converts a model with random weights; runs it in both engines.

    Checks logits, localisations and all detections. Returns the checkpoint,
    its metadata, an image and what OpenCV detects in it.

    Args:
      text: of the network.
      layers: what its file has, if not those of the text.
      opencv_text: of the network for OpenCV, if another.
      mean, scale: of OpenCV's input.
      **arguments: of convert.
    """
    path = folder / 'random.caffemodel'
    caffe_files.write(path, layers or caffe_files.layers(text))
    convert.convert(str(path), **arguments)
    prefix = str(folder / 'random.ckpt')
    metadata = checkpoints.metadata.read(prefix)
    images = photographs(metadata['image_shape'][0], num_images)
    expected = list(run_in_opencv(
        opencv_text or text, path, images, mean, scale))
    for actual, theirs in zip(run_converted(prefix, metadata, images),
                              expected, strict=True):
        for ours, values in zip(actual[:2], theirs[:2], strict=True):
            # Relative; for those near zero, to their usual size.
            usual = np.sqrt(np.mean(values ** 2))
            np.testing.assert_allclose(ours, values, 1e-4, 1e-4 * usual)
        check_same_detections(actual[2], theirs[2])
    return prefix, metadata, images[0], expected[0][2]


def check_same_detections(actual, expected):
    """Same detections, same order.

    Only where OpenCV's own scores differ by less than the two engines are
    accurate may a detection be at its neighbour's rank.
    """
    assert 100 < len(actual) == len(expected) <= 200
    left = list(range(len(expected)))
    num_moved = 0
    for index, row in enumerate(actual):
        same = [other for other in left
                if abs(expected[other, 1] - expected[index, 1])
                < 2 * SCORE_ACCURACY
                and row[0] == expected[other, 0]
                and abs(row[1] - expected[other, 1]) < 1e-4
                and np.abs(row[2:] - expected[other, 2:]).max() < 1e-3]
        assert same, f'{index}: {row} is not {expected[index]}'
        left.remove(same[0])
        num_moved += same[0] != index
    assert num_moved <= 6


def check_detector(image, expected, prefix, **arguments):
    """Checks what the Detector finds, whose bboxes end at the image's."""
    with detector.Detector(
            prefix, select_threshold=.01, **arguments) as network:
        found = network.detect(image)
    expected = np.hstack([expected[:, :2], np.clip(expected[:, 2:], 0, 1)])
    check_same_detections(np.column_stack(
        [found.class_ids, found.scores, found.bboxes / image.shape[0]]),
        expected)


def save_without_metadata(prefix, path):
    """Saves a checkpoint as the original did; returns its prefix."""
    source = checkpoints.reader.open_reader(prefix)
    with tf.Graph().as_default(), tf.Session() as session:
        for name in source.get_variable_to_shape_map():
            if name != checkpoints.metadata.NAME:
                tf.get_variable(name, initializer=source.get_tensor(name))
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(path))


def names(num_classes):
    """Returns --labels for own classes."""
    return ','.join(f'class {i}' for i in range(1, num_classes))


def test_300_with_voc_priors_equals_opencv(tmp_path):
    prefix, metadata, *image_and_detections = check_equal(
        tmp_path, caffe_files.prototxt(300, width=.25), model_name=QUARTER)
    assert len(metadata['classes']) == 20
    check_detector(*image_and_detections, prefix)
    bare = save_without_metadata(prefix, tmp_path / 'bare.ckpt')
    check_detector(*image_and_detections, bare, model_name=QUARTER,
                   anchors='voc')
    with pytest.raises(AssertionError, match='is not'):
        check_detector(*image_and_detections, bare, model_name=QUARTER)


def test_300_at_full_width_equals_opencv(tmp_path):
    _, metadata, *_ = check_equal(
        tmp_path, caffe_files.prototxt(300), num_images=1)
    assert metadata['model_name'] == 'ssd_300_vgg'


def test_300_with_coco_priors_and_classes_clipped_equals_opencv(tmp_path):
    _, metadata, *_ = check_equal(
        tmp_path, caffe_files.prototxt(300, 81, COCO_300, width=.25).replace(
            'clip: false', 'clip: true'), model_name=QUARTER)
    assert metadata['anchor_sizes'] == [list(pair) for pair in COCO_300]
    assert metadata['anchor_clip'] == 'corners'
    assert len(metadata['classes']) == 80


def test_300_fine_tuned_to_own_classes_equals_opencv(tmp_path):
    text = caffe_files.with_own_heads(
        caffe_files.prototxt(300, 4, width=.25), '_own', '_own')
    mean = (90, 100, 110)
    _, metadata, *_ = check_equal(
        tmp_path, text, caffe_files.snapshot(
            caffe_files.layers(text), mean_value=mean[::-1]),
        num_images=1, mean=mean, model_name=QUARTER, labels=names(4))
    assert metadata['classes'] == ['class 1', 'class 2', 'class 3']


def test_300_of_one_class_equals_opencv(tmp_path):
    (tmp_path / 'labelmap.prototxt').write_text(
        'item { name: "none_of_the_above" label: 0 display_name: "background" }'
        '\nitem { name: "1" label: 1 display_name: "face" }\n')
    _, metadata, *_ = check_equal(
        tmp_path, caffe_files.with_own_heads(
            caffe_files.prototxt(300, 2, width=.25)), num_images=1,
        model_name=QUARTER, labels_file=str(tmp_path / 'labelmap.prototxt'))
    assert metadata['classes'] == ['face']


def test_512_equals_opencv(tmp_path, monkeypatch):
    monkeypatch.setitem(nets_factory.networks_map, QUARTER_512, Quarter512)
    # OpenCV's PriorBox keeps the fractions of the sizes; Caffe's does not.
    _, metadata, *_ = check_equal(
        tmp_path, caffe_files.prototxt(512, width=.25), model_name=QUARTER_512,
        opencv_text=caffe_files.prototxt(
            512, prior_sizes=VOC_512, width=.25))
    assert metadata['anchor_sizes'] == [list(pair) for pair in VOC_512]


def test_v1_layers_equal_opencv(tmp_path):
    text = caffe_files.prototxt(300, width=.25)
    check_equal(
        tmp_path, text, map(caffe_files.as_v1, caffe_files.layers(text)),
        model_name=QUARTER, anchors='voc')


@pytest.mark.parametrize('num_classes, is_merged', [(21, True), (5, False)])
def test_mobilenet_equals_opencv(tmp_path, capsys, num_classes, is_merged):
    text = caffe_files.mobilenet_prototxt(num_classes, is_merged=is_merged)
    layers = caffe_files.layers(text, deviation=.5)
    labels = None
    if not is_merged:
        labels = names(num_classes)
        layers = caffe_files.snapshot(
            layers, mean_value=[127.5], scale=.007843)
    prefix, metadata, *image_and_detections = check_equal(
        tmp_path, text, layers, num_images=1, mean=(127.5,) * 3,
        scale=.007843, labels=labels)
    check_detector(*image_and_detections, prefix)  # Which folds batch norm.
    assert metadata['model_name'] == 'ssd_300_mobilenet_v1'
    assert is_merged == (
        'training from it needs --freeze_batch_norm' in capsys.readouterr().out)
    assert len(metadata['classes']) == num_classes - 1
