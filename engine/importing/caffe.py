"""Caffe models to variables of ours, layer by name.

Caffe examples/ssd/ssd_pascal.py and model_libs.py. The original went through
both networks in the order of their layers instead.
"""
import collections
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from datasets import label_map
from engine import checkpoints
from engine import runtime
from engine.importing import caffe_model
from engine.importing import caffe_priors
from nets import nets_factory
from nets import ssd

# VGG_ILSVRC_16_layers_fc_reduced: the trunk alone, to start a training from.
BACKBONE = 'vgg_16_reduced'
KNOWN_LABELS = {len(labels) + 1: labels
                for labels in (label_map.VOC_LABELS, label_map.COCO_LABELS)}
# Caffe layer -> scope of its convolution, below the network's.
SCOPES = {
    **{f'conv{block}_{index}': f'conv{block}/conv{block}_{index}'
       for block, num in enumerate((2, 2, 3, 3, 3), 1)
       for index in range(1, num + 1)},
    'fc6': 'conv6',
    'fc7': 'conv7',
    **{f'conv{number}_1': f'block{number + 2}/conv1x1'
       for number in range(6, 11)},
    **{f'conv{number}_2': f'block{number + 2}/conv3x3'
       for number in range(6, 10)},
    'conv10_2': 'block12/conv4x4',
    **{f'{source}_mbox_{head}': f'{layer}_box/{scope}'
       for source, layer in caffe_priors.SOURCES.items()
       for head, scope in (('loc', 'conv_loc'), ('conf', 'conv_cls'))},
}
# Variable below the network's scope -> (Caffe layer, index of its blob).
BLOBS = {
    'block4_box/L2Normalization/gamma': ('conv4_3_norm', 0),
    **{f'{scope}/{variable}': (layer, index)
       for layer, scope in SCOPES.items()
       for index, variable in enumerate(('weights', 'biases'))},
}


class Weights(typing.NamedTuple):
    """What a checkpoint is made of."""
    values: dict[str, np.ndarray]  # Variable's name -> value, float32.
    metadata: dict | None  # As checkpoints.metadata makes; None for a trunk.
    unused: list[str]      # Layers of the file whose weights are not needed.


def read(path: str, model_name: str, num_classes: int | None = None,
         labels: list[str] | None = None,
         anchors: str | None = None) -> Weights:
    """Returns the weights of a Caffe model.

    Args:
      path: a .caffemodel of VGG SSD300 or SSD512, or of VGG-16.
      model_name: of nets_factory, or BACKBONE.
      num_classes: with background, as in the original; None to believe the
        file.
      labels: class names without background; None for VOC's or COCO's,
        where the file has as many.
      anchors: name of a preset, needed only where the file has no priors.

    Raises:
      ValueError: naming the file, what is needed and what it has.
    """
    layers = caffe_model.read(path)
    try:
        if model_name == BACKBONE:
            metadata = None
            shapes = {
                name: shape for name, shape in _shapes(
                    nets_factory.get_network('ssd_300_vgg')()).items()
                if name.startswith('conv')}
        else:
            network = nets_factory.get_network(model_name)
            params = caffe_priors.file_params(network, layers, anchors)
            net = network(params)
            metadata = checkpoints.metadata.make(
                net, _labels(params.num_classes, num_classes, labels))
            shapes = _shapes(net)
        values, unused = _values(shapes, layers)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    return Weights({f'{model_name}/{name}': value
                    for name, value in values.items()}, metadata, unused)


def _shapes(net: ssd.SSDNet):
    """Returns {variable below the network's scope: shape, a tuple}."""
    with runtime.quiet(), tf.Graph().as_default():
        net.net(tf.placeholder(tf.float32, (1, *net.params.img_shape, 3)),
                is_training=False)
        return {variable.op.name.partition('/')[2]:
                tuple(variable.shape.as_list())
                for variable in tf.trainable_variables()}


def _labels(num_classes, wanted_num_classes, labels):
    """Returns the class names; checks all counts against the file's."""
    if wanted_num_classes not in (None, num_classes):
        raise ValueError(
            f'it has {num_classes} classes, background included; '
            f'--num_classes={wanted_num_classes} says otherwise.')
    if labels is None:
        if num_classes not in KNOWN_LABELS:
            raise ValueError(
                f'it has {num_classes - 1} classes, neither VOC nor COCO; '
                f'name them in a file and give it as --labels_file.')
        labels = KNOWN_LABELS[num_classes]
    if len(labels) + 1 != num_classes:
        raise ValueError(
            f'it has {num_classes - 1} classes, but {len(labels)} names '
            f'were given.')
    return labels


def _values(shapes, layers):
    """Returns {variable: value}, and the names of layers not used."""
    blobs = caffe_model.blobs_by_name(layers)
    sources = {variable: BLOBS[variable] for variable in shapes}
    counts = collections.Counter(layer for layer, _ in sources.values())
    caffe_model.require(blobs, counts)
    for name, count in counts.items():
        if len(blobs[name]) != count:
            raise ValueError(
                f'its layer {name} has {len(blobs[name])} blobs of weights; '
                f'{count} needed.')
    unused = sorted(set(blobs) - set(counts))
    heads = [name for name in unused if '_mbox_' in name]
    if heads and any('_mbox_' in name for name in counts):
        raise ValueError(
            f'it also predicts with {", ".join(heads)}, which --model_name '
            f'does not have.')
    return {variable: _value(variable, shapes[variable], layer,
                             blobs[layer][index])
            for variable, (layer, index) in sources.items()}, unused


def _value(variable, shape, layer_name, blob):
    """Returns a variable's value: float32, of its shape."""
    if len(shape) == 4:
        shape = shape[3], shape[2], shape[0], shape[1]
    if len(shape) == 1 and max(blob.shape) == blob.size:
        blob = blob.reshape(-1)  # (1, 1, 1, n) in files older than BlobShape.
    if blob.shape != shape:
        raise ValueError(
            f'its layer {layer_name} has the shape {blob.shape}, but '
            f'{variable} of --model_name needs {shape}.')
    if layer_name == 'conv1_1' and len(shape) == 4:
        blob = blob[:, ::-1]  # Caffe's images are BGR.
    return blob.transpose(2, 3, 1, 0) if len(shape) == 4 else blob
