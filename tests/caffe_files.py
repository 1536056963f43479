"""Writes .caffemodel files with random weights, for the tests.

The .prototxt files in data/ are the Caffe networks with VOC's priors (copies
of the project's reference files); each of their lines is one layer.
"""
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


def layers(text):
    """Returns LayerParameters with random weights for a network's text."""
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
        if layer.type == 'Convolution':
            channels[top] = _number(line, 'num_output')
            kernel = _number(line, 'kernel_size')
            shape = (channels[top], channels[bottom], kernel, kernel)
            random = np.random.RandomState(zlib.crc32(layer.name.encode()))
            scale = (2 / np.prod(shape[1:])) ** .5
            if bottom == 'data':
                scale /= PIXEL_DEVIATION
            add_blob(layer, scale * random.standard_normal(shape))
            add_blob(layer, .1 * random.standard_normal(shape[0]))
        elif layer.type == 'Normalize':
            random = np.random.RandomState(0)
            add_blob(layer, 20 + random.standard_normal(channels[bottom]))
        result.append(layer)
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


def _number(line, field):
    return int(re.search(rf'{field}: (\d+)', line)[1])
