"""Converted Caffe models, beside OpenCV's Caffe engine."""
import cv2
import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
from matplotlib import cbook

from engine import caffe_import
from nets import nets_factory
from tests import caffe_files

MEAN_RGB = (123, 117, 104)
SCORE_ACCURACY = 2e-5
PRESETS = {
    300: nets_factory.get_network('ssd_300_vgg').anchor_presets,
    512: nets_factory.get_network('ssd_512_vgg').anchor_presets,
}


def truncated(sizes):
    return tuple((int(low), int(high)) for low, high in sizes)


def images(size):
    """Returns three views of a photograph: uint8 [3, size, size, 3], BGR."""
    photograph = cv2.imread(
        str(cbook.get_sample_data('grace_hopper.jpg', asfileobj=False)))
    views = photograph, photograph[:300, 150:450], photograph[250:, ::-1]
    return np.stack([cv2.resize(view, (size, size)) for view in views])


def run_in_opencv(text, caffemodel_path, bgr_images):
    """Yields localisations, logits and detections of each image.

    A detection is (class, score, ymin, xmin, ymax, xmax).
    """
    prototxt_path = caffemodel_path.with_suffix('.prototxt')
    prototxt_path.write_text(text)
    net = cv2.dnn.readNetFromCaffe(str(prototxt_path), str(caffemodel_path))
    for image in bgr_images:
        net.setInput(cv2.dnn.blobFromImage(
            image, mean=MEAN_RGB[::-1], swapRB=False))
        localisations, logits, detections = net.forward(
            ['mbox_loc', 'mbox_conf', 'detection_out'])
        yield (localisations.reshape(-1, 4), logits.ravel(),
               detections[0, 0][:, [1, 2, 4, 3, 6, 5]])


def run_converted(conversion, model_name, bgr_images):
    """Returns the same of the checkpoint that was written, in batches."""
    with tf.Graph().as_default(), tf.Session() as session:
        net = nets_factory.get_network(model_name)(conversion.params)
        rgb = tf.constant(bgr_images[..., ::-1].astype(np.float32))
        with slim.arg_scope(net.arg_scope()):
            logits, localisations, _ = net.net(rgb - MEAN_RGB)
        detected = net.detect(logits, localisations)
        tf.train.Saver().restore(session, conversion.checkpoint_path)
        logits, localisations, detected = session.run(
            (logits, localisations, detected))
    detections = [
        np.concatenate([detected.classes[i, :num, None],
                        detected.scores[i, :num, None],
                        detected.bboxes[i, :num]], axis=1)
        for i, num in enumerate(detected.num)]
    return localisations, logits.reshape(len(logits), -1), detections


def relative_error(actual, expected):
    return np.abs(actual - expected).max() / np.abs(expected).max()


def check_same_detections(actual, expected):
    """Same detections, same order; but scores may swap that are one.

    Scores that differ by less than SCORE_ACCURACY are in an order that
    rounding decides, in both engines.
    """
    assert len(actual) == len(expected) == 200
    left = list(range(len(expected)))
    for index, row in enumerate(actual):
        same = [other for other in left
                if abs(expected[other, 1] - expected[index, 1])
                < SCORE_ACCURACY
                and row[0] == expected[other, 0]
                and abs(row[1] - expected[other, 1]) < 1e-4
                and np.abs(row[2:] - expected[other, 2:]).max() < 1e-3]
        assert same, f'{index}: {row} is not {expected[index]}'
        left.remove(same[0])


def check_round_trip(folder, size, text, opencv_text=None, v1=False):
    """Converts a model with random weights; compares with OpenCV's engine."""
    model_name = f'ssd_{size}_vgg'
    caffemodel_path = folder / 'random.caffemodel'
    layers = caffe_files.layers(text)
    if v1:
        layers = [caffe_files.as_v1(layer) for layer in layers]
    caffe_files.write(caffemodel_path, layers)
    conversion = caffe_import.convert(
        str(caffemodel_path), model_name, anchors='voc' if v1 else None)
    assert not conversion.unused_layers
    bgr_images = images(size)
    localisations, logits, detections = run_converted(
        conversion, model_name, bgr_images)
    expected = run_in_opencv(
        opencv_text or text, caffemodel_path, bgr_images)
    for index, (true_localisations, true_logits, true_detections) in (
            enumerate(expected)):
        assert relative_error(localisations[index], true_localisations) < 1e-4
        assert relative_error(logits[index], true_logits) < 1e-4
        check_same_detections(detections[index], true_detections)
    return conversion


def test_300_with_voc_priors_equals_opencv(tmp_path):
    conversion = check_round_trip(tmp_path, 300, caffe_files.prototxt(300))
    assert conversion.params.anchor_sizes == PRESETS[300]['voc']
    assert conversion.labels[14] == 'person'


def test_512_equals_opencv(tmp_path):
    # OpenCV's PriorBox keeps the fractions of the sizes; Caffe's does not.
    conversion = check_round_trip(
        tmp_path, 512, caffe_files.prototxt(512),
        caffe_files.prototxt(512, prior_sizes=truncated(PRESETS[512]['voc'])))
    assert conversion.params.anchor_sizes == truncated(PRESETS[512]['voc'])


def test_300_with_coco_priors_and_classes_equals_opencv(tmp_path):
    conversion = check_round_trip(
        tmp_path, 300, caffe_files.prototxt(300, 81, PRESETS[300]['coco']))
    assert conversion.params.anchor_sizes == PRESETS[300]['coco']
    assert len(conversion.labels) == 80


def test_v1_layers_equal_opencv(tmp_path):
    check_round_trip(tmp_path, 300, caffe_files.prototxt(300), v1=True)
