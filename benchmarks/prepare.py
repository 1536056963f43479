"""Writes, in a process of its own, what contestants work on."""
import json
import os
import sys
import traceback

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks import engines
from benchmarks import files
from benchmarks import peers
from common import files as common_files
from datasets import conversion
from datasets import label_map
from datasets.shapes import synthetic_shapes
from datasets.voc import folders
from engine import backends
from engine import checkpoints
from engine import models
from engine import runtime
from engine.exporting import export
from engine.exporting import graph
from engine.exporting import tflite_model

# Lead of the background's logits over those of objects, whose deviation is 1:
# about a hundredth of all scores is a candidate.
BACKGROUND = 8
NUM_OBJECTS = 5  # Of an image that a training step has targets for.
NUM_CALIBRATION_IMAGES = 4  # Speed does not depend on them.
ONNX_OPSET = 13  # Read by every engine.


def write_checkpoint(model_name: str, prefix: str, labels_file: str):
    """See files.write_checkpoint."""
    labels = (label_map.read_labels(labels_file) if labels_file
              else label_map.VOC_LABELS)
    network = models.make_network(model_name, labels, None, None)
    outputs = network.net(tf.constant(engines.images(network, 4)),
                          is_training=False, from_scratch=True)[:2]
    tf.train.get_or_create_global_step()
    checkpoints.metadata.variable(checkpoints.metadata.make(network, labels))
    saver = tf.train.Saver()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for name, output in zip(('conv_cls', 'conv_loc'), outputs,
                                strict=True):
            _scale_heads(session, network, name, output)
        saver.save(session, prefix, write_meta_graph=False)


def _scale_heads(session, network, name, output):
    """Gives what layers predict the spread that it has after a training."""
    variables = {variable.op.name: variable
                 for variable in tf.trainable_variables()}
    heads = output.op.inputs[:len(network.params.feat_layers)]
    for layer, head, values in zip(
            network.params.feat_layers, heads, session.run(heads),
            strict=True):
        weights, biases = (
            variables.get(f'{network.name}/{layer}_box/{name}/{kind}')
            for kind in ('weights', 'biases'))
        if biases is None:  # There is a norm, which has given it a spread.
            continue
        values = values.reshape(-1, biases.shape[0])
        mean = values.mean(0)
        deviation = (values - mean).std()
        centred = (-mean / deviation).reshape(-1, head.shape[-1])
        if name == 'conv_cls':
            centred[:, 0] += BACKGROUND
        weights.load(session.run(weights) / deviation, session)
        biases.load(centred.ravel(), session)


def write_expected(spec: str):
    """See files.write_expected."""
    spec = json.loads(spec)
    network = engines.make_network(spec)
    outputs = network.net(tf.constant(engines.images(network, spec['batch'])),
                          is_training=False)[:2]
    rng = np.random.default_rng(0)
    encoded = [network.encode(
        tf.constant(rng.integers(1, network.params.num_classes, NUM_OBJECTS)),
        tf.constant(engines.bboxes(rng, NUM_OBJECTS, .5)))
        for _ in range(spec['batch'])]
    targets = type(encoded[0])(*map(tf.stack, zip(*encoded, strict=True)))
    losses = network.losses(*outputs, targets)
    with tf.Session() as session:
        tf.train.Saver().restore(session, spec['checkpoint'])
        values = session.run({
            **dict(zip(peers.OUTPUTS, outputs, strict=True)),
            'target_labels': targets.labels,
            'target_localisations': targets.localisations,
            'loss': tf.add_n(losses[:3])})
    np.savez(spec['network'] + '.npz', **values)


def write_network(spec: str):
    """See files.write_network."""
    spec = json.loads(spec)
    network = engines.make_network(spec)
    shape = (spec['batch'], *network.params.img_shape, 3)
    images = tf.placeholder(tf.float32, shape, backends.INPUT)
    with checkpoints.restore.weights_of(spec['checkpoint']):
        outputs = network.net(images, is_training=False)[:2]
    for name, output in zip(peers.OUTPUTS, outputs, strict=True):
        tf.identity(output, name)
    frozen = graph.Frozen(
        tf.graph_util.extract_sub_graph(
            tf.get_default_graph().as_graph_def(), peers.OUTPUTS),
        (), peers.OUTPUTS, shape, 'float32')
    for ending, convert in (('.onnx', _to_onnx), ('.tflite', _to_tflite)):
        try:
            content = convert(frozen)
        except ValueError as error:  # The package is missing.
            print(error, file=sys.stderr)
        else:
            common_files.write_whole(spec['network'] + ending, [content])


def _to_onnx(frozen):
    """Returns a graph as ONNX, its images [batch, 3, height, width]."""
    tf2onnx = backends.import_package('tf2onnx', 'ONNX')
    model, _ = tf2onnx.convert.from_graph_def(
        frozen.graph_def, input_names=[f'{backends.INPUT}:0'],
        output_names=[f'{name}:0' for name in frozen.outputs],
        inputs_as_nchw=[f'{backends.INPUT}:0'], opset=ONNX_OPSET)
    return model.SerializeToString()


def _to_tflite(frozen):
    content, = tflite_model.convert(frozen, 'float32', [], '{}').values()
    return content


def write_exports(specs: str):
    """See files.write_exports."""
    specs = json.loads(specs)
    network = engines.make_network(specs[0])
    frozen = graph.build(specs[0]['checkpoint'], network)
    shape = network.params.img_shape
    calibration = list(engines.pixels(NUM_CALIBRATION_IMAGES, shape).astype(
        np.float32)[:, None])
    about = json.dumps({
        'format_version': backends.FORMAT_VERSION, 'heads_only': False,
        'classes': checkpoints.metadata.read(specs[0]['checkpoint'])['classes'],
        'batch_size': 1, 'image_shape': shape,
        'input_type': frozen.input_type, 'sum': backends.NO_SUM})
    for spec in specs:
        try:
            parts = backends.seal(export.FORMATS[spec['format']].convert(
                frozen, spec['dtype'], calibration, about))
        except Exception:  # Of any converter; the others go on.
            traceback.print_exc()
            continue
        for name, content in parts.items():
            common_files.write_whole(
                os.path.join(spec['exports'], name), [content])


def write_data(data: str):
    """See files.write_data."""
    data = json.loads(data)
    if not os.path.exists(data['voc_dir']):
        synthetic_shapes.write(
            data['voc_dir'], files.NUM_RECORDS, 0, size=files.SIDE)
    part = folders.Part(
        data['voc_dir'], None, f'{data["dataset_name"]}_train')
    conversion.convert([part], data['dataset_dir'],
                       labels=label_map.read_labels(data['labels_file']))


if __name__ == '__main__':
    runtime.prepare()
    functions = {function.__name__: function for function in (
        write_checkpoint, write_expected, write_network, write_exports,
        write_data)}
    functions[sys.argv[1]](*sys.argv[2:])
