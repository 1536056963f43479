"""Scores an SSD checkpoint by the Pascal VOC rule.

    python eval_ssd_network.py --eval_dir=./logs/eval \
        --dataset_dir=./tfrecords --dataset_name=pascalvoc_2007 \
        --dataset_split_name=test --checkpoint_path=./logs

With --wait_for_checkpoints it runs beside a training and scores each
checkpoint as it comes.
"""
import os

from absl import flags

from engine import cli
from engine.evaluation import options

GROUPS = (options.Data, options.Model, options.Detection, options.Run)
cli.define(*GROUPS)
flags.DEFINE_integer(
    'eval_image_size', None, 'Accepted and ignored: the network says it.')


def main():
    """Hands the flags over."""
    cli.require('dataset_name', 'dataset_dir')
    # Set before TensorFlow is imported; by itself it does so on some CPUs.
    os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
    from engine.evaluation import evaluate
    evaluate.run(*cli.values(*GROUPS))


if __name__ == '__main__':
    cli.run(main)
