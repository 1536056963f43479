"""Trains an SSD network on TFRecords.

    python train_ssd_network.py --train_dir=./logs --dataset_dir=./tfrecords \
        --dataset_name=pascalvoc_0712 --dataset_split_name=train \
        --checkpoint_path=./checkpoints/vgg_16.ckpt

Run it again with the same --train_dir to go on where it stopped.
"""
from typing import Annotated
from typing import NamedTuple

from engine import cli
from engine.training import options


class Ignored(NamedTuple):
    """Flags of the original that say nothing here."""
    labels_offset: Annotated[int, 'Accepted and ignored, as ever.'] = 0
    train_image_size: Annotated[
        int | None, 'Accepted and ignored: the network says it.'] = None


GROUPS = (options.Data, options.Model, options.Loss, options.Optimizer,
          options.Run, Ignored)


def main(data, *groups):
    """Hands the flags over."""
    cli.require(dataset_name=data.dataset_name, dataset_dir=data.dataset_dir)
    from engine.training import train
    train.run(data, *groups[:-1])


if __name__ == '__main__':
    cli.run(main, *GROUPS)
