"""PyTorch's SSDs beside ours: their forward pass, on random weights.

It is written anew, of TensorFlow's plain operations on their kernels, with
paddings and pools as they say them. Few channels are enough for that.
"""
import argparse
import sys
import zipfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from datasets import label_map
from engine import checkpoints
from engine import models
from engine import runtime
from engine.importing import convert
from engine.importing import pytorch
from engine.importing import pytorch_file
from engine.importing import weights
from nets import nets_factory
from nets import ssd_vgg_300
from nets import ssd_vgg_512
from tests import pytorch_files

WIDTH = 1 / 16


class Narrow300(ssd_vgg_300.SSDNet):
    name = 'ssd_300_vgg_narrow'
    default_params = ssd_vgg_300.SSDNet.default_params._replace(
        depth_multiplier=WIDTH)


class Narrow512(ssd_vgg_512.SSDNet):
    name = 'ssd_512_vgg_narrow'
    default_params = ssd_vgg_512.SSDNet.default_params._replace(
        depth_multiplier=WIDTH)


ABC = weights.Options(Narrow300.name, labels=('a', 'b', 'c'))


@pytest.fixture(autouse=True)
def narrow_networks(monkeypatch):
    for network in Narrow300, Narrow512:
        monkeypatch.setitem(nets_factory.networks_map, network.name, network)


def modules_of_torchvision():
    """Returns names of trunk, extra blocks and heads, and of the L2 scale."""
    trunk = [f'backbone.features.{number}' for number in list(
        pytorch_files.VGG)[:10]]
    trunk += [f'backbone.extra.0.{name}' for name in (1, 3, 5, '7.1', '7.3')]
    extras = [f'backbone.extra.{name}' for name in (
        '1.0', '1.2', '2.0', '2.2', '3.0', '3.2', '4.0', '4.2')]
    heads = [[f'head.{kind}_head.module_list.{number}' for number in range(6)]
             for kind in ('classification', 'regression')]
    return trunk, extras, *heads, 'backbone.scale_weight'


def modules_of_others(trunk, extras, cls, loc, gamma, num_heads=6):
    """Returns the same of a project that numbers its modules."""
    return ([f'{trunk}.{number}' for number in pytorch_files.VGG],
            [f'{extras}.{number}' for number in range(2 * num_heads - 4)],
            *([f'{head}.{number}' for number in range(num_heads)]
              for head in (cls, loc)), gamma)


TORCHVISION = modules_of_torchvision()
SSD_PYTORCH = modules_of_others(
    'vgg', 'extras', 'conf', 'loc', 'L2Norm.weight')
LUFFICC = modules_of_others(
    'backbone.vgg', 'backbone.extras', 'box_head.predictor.cls_headers',
    'box_head.predictor.reg_headers', 'backbone.l2_norm.weight')
LUFFICC_512 = modules_of_others(
    'vgg', 'extras', 'classification_headers', 'regression_headers',
    'l2_norm.weight', 7)
FEW, MANY = 4, 6  # Anchors of a cell.
EXTRAS_300 = ((1024, 256, 512, 3, 2, 1), (512, 128, 256, 3, 2, 1),
              *[(256, 128, 256, 3, 1, 0)] * 2)  # Kernel, stride and padding.
EXTRAS_512 = ((1024, 256, 512, 3, 2, 1), (512, 128, 256, 3, 2, 1),
              *[(256, 128, 256, 3, 2, 1)] * 2, (256, 128, 256, 4, 1, 1))
KINDS_300 = (FEW, MANY, MANY, MANY, FEW, FEW)
KINDS_512 = (FEW, MANY, MANY, MANY, MANY, FEW, FEW)


def tensors(modules, num_classes=4):
    """Returns {name: array} of a whole detector."""
    trunk, extras, cls, loc, gamma = modules
    is_300 = len(cls) == 6

    def narrow(num_inputs, num_outputs, side):
        return num_inputs, int(num_outputs * WIDTH), side

    shapes = {name: narrow(*shape) for name, shape in zip(
        trunk, pytorch_files.VGG.values(), strict=True)}
    layers = [512, 1024]
    for index, (inputs, middle, outputs, side, *_) in enumerate(
            EXTRAS_300 if is_300 else EXTRAS_512):
        shapes[extras[2 * index]] = narrow(inputs, middle, 1)
        shapes[extras[2 * index + 1]] = narrow(middle, outputs, side)
        layers.append(outputs)
    for names, num_values in ((cls, num_classes), (loc, 4)):
        shapes |= {name: (inputs, num_kinds * num_values, 3)
                   for name, inputs, num_kinds in zip(
                       names, layers, KINDS_300 if is_300 else KINDS_512,
                       strict=True)}
    found = pytorch_files.convolutions(shapes, WIDTH)
    found[f'{trunk[0]}.weight'] /= 64  # Pixels are large.
    scale = np.linspace(15, 25, int(512 * WIDTH), dtype=np.float32)
    return {gamma: scale, **found}


def run_theirs(values, modules, image, num_classes):
    """Returns logits [num_anchors, num_classes] and localisations, flat."""
    trunk, extras, cls, loc, gamma = modules

    def conv2d(net, name, stride=1, pad=0, dilation=1):
        kernel = values[f'{name}.weight'].transpose(2, 3, 1, 0)
        return values[f'{name}.bias'] + tf.nn.conv2d(
            net, kernel, stride, [[0, 0], [pad] * 2, [pad] * 2, [0, 0]],
            dilations=dilation)

    net = tf.constant(image[None])
    for number, name in zip(pytorch_files.VGG, trunk):
        if number in (5, 10, 17, 24):  # Behind a pool; that of 75 by 75 ceils.
            net = tf.nn.max_pool2d(net, 2, 2, 'SAME')
        if number < 31:
            net = tf.nn.relu(conv2d(net, name, pad=1))
        if number == 21:
            norm = tf.sqrt(tf.reduce_sum(net ** 2, -1, keepdims=True))
            features = [net / norm * values[gamma]]
    net = tf.nn.max_pool2d(net, 3, 1, 'SAME')
    net = tf.nn.relu(conv2d(net, trunk[13], pad=6, dilation=6))
    net = tf.nn.relu(conv2d(net, trunk[14]))
    features.append(net)
    for index, (*_, stride, pad) in enumerate(
            EXTRAS_300 if len(cls) == 6 else EXTRAS_512):
        net = tf.nn.relu(conv2d(net, extras[2 * index]))
        net = tf.nn.relu(conv2d(net, extras[2 * index + 1], stride, pad))
        features.append(net)
    heads = [[conv2d(net, name, pad=1) for net, name in zip(features, names)]
             for names in (cls, loc)]
    with tf.Session() as session:
        heads = session.run(heads)
    flat = []
    for layers, num_values in zip(heads, (num_classes, 4)):
        parts = []
        for layer in layers:  # As torchvision: N, A, K, H, W; then to the end.
            _, height, width, channels = layer.shape
            parts.append(layer.transpose(0, 3, 1, 2).reshape(
                -1, num_values, height, width).transpose(2, 3, 0, 1).reshape(
                    -1, num_values))
        flat.append(np.concatenate(parts))
    return flat


def run_ours(read, image):
    """Returns logits and localisations, flat; and anchors."""
    network = models.make_network(
        None, read.metadata['classes'], read.metadata)
    with tf.Session() as session, tf.variable_scope(
            '', custom_getter=lambda getter, name, *args, **kwargs:
            tf.constant(np.ascontiguousarray(read.values[name]))):
        outputs = network.net(tf.constant(image[None]), is_training=False)[:2]
        return [values[0] for values in session.run(outputs)], (
            network.anchors())


def save(folder, values):
    path = folder / 'a.safetensors'
    path.write_bytes(pytorch_files.safetensors(values))
    return str(path)


def read(folder, values, options=ABC):
    return pytorch.read(save(folder, values), options)


def check_refused(folder, message, values, options=ABC):
    with pytest.raises(ValueError, match=f'a.safetensors: .*{message}'):
        read(folder, values, options)


@pytest.mark.parametrize('modules, num_classes, network, smallest, centre', [
    # The last cell of block8 has its centre outside, at 304 pixels.
    (TORCHVISION, 91, Narrow300, 21, 304),
    (SSD_PYTORCH, 21, Narrow300, 30, 300), (LUFFICC, 81, Narrow300, 21, 300),
    (LUFFICC_512, 21, Narrow512, 35.84, 496)])
def test_outputs_and_anchors_equal_theirs(
        tmp_path, modules, num_classes, network, smallest, centre):
    side, _ = network.default_params.img_shape
    image = np.random.default_rng(1).uniform(
        -120, 140, (side, side, 3)).astype(np.float32)
    values = tensors(modules, num_classes)
    found = read(tmp_path, values, weights.Options(network.name))
    assert found.unused == []
    with runtime.quiet(), tf.Graph().as_default():
        ours, anchors = run_ours(found, image)
        theirs = run_theirs(values, modules, image, num_classes)
    for mine, other in zip(ours, theirs, strict=True):
        assert np.abs(mine - other).max() < 1e-5 * np.abs(other).max()
    anchors *= side
    shapes = network.default_params.feat_shapes[:3]
    last = sum(height * width * kinds for (height, width), kinds in zip(
        shapes, KINDS_300)) - 1
    np.testing.assert_allclose(anchors[0], [4, 4, smallest, smallest])
    np.testing.assert_allclose(anchors[last, :2], [centre] * 2)
    # Of 369 pixels and more without a clip.
    assert anchors[-2, 3] == side > 1.5 * anchors[-2, 2]
    assert found.metadata['mean_pixel'] == (
        [122.99925, 116.9991, 103.9992] if modules is TORCHVISION
        else [123, 117, 104])
    assert found.metadata.get('clips_bboxes') == (
        True if modules is TORCHVISION else None)


def test_classes(tmp_path):
    options = weights.Options(Narrow300.name)
    found = read(tmp_path, tensors(TORCHVISION, 91), options).metadata
    names = found['classes']
    assert (len(names), names[0], names[10], names[11], names[89]) == (
        90, 'person', 'fire hydrant', 'N/A 12', 'toothbrush')
    assert [name for index, name in enumerate(names, 1)
            if index not in found['unused_labels']] == list(
                label_map.COCO_LABELS)
    assert len(found['unused_labels']) == 10
    own = [f'c{index}' for index in range(90)]
    found = read(tmp_path, tensors(TORCHVISION, 91), options._replace(
        labels=tuple(own))).metadata
    assert found['classes'] == own and 'unused_labels' not in found
    values = tensors(TORCHVISION, 4)
    check_refused(tmp_path, 'has 3 classes, neither VOC nor COCO', values,
                  options)
    check_refused(tmp_path, 'has 3 classes, but 1 names', values,
                  options._replace(labels=('a',)))
    check_refused(tmp_path, 'has 90 classes, neither VOC nor COCO',
                  tensors(LUFFICC, 91), options)


def test_anchors_that_a_file_does_not_say(tmp_path):
    check_refused(tmp_path, 'ssd.pytorch has none for 3 classes; give '
                  '--anchors, one of coco, voc', tensors(SSD_PYTORCH))
    found = read(tmp_path, tensors(LUFFICC_512),
                 ABC._replace(model_name=Narrow512.name, anchors='voc'))
    assert found.metadata['anchor_sizes'][-1] == [460.8, 537.65]
    check_refused(tmp_path, 'those of torchvision; leave out --anchors=voc',
                  tensors(TORCHVISION), ABC._replace(anchors='voc'))


def test_names_with_something_before_them(tmp_path):
    values = {f'module.{name}': value
              for name, value in tensors(LUFFICC, 21).items()}
    found = read(tmp_path, {**values, 'ema.0.weight': np.zeros(1)},
                 weights.Options(Narrow300.name))
    assert found.unused == ['ema.0.weight']
    assert tuple(found.metadata['classes']) == label_map.VOC_LABELS
    np.testing.assert_array_equal(
        found.values['ssd_300_vgg_narrow/block4_box/L2Normalization/gamma'],
        values['module.backbone.l2_norm.weight'])
    check_refused(
        tmp_path, "2 detectors, which begin with '', 'module.'; save one",
        {**values, **tensors(LUFFICC, 21)})


def test_what_is_no_such_network_is_refused(tmp_path):
    whole = tensors(TORCHVISION)
    few = {name: value for name, value in whole.items()
           if 'features.2' not in name}
    check_refused(tmp_path, 'lacks 4 tensors that ssd_300_vgg_narrow needs, '
                  'such as backbone.features.2.bias', few)
    check_refused(tmp_path, 'no SSD of torchvision: it also has 1 other '
                  'tensors, such as backbone.extra.5.0.weight',
                  {**whole, 'backbone.extra.5.0.weight': np.zeros(1)})
    head = 'head.classification_head.module_list'
    check_refused(tmp_path, 'predicts from 7 layers, which no SSD over '
                  'VGG-16 of torchvision does',
                  {**whole, f'{head}.6.weight': np.zeros(1)})
    check_refused(tmp_path, f'its {head}.0.bias has 6 values, not two or '
                  'more for each of the 4 anchors of a cell',
                  {**whole, f'{head}.0.bias': np.zeros(6)})
    name = 'backbone.features.21.weight'
    check_refused(
        tmp_path, rf'its tensor {name} has the shape \(3,\), but '
        r'conv4/conv4_3/weights of --model_name needs \(32, 32, 3, 3\)',
        {**whole, name: np.zeros(3)})
    for name in Narrow512.name, 'ssd_300_vgg_bn':
        check_refused(tmp_path, f'it is a ssd_300_vgg, not --model_name={name};'
                      ' leave the flag out', whole,
                      ABC._replace(model_name=name))
    check_refused(tmp_path, 'no VGG-16; it holds 1 tensors of floats, such '
                  'as layer1.weight', {'layer1.weight': np.zeros(1),
                                       'step': np.zeros(1, int)})
    check_refused(tmp_path, 'it holds 0 tensors of floats.', {})
    check_refused(tmp_path, r"'a\\nb' is no name of a tensor",
                  {'a\nb': np.zeros(1)})


def trunk(root, num_layers, **more):
    """Returns the tensors of a VGG-16, mostly zeros."""
    values = {}
    for number, (num_inputs, num_outputs, side) in list(
            pytorch_files.VGG.items())[:num_layers]:
        kernel = np.zeros((num_outputs, num_inputs, side, side), np.float32)
        kernel[:2, :2] = np.arange(number, number + 4 * side ** 2).reshape(
            2, 2, side, side)
        values[f'{root}{number}.weight'] = kernel
        values[f'{root}{number}.bias'] = np.ones(num_outputs, np.float32)
    return {**values, **more}


def test_a_reduced_vgg_starts_a_training(tmp_path):
    values = trunk('', 15)
    found = read(tmp_path, values, weights.Options())
    assert (len(found.values), found.metadata, found.unused) == (30, None, [])
    for variable, name in (('conv1/conv1_1', '0'), ('conv3/conv3_3', '14'),
                           ('conv6', '31'), ('conv7', '33')):
        np.testing.assert_array_equal(
            found.values[f'vgg_16_reduced/{variable}/weights'],
            values[f'{name}.weight'].transpose(2, 3, 1, 0))
    check_refused(
        tmp_path, 'a VGG-16 alone, not --model_name=ssd_300_vgg; leave',
        values, weights.Options('ssd_300_vgg'))


@pytest.mark.parametrize('colours', [slice(None), slice(None, None, -1)])
def test_a_vgg_for_bgr_is_turned(tmp_path, colours):
    values = trunk('features.', 13)
    values['features.0.weight'][0, colours, 0, 0] = (
        0.42947057, 0.55037946, 0.4800154)
    values['features.0.bias'][0] = 0.73429835
    found = read(tmp_path, values, weights.Options('vgg_16_reduced'))
    assert len(found.values) == 26 and found.notes == (
        'It has no fc6 and fc7: conv6 and conv7 will start anew.',
        *['It takes BGR, as in Caffe: conv1_1 is turned to RGB.'] * (
            colours.step is None))
    np.testing.assert_allclose(
        found.values['vgg_16_reduced/conv1/conv1_1/weights'][0, 0, :, 0],
        [0.4800154, 0.55037946, 0.42947057])


def test_a_vgg_for_scaled_pixels_is_refused(tmp_path):
    nothing = np.full(1000, np.nan, np.float32)
    found = read(tmp_path, trunk('features.', 13, **{
        'classifier.6.bias': nothing}), weights.Options())
    assert (len(found.values), found.unused) == (26, ['classifier.6.bias'])
    for more in {}, {'classifier.6.bias': np.ones(1000)}:
        check_refused(tmp_path, 'a VGG-16 for scaled pixels, .* take '
                      'vgg16_reducedfc.pth', trunk('features.', 13, **more),
                      weights.Options())


def test_lower_precision_and_a_list_of_what_is_in_a_file(tmp_path):
    path = save(tmp_path, {
        'a': np.array([[1.5, -2]], tf.bfloat16.as_numpy_dtype),
        'b': np.array(3, np.float16), 'c': np.array([4.]),
        'step': np.array(7)})
    with pytorch_file.tensors(path) as found:
        values = {name: tensor.load().tolist()
                  for name, tensor in found.items()}
    assert values == {'a': [[1.5, -2]], 'b': 3, 'c': [4]}
    assert [line.split() for line in pytorch.describe(path)] == [
        ['a', '1x2'], ['b', 'scalar'], ['c', '1'],
        ['3', 'tensors,', '4', 'parameters']]


def test_a_damaged_file_is_refused(tmp_path):
    path = save(tmp_path, {'a': np.ones(9)})
    with open(path, 'r+b') as file:
        file.truncate(100)
    with pytest.raises(ValueError, match=(
            r'a.safetensors: not a whole .safetensors file: ')):
        pytorch.read(path, ABC)


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'safetensors', None)
    monkeypatch.setitem(sys.modules, 'torch', None)
    with pytest.raises(ValueError, match=(
            r"a.safetensors: .*safetensors: python -m pip install '.\[pyt")):
        pytorch.read(save(tmp_path, {'a': np.ones(9)}), ABC)
    with zipfile.ZipFile(tmp_path / 'a.pth', 'w') as archive:
        archive.writestr('archive/data.pkl', b'')
    (tmp_path / 'old.pth').write_bytes(
        b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.')
    for name in 'a.pth', 'old.pth':
        path = str(tmp_path / name)
        assert pytorch.matches(path)
        with pytest.raises(ValueError, match=(
                f'{name}: .*python -m pip install torch; or .*two lines')):
            pytorch.read(path, ABC)


def test_files_of_torch(tmp_path):
    torch = pytest.importorskip('torch', reason='PyTorch is not installed.')
    state = {'a': torch.tensor([[1.5, -2]]), 'n': torch.tensor(7)}
    path = str(tmp_path / 'a.pth')
    for content in state, {'epoch': 3, 'model': state, 'optimizer': {
            'state': {0: {'b': torch.ones(1)}}}, 'args': argparse.Namespace()}:
        for is_zip in True, False:
            torch.save(content, path, _use_new_zipfile_serialization=is_zip)
            with pytorch_file.tensors(path) as found:
                assert found.keys() == {'a'}
                np.testing.assert_array_equal(found['a'].load(), [[1.5, -2]])
    torch.save(torch.nn.Linear(1, 1), path)
    with pytest.raises(ValueError, match=(
            'a.pth: .*a whole model, .*save model.state_dict')):
        pytorch.read(path, ABC)


def test_a_checkpoint_is_written(tmp_path, capsys):
    path = save(tmp_path, tensors(TORCHVISION))
    convert.convert(path, Narrow300.name, labels='a,b,c')
    assert 'classes: a, b, c\nanchors: 21..45' in capsys.readouterr().out
    metadata = checkpoints.metadata.read(str(tmp_path / 'a.ckpt'))
    assert (metadata['anchor_clip'], metadata['clips_bboxes']) == (
        'sides', True)
