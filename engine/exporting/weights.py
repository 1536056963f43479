"""Copies a checkpoint without the optimiser's state: a third of its size.

python -m engine.exporting.weights logs checkpoints/mine.ckpt
"""
import argparse

from common import commands
from common import files
from engine import checkpoints
from engine import models
from engine import runtime


def export(checkpoint_path: str, output_path: str, averages: bool = False):
    """Writes a network's variables, its step and its metadata.

    Args:
      checkpoint_path: as in checkpoints.paths.find.
      output_path: prefix of the checkpoint to write.
      averages: whether the variables get the values of their moving averages.

    Raises:
      ValueError: the checkpoint is not there, or has no metadata or averages.
    """
    prefix = checkpoints.paths.find(checkpoint_path)
    output_path = files.user_path(output_path)
    metadata = checkpoints.metadata.read(prefix)
    if metadata is None:
        raise ValueError(
            f'{prefix}: has no {checkpoints.metadata.NAME}; it is not of a '
            'training of this project.')
    has_averages = checkpoints.restore.has_averages(prefix)
    if averages and not has_averages:
        raise ValueError(
            f'{prefix}: has no moving averages; leave --averages out.')
    if has_averages and not averages:
        print(f'{prefix}: its moving averages are left out; --averages '
              'exports them in place of the weights.')
    models.save_weights(prefix, output_path, averages)


def main():
    """Exports what the command line says."""
    parser = argparse.ArgumentParser(
        description='Copies a checkpoint without the state of training.')
    parser.add_argument('checkpoint_path')
    parser.add_argument('output_path')
    parser.add_argument(
        '--averages', action='store_true',
        help='export the moving averages in place of the weights')
    values = parser.parse_args()
    runtime.prepare()
    try:
        export(**vars(values))
    except (ValueError, OSError) as error:
        parser.exit(1, f'{parser.prog}: {error}\n')
    path = files.user_path(values.output_path)
    print(f'The weights are in {path}; next: ' + commands.line(
        'python detect_ssd_network.py', checkpoint_path=path, input='IMAGE'))


if __name__ == '__main__':
    main()
