"""Scores an SSD checkpoint by the rules of Pascal VOC and COCO.

    python eval_ssd_network.py --eval_dir=./logs/eval \
        --dataset_dir=./tfrecords --dataset_name=pascalvoc_2007 \
        --dataset_split_name=test --checkpoint_path=./logs

With --wait_for_checkpoints it runs beside a training and scores each
checkpoint as it comes; with --compare=OTHER_EVAL_DIR it says what changed
since another evaluation.
"""
import os
from typing import Annotated
from typing import NamedTuple

from engine import cli
from engine.evaluation import options


class Ignored(NamedTuple):
    """A flag of the original that says nothing here."""
    eval_image_size: Annotated[
        int | None, 'Accepted and ignored: the network says it.'] = None


GROUPS = (options.Data, options.Model, options.Detection, options.Run, Ignored)


def main(data, *groups):
    """Hands the flags over."""
    cli.require(dataset_name=data.dataset_name, dataset_dir=data.dataset_dir)
    # Set before TensorFlow is imported; by itself it does so on some CPUs.
    os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
    from engine.evaluation import evaluate
    evaluate.run(data, *groups[:-1])


if __name__ == '__main__':
    cli.run(main, *GROUPS)
