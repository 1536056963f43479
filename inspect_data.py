"""Shows what is in records before something is trained on them.

    python inspect_data.py --dataset_dir=tfrecords --dataset_name=bccd \
        --dataset_split_name=train --output_dir=logs

Prints classes and counts, the sizes of the boxes, and how many objects the
anchors of each network fit; writes a picture of images with their boxes and
names, in which mistakes of labelling are seen.
"""
from absl import flags

from engine import cli

FLAGS = flags.FLAGS

flags.DEFINE_string(
    'dataset_name', None, 'pascalvoc_2007, pascalvoc_2012, pascalvoc_0712 '
    '(both), or the name of your own records: <name>_<split>_*.tfrecord.')
flags.DEFINE_string('dataset_split_name', 'train', 'Split to look at.')
flags.DEFINE_string('dataset_dir', None, 'Folder of the TFRecords.')
flags.DEFINE_string(
    'output_dir', './', 'Folder of the picture; made if missing.')


def main():
    """Inspects what the flags say."""
    cli.require('dataset_name', 'dataset_dir', 'output_dir')
    from engine.data import inspect
    inspect.inspect(FLAGS.dataset_name, FLAGS.dataset_split_name,
                    FLAGS.dataset_dir, FLAGS.output_dir)


if __name__ == '__main__':
    cli.run(main)
