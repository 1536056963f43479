"""HiKapok's SSD300 beside ours: its own forward pass, on random weights.

The pass is written anew, of TensorFlow's plain operations: in BGR, with its
paddings, its order of anchors and of a box's numbers. A quarter of the
channels is enough for all of that.
"""
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim
from matplotlib import cbook
from PIL import Image

from detection import boxes
from engine import checkpoints
from engine import models
from engine.detecting import detector
from engine.importing import caffe
from engine.importing import caffe_pb2
from engine.importing import convert
from engine.importing import hikapok
from engine.importing import weights
from nets import ssd_vgg_300
from tests import caffe_files
from tests import scripts

QUARTER = 'ssd_300_vgg_quarter'
MEAN_BGR = (103.94, 116.78, 123.68)
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
EXTRAS = ((8, 256, 2, 'SAME'), (9, 128, 2, 'SAME'), (10, 128, 1, 'VALID'),
          (11, 128, 1, 'VALID'))
SCALES = (.1, .2, .375, .55, .725, .9)
EXTRA_SCALES = (.1414, .2739, .4541, .6315, .8078, .9836)
STEPS = (8, 16, 32, 64, 100, 300)
SIDES = (38, 19, 10, 5, 3, 1)
FEW, MANY = (2, .5), (2, 3, .5, .3333)
RATIOS = (FEW, MANY, MANY, MANY, FEW, FEW)
# Which of its anchors of a cell, each an extra square, 1 and the ratios above,
# are ours, in our order: 1, extra, 2, 1/2, 3, 1/3.
OURS = {len(ratios): [
    ['extra', 1, *ratios].index(kind) for kind in kinds]
        for ratios, kinds in ((FEW, (1, 'extra', 2, .5)),
                              (MANY, (1, 'extra', 2, .5, 3, .3333)))}


def shapes(num_classes=21, width=.25):
    """Returns {name below ssd300: shape}."""
    found, channels = {}, 3

    def add(name, side, num_outputs, num_inputs):
        found[f'{name}/kernel'] = (side, side, num_inputs, num_outputs)
        found[f'{name}/bias'] = (num_outputs,)
        return num_outputs

    for block, (num_layers, size) in enumerate(BLOCKS, 1):
        for layer in range(1, num_layers + 1):
            channels = add(f'conv{block}/conv{block}_{layer}', 3,
                           int(size * width), channels)
        if block == 4:
            features = [channels]
    found['conv4_3_scale/weights'] = (channels,)
    channels = add('fc6', 3, int(1024 * width), channels)
    channels = add('fc7', 1, channels, channels)
    features.append(channels)
    for number, size, *_ in EXTRAS:
        name = f'additional_layers/conv{number}/conv{number}'
        channels = add(f'{name}_1', 1, int(size * width), channels)
        channels = add(f'{name}_2', 3, int(2 * size * width), channels)
        features.append(channels)
    for index, (channels, ratios) in enumerate(
            zip(features, RATIOS, strict=True)):
        num_kinds = 2 + len(ratios)
        add(f'multibox_head/loc_{index}', 3, 4 * num_kinds, channels)
        add(f'multibox_head/cls_{index}', 3, num_classes * num_kinds, channels)
    return found


def random_weights(**kwargs):
    """Returns {name: float32 array}, such that logits come out near 1."""
    generator, values = np.random.default_rng(0), {}
    for name, shape in shapes(**kwargs).items():
        deviation = .1
        if len(shape) == 4:
            deviation = np.sqrt(2 / np.prod(shape[:3]))
            if name.startswith('conv1/conv1_1/'):
                deviation /= 64
        values[name] = generator.normal(0, deviation, shape).astype(np.float32)
    values['conv4_3_scale/weights'] += 20
    return values


def save(folder, values, scope='ssd300/', slots=()):
    """Saves a checkpoint as a training of theirs does; returns its prefix."""
    with tf.Graph().as_default():
        tf.train.create_global_step()
        for name, value in values.items():
            for slot in ('', *slots):
                tf.get_variable(scope + name + slot, initializer=value)
        scripts.save_graph(folder / 'model.ckpt-7')
    return str(folder / 'model.ckpt-7')


def photograph():
    """Returns uint8 [300, 300, 3], RGB."""
    with Image.open(cbook.get_sample_data(
            'grace_hopper.jpg', asfileobj=False)) as image:
        return np.asarray(image.convert('RGB').resize((300, 300)))


def run_theirs(values, image):
    """Returns logits [num_anchors, num_classes] and localisations, flat."""
    def conv2d(net, name, padding='SAME', stride=1, rate=1):
        return values[f'{name}/bias'] + tf.nn.conv2d(
            net, values[f'{name}/kernel'], stride, padding, dilations=rate)

    net = image[None, ..., ::-1].astype(np.float32) - np.float32(MEAN_BGR)
    for block, (num_layers, _) in enumerate(BLOCKS, 1):
        for layer in range(1, num_layers + 1):
            net = tf.nn.relu(conv2d(net, f'conv{block}/conv{block}_{layer}'))
        if block == 4:
            norm = tf.rsqrt(tf.maximum(
                tf.reduce_sum(net ** 2, -1, keepdims=True), 1e-10))
            features = [net * norm * values['conv4_3_scale/weights']]
        if block < 5:
            net = tf.nn.max_pool2d(net, 2, 2, 'SAME')
    net = tf.nn.max_pool2d(net, 3, 1, 'SAME')
    net = tf.nn.relu(conv2d(net, 'fc6', rate=6))
    net = tf.nn.relu(conv2d(net, 'fc7'))
    features.append(net)
    for number, _, stride, padding in EXTRAS:
        name = f'additional_layers/conv{number}/conv{number}'
        net = tf.nn.relu(conv2d(net, f'{name}_1', padding))
        net = tf.nn.relu(conv2d(net, f'{name}_2', padding, stride))
        features.append(net)
    heads = [[conv2d(net, f'multibox_head/{head}_{index}')
              for index, net in enumerate(features)] for head in ('cls', 'loc')]
    num_classes = heads[0][0].shape[-1] // 4
    with tf.Session() as session:
        heads = session.run(heads)
    return tuple(
        np.concatenate([head.reshape(-1, size) for head in layers])
        for layers, size in zip(heads, (num_classes, 4), strict=True))


def their_anchors(sizes, extra_sizes, image_side):
    """Returns [num_anchors, 4]: cy, cx, h, w, in parts of image_side."""
    found = []
    for size, extra, ratios, step, side in zip(
            sizes, extra_sizes, RATIOS, STEPS, SIDES, strict=True):
        kinds = [(extra, extra)] + [
            (size / ratio ** .5, size * ratio ** .5) for ratio in (1, *ratios)]
        found += [((row + .5) * step * image_side / 300,
                   (column + .5) * step * image_side / 300, *kind)
                  for row in range(side) for column in range(side)
                  for kind in kinds]
    return np.array(found)


def their_decoded(localisations, anchors):
    """Returns centres and sides: cy, cx, h, w."""
    return np.hstack([
        anchors[:, :2] + localisations[:, :2] * .1 * anchors[:, 2:],
        anchors[:, 2:] * np.exp(localisations[:, 2:] * .2)])


def in_our_order(flat):
    """Returns what is theirs for each anchor, the kinds of a cell as ours."""
    parts, start = [], 0
    for ratios, side in zip(RATIOS, SIDES, strict=True):
        order = OURS[len(ratios)]
        end = start + side * side * len(order)
        parts.append(flat[start:end].reshape(
            side * side, len(order), -1)[:, order].reshape(end - start, -1))
        start = end
    assert start == len(flat) == 8732
    return np.concatenate(parts)


def their_detections(logits, bboxes):
    """Returns rows of class, score, bbox: as Caffe's DetectionOutput."""
    scores = np.exp(logits - logits.max(1, keepdims=True))
    scores /= scores.sum(1, keepdims=True)
    found = []
    for label in range(1, scores.shape[1]):
        best = np.argsort(-scores[:, label])[:400]
        kept = []
        for index in best[scores[best, label] > .01]:
            if not (overlaps(bboxes[index], bboxes[kept]) > .45).any():
                kept.append(index)
        found += [(label, scores[index, label], *bboxes[index])
                  for index in kept]
    return np.array(sorted(found, key=lambda row: -row[1])[:200])


def overlaps(bbox, others):
    sides = np.minimum(bbox[2:], others[:, 2:]) - np.maximum(
        bbox[:2], others[:, :2])
    areas = np.prod(np.maximum(sides, 0), 1)
    return areas / (np.prod(bbox[2:] - bbox[:2])
                    + np.prod(others[:, 2:] - others[:, :2], 1) - areas)


def run_ours(prefix, image):
    """Returns logits, localisations and the network of a checkpoint."""
    metadata = checkpoints.metadata.read(prefix)
    net = models.make_network(None, metadata['classes'], metadata)
    with tf.Graph().as_default(), tf.Session() as session:
        with checkpoints.restore.weights_of(prefix):
            logits, localisations, _ = net.net(
                tf.constant(image[None] - np.float32(net.params.mean)),
                is_training=False)
        logits, localisations = session.run((logits, localisations))
    return logits[0], localisations[0], net


def check_close(actual, expected):
    np.testing.assert_allclose(
        actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_outputs_and_detections_are_theirs(tmp_path, capsys):
    values, image = random_weights(), photograph()
    prefix = save(tmp_path, values, slots=('/Momentum',))
    convert.convert(str(tmp_path), QUARTER)
    report = capsys.readouterr().out
    assert f'Converting {prefix} ...' in report
    assert 'not used: global_step, Momentum of 71 variables' in report
    assert 'anchors: 30..59.9819, 60..112.532, 112.5..' in report
    converted = str(tmp_path / 'model_converted.ckpt')
    assert f'--checkpoint_path={converted} --input' in report
    metadata = checkpoints.metadata.read(converted)
    assert metadata['mean_pixel'] == [123.68, 116.78, 103.94]
    assert metadata['paddings'] == [1, [0, 1], 0, 0]
    assert metadata['anchor_ratios'][1] == [2, .5, 3, .3333]
    assert metadata['anchor_offset'] == .5
    logits, localisations, net = run_ours(converted, image)
    with tf.Graph().as_default():
        their_logits, their_localisations = run_theirs(values, image)
    check_close(logits, in_our_order(their_logits))
    check_close(localisations,
                in_our_order(their_localisations)[:, [1, 0, 3, 2]])
    centres = their_decoded(
        their_localisations, their_anchors(SCALES, EXTRA_SCALES, 1))
    bboxes = boxes.to_corners(centres)
    check_close(boxes.decode(
        localisations, net.anchors(), net.params.prior_scaling),
        in_our_order(bboxes))
    expected = their_detections(their_logits, bboxes)
    expected[:, 2:] = np.clip(expected[:, 2:], 0, 1)
    with detector.Detector(converted, select_threshold=.01) as network:
        found = network.detect(image)
    actual = np.column_stack(
        [found.class_ids, found.scores, found.bboxes / 300])
    # Equal scores may come in any order.
    assert actual.shape == expected.shape == (200, 6)
    differences = np.abs(actual[:, None] - expected).max(-1)
    assert max(differences.min(0).max(), differences.min(1).max()) < 1e-5


def test_absolute_coordinates_are_exact_in_the_images_pixels(tmp_path):
    values = random_weights(num_classes=3)
    prefix = save(tmp_path, values)
    options = weights.Options(
        QUARTER, labels=('cat', 'dog'), absolute_coordinates=True)
    metadata = hikapok.read(prefix, options).metadata
    assert metadata['anchor_offset'] == [
        .5625, .53125, .515625, .5078125, .505, .5 + .5 / 300]
    net = models.make_network(None, metadata['classes'], metadata)
    localisations = np.random.default_rng(0).normal(0, 1, (8732, 4))
    cy, cx, h, w = their_decoded(localisations, their_anchors(
        (30, 60, 112.5, 165, 217.5, 270),
        (42.43, 82.17, 136.23, 189.45, 242.34, 295.08), 300)).T
    # The first and the last pixel, which is part of the box.
    theirs = np.stack([cy - (h - 1) / 2, cx - (w - 1) / 2,
                       cy + (h - 1) / 2, cx + (w - 1) / 2], axis=1)
    ours = boxes.decode(in_our_order(localisations)[:, [1, 0, 3, 2]],
                        net.anchors().astype(np.float64),
                        net.params.prior_scaling)
    check_close(300 * ours, in_our_order(theirs + [0, 0, 1, 1]))


def check_refused(prefix, message, **options):
    with pytest.raises(ValueError, match=f'model.ckpt-7: {message}'):
        hikapok.read(prefix, weights.Options(**options))


def test_classes_and_scope_of_ones_own(tmp_path):
    values = random_weights(num_classes=4)
    # A variable made by tf.Variable, in the second network of a graph.
    scale = values.pop('conv4_3_scale/weights')
    values = {f'mine/{name}': value for name, value in values.items()}
    values['mine_1/conv4_3_scale/weights'] = scale
    prefix = save(tmp_path, values, scope='')
    check_refused(prefix, 'it has 3 classes, neither VOC', model_name=QUARTER)
    labels = ('RBC', 'WBC', 'Platelets')
    read = hikapok.read(prefix, weights.Options(QUARTER, labels=labels))
    assert read.metadata['classes'] == list(labels)
    assert read.unused == ['global_step']
    np.testing.assert_array_equal(
        read.values[f'{QUARTER}/block4_box/L2Normalization/gamma'], scale)


def test_what_does_not_fit_is_refused(tmp_path):
    values = random_weights()
    prefix = save(tmp_path, values)
    check_refused(prefix, r'its variable ssd300/conv1/conv1_1/kernel has the '
                  r'shape \(3, 3, 3, 16\), but .* needs \(3, 3, 3, 64\)')
    check_refused(prefix, 'it is an SSD300 over VGG-16, not ssd_512_vgg',
                  model_name='ssd_512_vgg')
    check_refused(prefix, 'its anchors are known; leave out --anchors=voc',
                  model_name=QUARTER, anchors='voc')
    check_refused(prefix, 'it has 21 classes, .* --num_classes=5 says',
                  model_name=QUARTER, num_classes=5)
    del values['fc7/bias']
    check_refused(save(tmp_path, values), 'it lacks 1 variables of '
                  '--model_name, such as ssd300/fc7/bias', model_name=QUARTER)
    values['fc7/bias'] = np.zeros(256, np.float64)
    check_refused(save(tmp_path, values), 'its variable ssd300/fc7/bias is '
                  'float64, not float32', model_name=QUARTER)
    values['multibox_head/cls_0/bias'] = np.zeros(83, np.float32)
    check_refused(save(tmp_path, values), 'its multibox_head/cls_0 has 83 '
                  'outputs', model_name=QUARTER)


def test_its_vgg_16_starts_as_the_caffe_file_that_it_was_made_of(tmp_path):
    layers, values = [], {}
    for name, shape in shapes(width=1).items():
        layer = name.split('/')[-2]
        if not re.fullmatch(r'conv[1-5]_\d|fc[67]', layer):
            continue
        value = np.random.default_rng(len(values)).random(shape, np.float32)
        values[name] = value
        if len(shape) == 4:
            layers.append(caffe_pb2.LayerParameter(name=layer))
            value = value.transpose(3, 2, 0, 1)  # Both are for BGR.
        caffe_files.add_blob(layers[-1], value)
    caffe_files.write(tmp_path / 'vgg.caffemodel', layers)
    options = weights.Options('vgg_16_reduced')
    expected = caffe.read(str(tmp_path / 'vgg.caffemodel'), options).values
    # The trunk of a detector, and the file that detectors are started from.
    path = save(tmp_path, {**values, 'multibox_head/cls_0/bias': np.zeros(8)})
    check_same(hikapok.read(path, options).values, expected)
    path = save(tmp_path, {
        name.replace('kernel', 'weights').replace('bias', 'biases'): value
        for name, value in values.items()}, scope='vgg_16/')
    read = hikapok.read(path, weights.Options())
    check_same(read.values, expected)
    assert read.metadata is None and read.unused == ['global_step']
    check_same(start(path), {
        name.replace('vgg_16_reduced', 'ssd_300_vgg'): value
        for name, value in expected.items()})
    check_refused(path, 'it is a VGG-16, the trunk alone: give '
                  '--model_name=vgg_16_reduced', model_name='ssd_300_vgg')


def check_same(actual, expected):
    assert sorted(actual) == sorted(expected) and len(expected) == 30
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value)


def start(prefix):
    """Returns {variable: value} of what SSD300 restores of a checkpoint."""
    network = ssd_vgg_300.SSDNet()
    with tf.Graph().as_default(), tf.Session() as session:
        network.net(tf.zeros([1, 300, 300, 3]), is_training=False)
        entries, _ = checkpoints.restore.plan(
            slim.get_model_variables(), prefix, network)
        checkpoints.restore.initializer(entries, prefix)(session)
        return session.run({
            entry.variable.op.name: entry.variable for entry in entries
            if entry.source is not None})
