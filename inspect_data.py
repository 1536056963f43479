"""Shows what is in records before something is trained on them.

    python inspect_data.py --dataset_dir=tfrecords --dataset_name=bccd \
        --dataset_split_name=train --output_dir=logs

Prints classes and counts, the sizes of the boxes, and how many objects the
anchors of each network fit; writes a picture of images with their boxes and
names, in which mistakes of labelling are seen.
"""
from typing import Annotated
from typing import NamedTuple

from engine import cli


class Options(NamedTuple):
    """Which records, and where the picture goes."""
    dataset_name: Annotated[
        str | None, 'pascalvoc_2007, pascalvoc_2012, pascalvoc_0712 (both), '
        'or the name of your own records: <name>_<split>_*.tfrecord.'] = None
    dataset_split_name: Annotated[str, 'Split to look at.'] = 'train'
    dataset_dir: Annotated[str | None, 'Folder of the TFRecords.'] = None
    output_dir: Annotated[str, 'Folder of the picture; made if missing.'] = './'
    suggest_anchors: Annotated[
        bool, 'Find anchors that fit the boxes better than the defaults, and '
        'write them to a file for --anchors of the training.'] = False
    model_name: Annotated[
        str | None, 'Network to describe, and to suggest anchors for; default '
        'for these: the one that is advised.'] = None


GROUPS = (Options,)


def main(options):
    """Hands the flags over."""
    cli.require(dataset_name=options.dataset_name,
                dataset_dir=options.dataset_dir, output_dir=options.output_dir)
    from engine.data import inspect
    inspect.inspect(*options)


if __name__ == '__main__':
    cli.run(main, *GROUPS)
