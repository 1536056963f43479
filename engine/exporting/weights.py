"""Copies a checkpoint without the optimiser's state: a third of its size.

python -m engine.exporting.weights logs checkpoints/mine.ckpt
"""
import argparse

import tensorflow.compat.v1 as tf
import tf_slim as slim

from engine import checkpoints
from engine import models
from engine import runtime


def export(checkpoint_path, output_path):
    """Writes a network's variables, its step and its metadata.

    Args:
      checkpoint_path: as in checkpoints.find.
      output_path: prefix of the checkpoint to write.

    Raises:
      ValueError: if the checkpoint is not there or has no metadata.
    """
    prefix = checkpoints.paths.find(checkpoint_path)
    metadata = checkpoints.metadata.read(prefix)
    if metadata is None:
        raise ValueError(
            f'{prefix}: has no {checkpoints.metadata.NAME}; it is not of a '
            'training of this project.')
    network = models.make_network(None, metadata['classes'], metadata)
    with tf.Graph().as_default(), tf.Session() as session:
        network.net(tf.placeholder(
            tf.float32, [None, *network.params.img_shape, 3]),
            is_training=False)
        kept = checkpoints.reader.Saver([
            *slim.get_model_variables(),
            tf.train.get_or_create_global_step(),
            checkpoints.metadata.variable(metadata)])
        kept.restore(session, prefix)
        kept.save(session, output_path, write_meta_graph=False,
                  write_state=False)


def main():
    """Exports what the command line says."""
    parser = argparse.ArgumentParser(
        description='Copies a checkpoint without the state of training.')
    parser.add_argument('checkpoint_path')
    parser.add_argument('output_path')
    values = parser.parse_args()
    runtime.prepare()
    try:
        export(values.checkpoint_path, values.output_path)
    except (ValueError, OSError) as error:
        parser.exit(1, f'{parser.prog}: {error}\n')
    print(f'The weights are in {values.output_path}; next: python '
          f'detect_ssd_network.py --checkpoint_path={values.output_path} '
          '--input=IMAGE')


if __name__ == '__main__':
    main()
