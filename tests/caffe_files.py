"""Writes .caffemodel files with random weights, for the tests.

The .prototxt files in data/ are the Caffe networks with VOC's priors (copies
of the project's reference files); each of their lines is one layer, as in
every text here.
"""
import collections
import re
import zlib

import numpy as np
from google.protobuf import text_format

from engine.importing import caffe_pb2
from tests import scripts

DATA = scripts.DATA
# So that logits come out near 1, as those of a trained model.
PIXEL_DEVIATION = 64


def prototxt(size, num_classes=21, prior_sizes=None, width=1.):
    """Returns the text of a network.

    Args:
      size: 300 or 512.
      num_classes: with background.
      prior_sizes: (min_size, max_size) of each layer; None for VOC's.
      width: of the channels of all layers but the heads, relative.
    """
    text = (DATA / f'ssd_{size}_vgg_deploy.prototxt').read_text()
    text = text.replace('dim: 21', f'dim: {num_classes}').replace(
        'num_classes: 21', f'num_classes: {num_classes}')
    text = re.sub(
        r'(_mbox_conf".*num_output: )(\d+)',
        lambda match: match[1] + str(int(match[2]) // 21 * num_classes), text)
    text = re.sub(
        r'(name: "(?!\w+_mbox).*num_output: )(\d+)',
        lambda match: match[1] + str(int(int(match[2]) * width)), text)
    if prior_sizes is not None:
        sizes = iter(prior_sizes)
        text = re.sub(
            r'min_size: \S+ max_size: \S+',
            lambda match: 'min_size: {} max_size: {}'.format(*next(sizes)),
            text)
    return text


def with_own_heads(text, conf='_own', loc=''):
    """Returns the text with conf_postfix and loc_postfix, as model_libs.py."""
    for kind, postfix in (('conf', conf), ('loc', loc)):
        text = re.sub(rf'(\w+_mbox_{kind})', rf'\1{postfix}', text)
    return text


def mobilenet_prototxt(num_classes=21, width=1., is_merged=True):
    """Returns the text of chuanqi305's MobileNet-SSD.

    Args:
      num_classes: with background.
      width: of the channels of all layers but the heads, relative.
      is_merged: whether the convolutions have biases in place of BatchNorm
        and Scale layers.
    """
    lines = prototxt(300, num_classes).splitlines()
    result, last = lines[:3], 'data'

    def add(name, kind, bottom, top, parameters=''):
        bottoms = ' '.join(f'bottom: "{name}"' for name in bottom.split())
        result.append(f'layer {{ name: "{name}" type: "{kind}" {bottoms} '
                      f'top: "{top}" {parameters} }}')

    def convolution(name, channels, kernel, stride=1, group=1):
        add(name, 'Convolution', last, name,
            f'convolution_param {{ num_output: {channels} kernel_size: '
            f'{kernel} pad: {kernel // 2} stride: {stride} group: {group} '
            f'bias_term: {str(is_merged).lower()} }}')
        if not is_merged:
            add(f'{name}/bn', 'BatchNorm', name, name)
            add(f'{name}/scale', 'Scale', name, name,
                'scale_param { bias_term: true }')
        add(f'{name}/relu', 'ReLU', name, name)
        return name

    last = convolution('conv0', int(32 * width), 3, 2)
    inputs = int(32 * width)
    for index, (channels, stride) in enumerate((
            (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
            *[(512, 1)] * 5, (1024, 2), (1024, 1)), 1):
        last = convolution(f'conv{index}/dw', inputs, 3, stride, inputs)
        inputs = int(channels * width)
        last = convolution(f'conv{index}', inputs, 1)
    for index, (first, second) in enumerate((
            (256, 512), (128, 256), (128, 256), (64, 128)), 14):
        last = convolution(f'conv{index}_1', int(first * width), 1)
        last = convolution(f'conv{index}_2', int(second * width), 3, 2)
    priors = {
        'conv11': (60, None), 'conv13': (105, 150), 'conv14_2': (150, 195),
        'conv15_2': (195, 240), 'conv16_2': (240, 285), 'conv17_2': (285, 300)}
    for source, (low, high) in priors.items():
        for kind, num in (('loc', 4), ('conf', num_classes)):
            name = f'{source}_mbox_{kind}'
            add(name, 'Convolution', source, name,
                f'convolution_param {{ num_output: {num * (6 if high else 3)} '
                'kernel_size: 1 }')
            add(f'{name}_perm', 'Permute', name, f'{name}_perm',
                'permute_param { order: 0 order: 2 order: 3 order: 1 }')
            add(f'{name}_flat', 'Flatten', f'{name}_perm', f'{name}_flat',
                'flatten_param { axis: 1 }')
        sizes = f'max_size: {high} aspect_ratio: 3.0' if high else ''
        add(f'{source}_mbox_priorbox', 'PriorBox', f'{source} data',
            f'{source}_mbox_priorbox',
            f'prior_box_param {{ min_size: {low} aspect_ratio: 2.0 {sizes} '
            'flip: true clip: false variance: 0.1 variance: 0.1 variance: 0.2 '
            'variance: 0.2 offset: 0.5 }')
    for kind, ending in (
            ('loc', '_flat'), ('conf', '_flat'), ('priorbox', '')):
        add(f'mbox_{kind}', 'Concat', ' '.join(
            f'{source}_mbox_{kind}{ending}' for source in priors),
            f'mbox_{kind}',
            f'concat_param {{ axis: {1 if ending else 2} }}')
    return '\n'.join(result + lines[-4:])


def layers(text, deviation=PIXEL_DEVIATION):
    """Returns LayerParameters with random weights for a network's text.

    Args:
      deviation: of what the network is given.
    """
    result, channels = [], {'data': 3}
    for line in text.splitlines():
        if not line.startswith('layer'):
            continue
        layer = text_format.Parse(
            line[line.index('{') + 1:line.rindex('}')],
            caffe_pb2.LayerParameter(), allow_unknown_field=True)
        bottom, top = (re.search(rf'{end}: "(.*?)"', line)[1]
                       for end in ('bottom', 'top'))
        channels.setdefault(top, channels.get(bottom))
        random = np.random.RandomState(zlib.crc32(layer.name.encode()))
        if layer.type == 'Convolution':
            channels[top] = _number(line, 'num_output')
            kernel = _number(line, 'kernel_size')
            shape = (channels[top], channels[bottom] // _number(
                line, 'group', 1), kernel, kernel)
            scale = (2 / np.prod(shape[1:])) ** .5
            if bottom == 'data':
                scale /= deviation
            add_blob(layer, scale * random.standard_normal(shape))
            if 'bias_term: false' not in line:
                add_blob(layer, .1 * random.standard_normal(shape[0]))
        elif layer.type == 'Normalize':
            random = np.random.RandomState(0)
            add_blob(layer, 20 + random.standard_normal(channels[bottom]))
        elif layer.type == 'BatchNorm':
            # Sums over batches, and how many they are in effect.
            total = 987.5
            add_blob(layer, total * .1 * random.standard_normal(channels[top]))
            add_blob(layer, total * random.uniform(.9, 1.3, channels[top]))
            add_blob(layer, np.array([total]))
        elif layer.type == 'Scale':
            add_blob(layer, random.uniform(.8, 1.2, channels[top]))
            add_blob(layer, .1 * random.standard_normal(channels[top]))
        result.append(layer)
    return result


def snapshot(some_layers, **transform):
    """Returns the layers as a training with Caffe saves them.

    With its data, its loss and, of what several layers take, Split layers in
    place of what only detects.

    Args:
      **transform: fields of the data's TransformationParameter.
    """
    detecting = [layer.name for layer in some_layers].index('mbox_conf_reshape')
    training = [
        caffe_pb2.LayerParameter(
            name='data', type='AnnotatedData', top=['data', 'label'],
            transform_param=transform),
        *some_layers[:detecting],
        caffe_pb2.LayerParameter(
            name='mbox_loss', type='MultiBoxLoss', top=['mbox_loss'],
            bottom=['mbox_loc', 'mbox_conf', 'mbox_priorbox', 'label'])]
    makers, takers = {}, collections.Counter()
    for layer in training:
        takers.update((makers[bottom], bottom) for bottom in layer.bottom)
        makers.update(dict.fromkeys(layer.top, layer.name))
    makers, taken, result = {}, collections.Counter(), []
    for original in training:
        layer = caffe_pb2.LayerParameter()
        layer.CopyFrom(original)
        result.append(layer)
        for index, bottom in enumerate(layer.bottom):
            source = makers[bottom], bottom
            if takers[source] > 1:
                layer.bottom[index] = (
                    f'{bottom}_{source[0]}_0_split_{taken[source]}')
            taken[source] += 1
        makers.update(dict.fromkeys(layer.top, layer.name))
        for top in layer.top:
            name, num = f'{top}_{layer.name}_0_split', takers[layer.name, top]
            if num > 1:
                result.append(caffe_pb2.LayerParameter(
                    name=name, type='Split', bottom=[top],
                    top=[f'{name}_{index}' for index in range(num)]))
    return result


def add_blob(layer, values, legacy=False, dtype='<f4'):
    """Adds an array to a layer; legacy: as before BlobShape."""
    blob = layer.blobs.add()
    if legacy:
        blob.num, blob.channels, blob.height, blob.width = (
            (1, 1, 1, *values.shape)[-4:])
    else:
        blob.shape.dim.extend(values.shape)
    data = np.asarray(values, dtype).tobytes()
    if dtype == '<f4':
        blob.data = data
    else:
        blob.double_data = data


def as_v1(layer, dtype='<f4'):
    """Returns the V1LayerParameter of a layer; it has no prior boxes."""
    v1_layer = caffe_pb2.V1LayerParameter(name=layer.name)
    if layer.type == 'Convolution':
        v1_layer.type = caffe_pb2.V1LayerParameter.CONVOLUTION
    for blob in layer.blobs:
        values = np.frombuffer(blob.data, '<f4').reshape(blob.shape.dim)
        # OpenCV takes the scales of Normalize in no legacy shape.
        add_blob(v1_layer, values, layer.type == 'Convolution', dtype)
    return v1_layer


def write(path, some_layers):
    """Writes a NetParameter of LayerParameters or V1LayerParameters."""
    network = caffe_pb2.NetParameter()
    for layer in some_layers:
        is_v1 = isinstance(layer, caffe_pb2.V1LayerParameter)
        (network.layers if is_v1 else network.layer).append(layer)
    with open(path, 'wb') as file:
        file.write(network.SerializeToString())


def _number(line, field, default=None):
    found = re.search(rf' {field}: (\d+)', line)
    return default if found is None else int(found[1])
