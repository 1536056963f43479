"""What an import gives, and what every source of weights checks alike.

A source is a module of one kind of file. It has

* matches(path) -> bool: whether a file is of its kind, by first bytes and
  names in it, never by its ending; OSError if it cannot be read;
* read(path, options) -> Weights; ValueError that names the file;
* describe(path) -> Iterator[str]: lines that say what is in it.

convert.SOURCES has those of files. hikapok is one of TensorFlow's checkpoints,
which convert describes itself.
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from datasets import label_map
from engine import runtime
from nets import ssd

KNOWN_LABELS = {len(labels) + 1: labels
                for labels in (label_map.VOC_LABELS, label_map.COCO_LABELS)}
# A reduced VGG-16, the trunk alone, to start a training from.
BACKBONE = 'vgg_16_reduced'


class Options(NamedTuple):
    """What is asked of an import; what is None, the file says."""
    model_name: str | None = None  # Of nets_factory, or BACKBONE.
    num_classes: int | None = None  # Background included, as in the original.
    labels: tuple[str, ...] | None = None  # Class names without background.
    anchors: str | None = None  # A preset, for a file that does not say them.
    absolute_coordinates: bool = False  # See hikapok.


class Weights(NamedTuple):
    """What a checkpoint is made of."""
    values: dict[str, np.ndarray]  # Variable's name -> value, float32.
    metadata: dict | None  # As checkpoints.metadata makes; None for a trunk.
    unused: list[str]      # What of the file is not needed.
    notes: tuple[str, ...] = ()  # Sentences on what was done to it.


def class_names(num_classes: int, options: Options,
                of_file: Sequence[str] | None = None) -> Sequence[str]:
    """Returns the class names without background.

    Those of the options; else those that the file has; else VOC's or COCO's,
    if it has as many.

    Args:
      num_classes: the file's, background included.

    Raises:
      ValueError: the options say another number, or nothing says the names.
    """
    if options.num_classes not in (None, num_classes):
        raise ValueError(
            f'it has {num_classes} classes, background included; '
            f'--num_classes={options.num_classes} says otherwise.')
    labels = of_file if options.labels is None else options.labels
    labels = KNOWN_LABELS.get(num_classes) if labels is None else labels
    if labels is None:
        raise ValueError(
            f'it has {num_classes - 1} classes, neither VOC nor COCO; name '
            'them with --labels, or in a file with --labels_file.')
    if len(labels) + 1 != num_classes:
        raise ValueError(f'it has {num_classes - 1} classes, but '
                         f'{len(labels)} names were given.')
    return labels


def shapes(net: ssd.SSDNet) -> dict[str, tuple[int, ...]]:
    """Returns {variable below the network's scope: shape}."""
    with runtime.quiet(), tf.Graph().as_default():
        net.net(tf.placeholder(tf.float32, (1, *net.params.img_shape, 3)),
                is_training=False)
        return {variable.op.name.partition('/')[2]:
                tuple(variable.shape.as_list())
                for variable in tf.model_variables()}


def check_shape(source: str, shape: tuple[int, ...], variable: str,
                needed: tuple[int, ...]):
    """Raises ValueError unless what a file has fits a variable.

    Both shapes are in the file's order of axes.

    Args:
      source: what it is in the file, such as 'layer conv1_1'.
    """
    if shape != needed:
        raise ValueError(f'its {source} has the shape {shape}, but '
                         f'{variable} of --model_name needs {needed}.')


def from_oihw(source: str, values: np.ndarray, variable: str,
              shape: tuple[int, ...]) -> np.ndarray:
    """Returns a variable's value, of its shape, from Caffe's or PyTorch's.

    Args:
      values: a kernel [outputs, inputs, height, width], or what has one axis.

    Raises:
      ValueError: they do not fit; see check_shape.
    """
    is_kernel = len(shape) == 4
    check_shape(source, values.shape, variable, (
        shape[3], shape[2], shape[0], shape[1]) if is_kernel else shape)
    return values.transpose(2, 3, 1, 0) if is_kernel else values
