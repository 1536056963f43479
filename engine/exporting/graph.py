"""A checkpoint as one graph of constants, from pixels to detections.

Normalisation, network, decoding and the portable suppression are inside.
"""
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from detection import boxes
from detection import portable_suppression
from engine import backends
from engine import checkpoints
from nets import ssd

# Scope of what follows the network, which is not computed in int8.
POSTPROCESSING = 'postprocessing'


class Frozen(NamedTuple):
    """A graph whose weights are constants."""
    graph_def: tf.GraphDef
    heads: tuple[str, ...]    # What layers predict: names of operations,
    outputs: tuple[str, ...]  # as outputs and backends.INPUT.
    input_shape: tuple[int, int, int, int]  # Batch, height, width, 3.
    input_type: str  # 'float32' or 'uint8'.


def build(prefix: str, network: ssd.SSDNet, batch_size: int = 1,
          input_type: str = 'float32', heads_only: bool = False,
          moving_average_decay: float | None = None, **selection) -> Frozen:
    """Returns a checkpoint's network as a graph without variables.

    Its input is RGB, 0..255, of the network's size. Its outputs, relative to
    the input:
      boxes: float32 [batch, keep_top_k, 4], ymin, xmin, ymax, xmax, clipped.
      scores: float32 [batch, keep_top_k], descending; 0 if there is none.
      class_ids: int32 [batch, keep_top_k], from 1; 0 if there is none.
      num: int32 [batch], how many there are.
    Or of heads_only, of every anchor:
      boxes: float32 [batch, num_anchors, 4], not clipped.
      scores: float32 [batch, num_anchors, num_classes], with background.

    Args:
      prefix, moving_average_decay: see checkpoints.restore.weights_of.
      network: see models.make_network.
      batch_size: of input and outputs.
      input_type: of the input.
      heads_only: whether the suppression is left out.
      **selection: see portable_suppression.select_detections.

    Raises:
      ValueError: the checkpoint does not fit the network.
    """
    params = network.params
    shape = (batch_size, *params.img_shape, 3)
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(input_type, shape, backends.INPUT)
        pixels = _normalise(tf.cast(images, tf.float32), params)
        with checkpoints.restore.weights_of(prefix, moving_average_decay):
            logits, localisations, _ = network.net(pixels, is_training=False)
        with tf.name_scope(POSTPROCESSING):
            scores, bboxes = network.decode(logits, localisations)
            outputs = dict(zip(backends.HEADS, (bboxes, scores), strict=True))
            if not heads_only:
                found = portable_suppression.select_detections(
                    scores, bboxes, **selection)
                outputs = dict(zip(backends.DETECTIONS, (
                    boxes.clip(found.bboxes, (0., 0., 1., 1.)), found.scores,
                    found.classes, found.num), strict=True))
        for name, output in outputs.items():
            tf.identity(output, name)
        graph_def = tf.graph_util.extract_sub_graph(
            graph.as_graph_def(), list(outputs))
    return Frozen(graph_def, (*_parts(logits), *_parts(localisations)),
                  tuple(outputs), shape, input_type)


def _parts(concatenated):
    """Returns the names of the operations whose outputs are concatenated."""
    operation = concatenated.op
    if operation.type != 'ConcatV2':  # There is one.
        return [operation.name]
    return [part.op.name for part in operation.inputs[:-1]]  # Last: axis.


def _normalise(images, params):
    """Returns (images - mean) * scale, as tf_image.normalise does."""
    # As rows of w * 3 numbers: several times as fast as a broadcast [3].
    batch, height, width, _ = images.shape.as_list()
    rows = tf.reshape(images, [batch, height, width * 3])
    rows -= np.tile(np.float32(params.mean), width)
    if params.scale != 1:
        rows *= params.scale
    return tf.reshape(rows, images.shape)
