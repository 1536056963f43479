"""How many images a step takes, and how they are shared out.

The loss of a split batch is that of the whole: every clone divides by the
matched anchors of the global batch, so the clones' losses and gradients add
up to those of one big clone.
`options` holds the flags of train_ssd_network.py as attributes.
"""
import tensorflow.compat.v1 as tf


def images_per_step(options):
    """Returns the images of one step of this process."""
    return (options.batch_size * options.num_clones
            * options.accumulate_steps)


def global_batch_size(options):
    """Returns the images between two values of global_step.

    Workers that add their gradients up make one step of it together; others
    make a step each.
    """
    if options.sync_replicas:
        return images_per_step(options) * replicas_to_aggregate(options)
    return images_per_step(options)


def num_workers(options):
    """Returns the number of workers, of all machines."""
    return len(options.worker_hosts or ()) or options.worker_replicas


def replicas_to_aggregate(options):
    """Returns how many workers' gradients make a step; default: all's."""
    return options.replicas_to_aggregate or num_workers(options)


def clone_devices(num_clones, clone_on_cpu=False):
    """Returns the device of each clone: one GPU each, or a virtual CPU."""
    if num_clones < 1:
        raise ValueError(f'--num_clones={num_clones}: at least 1 is needed.')
    kind = 'CPU' if clone_on_cpu else 'GPU'
    return [f'/device:{kind}:{index}' for index in range(num_clones)]


def split(structure, num_parts):
    """Splits the batch axis of a structure of tensors: a list of structures.

    Args:
      structure: tensors [num_parts * n, ...].
      num_parts: number of equal parts.
    """
    flat = tf.nest.flatten(structure)
    parts = [tf.split(tensor, num_parts) for tensor in flat]
    return [tf.nest.pack_sequence_as(structure, part)
            for part in zip(*parts, strict=True)]
