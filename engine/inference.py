"""A checkpoint's network at work: what evaluation and detector share."""
import contextlib

import tensorflow.compat.v1 as tf
import tf_slim as slim

from detection import boxes
from engine import checkpoint_files
from engine import checkpoints

# What tf.train.ExponentialMovingAverage adds to a variable's name.
_AVERAGE = '/ExponentialMovingAverage'


def detections(network, images, bbox_img, compute_dtype, **selection):
    """Builds a network, within `weights_of`, and its post-processing.

    Args:
      network: an SSDNet.
      images: float32 [batch, height, width, 3], RGB, mean subtracted.
      bbox_img: float32 [batch, 4], the images as they were before they were
        fitted to the network, in the coordinates of what it sees.
      compute_dtype: as in SSDNet.net.
      **selection: select_threshold, select_top_k, nms_threshold and
        keep_top_k, as in postprocessing.select_detections.

    Returns:
      postprocessing.Detections; bboxes relative to the images as they were,
      clipped.
    """
    with slim.arg_scope(network.arg_scope()):
        logits, localisations, _ = network.net(
            images, compute_dtype=compute_dtype)
    found = network.detect(logits, localisations, **selection)
    bbox_img = bbox_img[:, None]
    return found._replace(bboxes=boxes.resize(
        boxes.clip(found.bboxes, bbox_img), bbox_img))


@contextlib.contextmanager
def weights_of(prefix, moving_average_decay=None):
    """Gives the networks built within the weights of a checkpoint.

    As constants: oneDNN brings a constant kernel into its own order once, a
    variable at every step, which doubles the time of a single image.

    Args:
      prefix: of the checkpoint.
      moving_average_decay: if not None, the weights' moving averages.

    Raises:
      ValueError: at the end, if the checkpoint lacks a weight, or has it in
        another shape.
    """
    reader = checkpoints.open_reader(prefix)
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
    weights = {}

    def constant(getter, name, shape, dtype, **kwargs):
        del getter, kwargs
        name += '' if moving_average_decay is None else _AVERAGE
        value = tf.zeros(shape, dtype)  # In place of what does not fit.
        if (shapes.get(name), dtypes.get(name)) == (value.shape, value.dtype):
            value = tf.constant(checkpoint_files.read(reader, prefix, name))
        weights[name] = value
        return value

    with tf.variable_scope(tf.get_variable_scope(), custom_getter=constant):
        yield
    checkpoints.check_complete(prefix, weights)
