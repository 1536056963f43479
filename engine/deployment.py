"""Splits a batch over the devices of a machine.

The loss of a split batch is that of the whole: every clone divides by the
matched anchors of the global batch, so the clones' losses and gradients add
up to those of one big clone.
"""
import tensorflow.compat.v1 as tf


def clone_devices(num_clones, clone_on_cpu=False):
    """Returns the device of each clone: one GPU each, or the CPU."""
    if num_clones < 1:
        raise ValueError(f'--num_clones={num_clones}: at least 1 is needed.')
    if clone_on_cpu:
        return ['/device:CPU:0'] * num_clones
    return [f'/device:GPU:{index}' for index in range(num_clones)]


def split(structure, num_clones):
    """Splits the batch axis of a structure of tensors: a list of structures.

    Args:
      structure: tensors [num_clones * n, ...].
      num_clones: number of equal parts.
    """
    flat = tf.nest.flatten(structure)
    parts = [tf.split(tensor, num_clones) for tensor in flat]
    return [tf.nest.pack_sequence_as(structure, part)
            for part in zip(*parts, strict=True)]
