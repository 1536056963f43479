"""Converted Caffe models, beside OpenCV's Caffe engine.

The weights are random, the photographs real: matplotlib's, and of BCCD where
it is present.
"""
import collections
import json

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim
from matplotlib import cbook

from datasets import label_map
from datasets import records
from datasets import tfrecords
from datasets.voc import pascalvoc
from detection import boxes
from engine import checkpoints
from engine.evaluation import evaluate
from engine.importing import caffe
from nets import nets_factory
from tests import caffe_files
from tests import scripts

MEAN_RGB = (123, 117, 104)
# Both engines are in float32; how far their scores may be from the true ones.
SCORE_ACCURACY = 1e-5
PRESETS = {
    300: nets_factory.get_network('ssd_300_vgg').anchor_presets,
    512: nets_factory.get_network('ssd_512_vgg').anchor_presets,
}

# A model in both engines.
#   conversion: caffe_import.Conversion.
#   bgr_images: uint8 [num_images, size, size, 3].
#   expected, actual: per image localisations, logits and detections, by
#     OpenCV and by the converted checkpoint.
Case = collections.namedtuple('Case', 'conversion bgr_images expected actual')


def truncated(sizes):
    return tuple((int(low), int(high)) for low, high in sizes)


def images(size, number):
    """Returns different photographs: uint8 [number, size, size, 3], BGR."""
    hopper = cv2.imread(
        str(cbook.get_sample_data('grace_hopper.jpg', asfileobj=False)))
    photographs = [cv2.imread(str(path)) for path in sorted(
        (scripts.BCCD / 'JPEGImages').glob('*.jpg'))[:number - 1]]
    views = [hopper, *photographs, hopper[:300, 150:450], hopper[250:, ::-1]]
    return np.stack([
        cv2.resize(view, (size, size)) for view in views[:number]])


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
    """Returns the same of the checkpoint that was written, image by image."""
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
    return list(zip(localisations, logits.reshape(len(logits), -1),
                    detections, strict=True))


def make_case(folder, size, text, num_images=2, opencv_text=None, v1=False):
    """Converts a model with random weights; runs it in both engines."""
    model_name = f'ssd_{size}_vgg'
    caffemodel_path = folder / 'random.caffemodel'
    layers = caffe_files.layers(text)
    if v1:
        layers = [caffe_files.as_v1(layer) for layer in layers]
    caffe_files.write(caffemodel_path, layers)
    conversion = caffe.convert(
        str(caffemodel_path), model_name, anchors='voc' if v1 else None)
    assert not conversion.unused_layers
    bgr_images = images(size, num_images)
    expected = list(run_in_opencv(
        opencv_text or text, caffemodel_path, bgr_images))
    actual = run_converted(conversion, model_name, bgr_images)
    return Case(conversion, bgr_images, expected, actual)


def check_equal(case):
    """Checks logits, localisations and all detections of all images."""
    for actual, expected in zip(case.actual, case.expected, strict=True):
        for ours, theirs in zip(actual[:2], expected[:2], strict=True):
            # Relative; for those near zero, to their usual size.
            usual = np.sqrt(np.mean(theirs ** 2))
            np.testing.assert_allclose(ours, theirs, 1e-4, 1e-4 * usual)
        check_same_detections(actual[2], expected[2])


def check_same_detections(actual, expected):
    """Same detections, same order.

    Only where OpenCV's own scores differ by less than the two engines are
    accurate may a detection be at its neighbour's rank.
    """
    assert len(actual) == len(expected) == 200
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


def write_records(folder, case, name, labels):
    """Writes a data set in which OpenCV's detections are the objects.

    Those that are mostly outside the image are difficult ones: two of them
    may be the same once they are clipped.
    """
    folder.mkdir()
    path = folder / records.shard_name(name, 0)
    with tf.python_io.TFRecordWriter(str(path)) as writer:
        for index, (bgr_image, (_, _, detections)) in enumerate(
                zip(case.bgr_images, case.expected, strict=True)):
            classes = detections[:, 0].astype(int).tolist()
            bboxes = detections[:, 2:]
            clipped = np.clip(bboxes, 0, 1)
            is_outside = 2 * boxes.area(clipped, np) < boxes.area(bboxes, np)
            writer.write(tfrecords.encode_example(tfrecords.Sample(
                cv2.imencode('.png', bgr_image)[1].tobytes(), b'PNG',
                f'{index}.png', *bgr_image.shape[:2],
                clipped.tolist(), classes,
                [labels[number - 1] for number in classes],
                is_outside.astype(int).tolist(), [0] * len(classes))))
    (folder / f'{name}.json').write_text(json.dumps({
        'format_version': records.FORMAT_VERSION,
        'files': [{'name': path.name, 'bytes': path.stat().st_size}],
        'classes': labels, 'num_images': len(case.bgr_images)}))


def score(folder, checkpoint_path, dataset_name, anchors=None):
    """Returns VOC12's mAP by the evaluation, other flags left alone."""
    evaluate.run(scripts.options(
        'eval_ssd_network', dataset_name=dataset_name, anchors=anchors,
        dataset_dir=str(folder / 'records'), eval_dir=str(folder),
        checkpoint_path=str(checkpoint_path), batch_size=2, report=False))
    return json.loads((folder / 'metrics.json').read_text())['mAP_VOC12']


def test_300_with_voc_priors_equals_opencv(tmp_path):
    """Beside OpenCV, and in the evaluation: a model takes long to make."""
    case = make_case(tmp_path, 300, caffe_files.prototxt(300), num_images=3)
    check_equal(case)
    assert case.conversion.params.anchor_sizes == PRESETS[300]['voc']
    assert case.conversion.labels[14] == 'person'
    write_records(
        tmp_path / 'records', case, 'voc_2007_test', pascalvoc.LABELS)
    prefix = case.conversion.checkpoint_path
    assert score(tmp_path, prefix, 'pascalvoc_2007') == 1
    with pytest.raises(ValueError, match=(
            r'--anchors=coco: .* made with .* \(\(30, 60\), \(60, 111\), .* '
            r'these are \(\(21, 45\), \(45, 99\), ')):
        score(tmp_path, prefix, 'pascalvoc_2007', 'coco')
    # As those of the original, which do not say their anchors.
    prefix = save_without_metadata(prefix, tmp_path / 'bare.ckpt')
    assert score(tmp_path, prefix, 'pascalvoc_2007', 'voc') == 1
    assert score(tmp_path, prefix, 'pascalvoc_2007') < .9


def save_without_metadata(prefix, path):
    source = checkpoints.reader.open_reader(prefix)
    with tf.Graph().as_default(), tf.Session() as session:
        variables = [
            tf.get_variable(name, initializer=source.get_tensor(name))
            for name in source.get_variable_to_shape_map()
            if name != checkpoints.metadata.NAME]
        session.run(tf.variables_initializer(variables))
        return tf.train.Saver().save(session, str(path))


def test_300_with_coco_priors_and_classes_equals_opencv(tmp_path):
    case = make_case(
        tmp_path, 300, caffe_files.prototxt(300, 81, PRESETS[300]['coco']))
    check_equal(case)
    assert case.conversion.params.anchor_sizes == PRESETS[300]['coco']
    assert len(case.conversion.labels) == 80
    write_records(
        tmp_path / 'records', case, 'mine_test', label_map.COCO_LABELS)
    assert score(tmp_path, case.conversion.checkpoint_path, 'mine') == 1


def test_512_equals_opencv(tmp_path):
    # OpenCV's PriorBox keeps the fractions of the sizes; Caffe's does not.
    sizes = truncated(PRESETS[512]['voc'])
    case = make_case(
        tmp_path, 512, caffe_files.prototxt(512),
        opencv_text=caffe_files.prototxt(512, prior_sizes=sizes))
    check_equal(case)
    assert case.conversion.params.anchor_sizes == sizes


def test_v1_layers_equal_opencv(tmp_path):
    check_equal(make_case(
        tmp_path, 300, caffe_files.prototxt(300), v1=True))
