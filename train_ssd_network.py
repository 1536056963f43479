"""Trains an SSD network on TFRecords.

    python train_ssd_network.py --train_dir=./logs --dataset_dir=./tfrecords \
        --dataset_name=pascalvoc_0712 --dataset_split_name=train \
        --checkpoint_path=./checkpoints/vgg_16.ckpt

Run it again with the same --train_dir to go on where it stopped.
"""
from absl import flags

from engine import cli
from engine.training import options

GROUPS = (options.Data, options.Model, options.Loss, options.Optimizer,
          options.Run)
cli.define(*GROUPS)
flags.DEFINE_integer('labels_offset', 0, 'Accepted and ignored, as ever.')
flags.DEFINE_integer('train_image_size', None, 'Accepted and ignored: the '
                     'network says it.')


def main():
    """Hands the flags over."""
    cli.require('dataset_name', 'dataset_dir')
    from engine.training import train
    train.run(*cli.values(*GROUPS))


if __name__ == '__main__':
    cli.run(main)
