"""Caffe models to TensorFlow checkpoints, layer by name."""
import collections
import os

import tensorflow.compat.v1 as tf
import tf_slim as slim

from datasets import label_map
from engine import checkpoints
from engine.importing import caffe_model
from engine.importing import caffe_names
from engine.importing import caffe_priors
from nets import nets_factory

# VGG_ILSVRC_16_layers_fc_reduced: the trunk alone, to start a training from.
BACKBONE = 'vgg_16_reduced'
KNOWN_LABELS = {len(labels) + 1: labels
                for labels in (label_map.VOC_LABELS, label_map.COCO_LABELS)}

Conversion = collections.namedtuple(
    'Conversion', 'checkpoint_path params labels unused_layers')
Conversion.__doc__ = """What convert() did.

checkpoint_path: prefix of the checkpoint.
params: SSDParams with the file's anchors; None for the backbone alone.
labels: tuple of class names, without background; None for the backbone.
unused_layers: names of layers of the file whose weights were not needed.
"""


def convert(caffemodel_path, model_name, num_classes=None, labels=None,
            anchors=None, output_path=None):
    """Writes the checkpoint of a Caffe model.

    Args:
      caffemodel_path: a .caffemodel of VGG SSD300 or SSD512, or of VGG-16.
      model_name: of nets_factory, or BACKBONE.
      num_classes: with background, as in the original; None to believe the
        file.
      labels: class names without background; None for VOC's or COCO's,
        where the file has as many.
      anchors: name of a preset, needed only where the file has no priors.
      output_path: prefix of the checkpoint; None for the file's own name,
        with the ending .ckpt.

    Returns:
      A Conversion.

    Raises:
      ValueError: naming the file, what is needed and what it has. Nothing
        has been written then.
    """
    if output_path is None:
        output_path = os.path.splitext(caffemodel_path)[0] + '.ckpt'
    if os.path.isdir(output_path):
        raise ValueError(
            f'--output_path={output_path}: a folder; add the name of the '
            'checkpoint, such as model.ckpt.')
    layers = caffe_model.read(caffemodel_path)
    with tf.Graph().as_default():
        try:
            params = None
            if model_name == BACKBONE:
                labels = None
                _build_backbone()
            else:
                network = nets_factory.get_network(model_name)
                params = caffe_priors.file_params(network, layers, anchors)
                labels = _labels(params.num_classes, num_classes, labels)
                net = network(params)
                _build(net)
                checkpoints.metadata.variable(
                    checkpoints.metadata.make(net, labels))
            values, unused = _values(tf.trainable_variables(), layers)
        except ValueError as error:
            raise ValueError(f'{caffemodel_path}: {error}') from error
        _save(output_path, values)
    return Conversion(output_path, params, labels, unused)


def _build(net):
    """Builds the variables of a network."""
    images = tf.placeholder(tf.float32, (1, *net.params.img_shape, 3))
    with slim.arg_scope(net.arg_scope()):
        net.net(images)


def _build_backbone():
    """Builds the variables of the trunk, as they are in an SSDNet."""
    network = nets_factory.get_network('ssd_300_vgg')
    net = network()
    images = tf.placeholder(tf.float32, (1, *net.params.img_shape, 3))
    with tf.variable_scope(BACKBONE), slim.arg_scope(net.arg_scope()):
        net.trunk(images, {})


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
    return tuple(labels)


def _values(variables, layers):
    """Returns {variable: value}, and the names of layers not used."""
    blobs = caffe_model.blobs_by_name(layers)
    sources = {
        variable: caffe_names.BLOBS[variable.op.name.partition('/')[2]]
        for variable in variables}
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
    return {variable: _value(variable, layer, blobs[layer][index])
            for variable, (layer, index) in sources.items()}, unused


def _value(variable, layer_name, blob):
    """Returns a variable's value: float32, of the variable's shape."""
    shape = tuple(variable.shape.as_list())
    if len(shape) == 4:
        shape = shape[3], shape[2], shape[0], shape[1]
    if len(shape) == 1 and max(blob.shape) == blob.size:
        blob = blob.reshape(-1)  # (1, 1, 1, n) in files older than BlobShape.
    if blob.shape != shape:
        raise ValueError(
            f'its layer {layer_name} has the shape {blob.shape}, but '
            f'{variable.op.name} needs {shape}.')
    if layer_name == 'conv1_1' and len(shape) == 4:
        blob = blob[:, ::-1]  # Caffe's images are BGR.
    return blob.transpose(2, 3, 1, 0) if len(shape) == 4 else blob


def _save(path, values):
    """Writes the graph's variables; those not in values as they begin."""
    tf.train.get_or_create_global_step()
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with tf.Session() as session:
        session.run(tf.variables_initializer(
            [variable for variable in tf.global_variables()
             if variable not in values]))
        for variable, value in values.items():
            session.run(variable.initializer,
                        {variable.initializer.inputs[1]: value})
        # The folder may be a training's: its state stays what it is.
        try:
            tf.train.Saver().save(
                session, path, write_meta_graph=False, write_state=False)
        except tf.errors.OpError as error:
            raise ValueError(
                f'{path}: cannot be written: '
                f'{error.message.splitlines()[0]}') from None
