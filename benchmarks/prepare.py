"""Writes, in a process of its own, what contestants work on."""
import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks import engines
from benchmarks import files
from datasets import conversion
from datasets import label_map
from datasets.shapes import synthetic_shapes
from datasets.voc import folders
from engine import checkpoints
from engine import models
from engine import runtime


def write_checkpoint(model_name: str, prefix: str, labels_file: str):
    """See files.write_checkpoint."""
    labels = (label_map.read_labels(labels_file) if labels_file
              else label_map.VOC_LABELS)
    network = models.make_network(model_name, labels, None, None)
    network.net(tf.zeros([1, *network.params.img_shape, 3]),
                is_training=False, from_scratch=True)
    tf.train.get_or_create_global_step()
    checkpoints.metadata.variable(checkpoints.metadata.make(network, labels))
    saver = tf.train.Saver()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        saver.save(session, prefix, write_meta_graph=False)


def write_onnx(spec: str):
    """See files.write_onnx."""
    try:
        from benchmarks import onnx_network
    except ImportError:
        return
    spec = json.loads(spec)
    if os.path.exists(spec['onnx']):
        return
    reader = tf.train.load_checkpoint(spec['checkpoint'])
    network = engines.make_network(spec)
    onnx_network.write(
        spec['onnx'], network, reader.get_tensor, spec['batch'])
    # What every engine must compute from it.
    with tf.Session() as session:
        logits, localisations, _ = network.net(
            tf.constant(engines.images(spec)), is_training=False)
        tf.train.Saver().restore(session, spec['checkpoint'])
        logits, localisations = session.run([logits, localisations])
    np.savez(spec['onnx'] + '.npz', logits=logits,
             localisations=localisations)


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
        write_checkpoint, write_onnx, write_data)}
    functions[sys.argv[1]](*sys.argv[2:])
