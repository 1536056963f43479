"""Converts a VOC-format folder to TFRecords.

One set:  python tf_convert_data.py --dataset_dir=VOC2007/test
              --output_name=voc_2007_test --output_dir=tfrecords
VOC07+12: python tf_convert_data.py --dataset_name=pascalvoc_0712
              --dataset_dir=VOCROOT --output_dir=tfrecords
Own data: python tf_convert_data.py --dataset_dir=bccd --image_set=trainval
              --labels=RBC,WBC,Platelets --output_name=bccd_train
              --output_dir=tfrecords
"""
from absl import flags

from engine import cli

FLAGS = flags.FLAGS

flags.DEFINE_string(
    'dataset_name', 'pascalvoc',
    'pascalvoc: one folder; pascalvoc_0712: VOC2007, VOC2012 and VOC2007TEST '
    'below --dataset_dir, each to its own name.')
flags.DEFINE_string(
    'dataset_dir', None,
    'Folder with Annotations and JPEGImages (and ImageSets).')
flags.DEFINE_string(
    'output_name', 'pascalvoc',
    'First part of the names of the TFRecord files. <name>_<split> is found '
    'by --dataset_name=<name> --dataset_split_name=<split>, voc_2007_train '
    'by --dataset_name=pascalvoc_2007 --dataset_split_name=train.')
flags.DEFINE_string(
    'output_dir', './', 'Folder of the TFRecord files; made if missing.')
flags.DEFINE_string(
    'labels_file', None, 'Text file with the class names, one a line. '
    'Without it and --labels: the 20 classes of VOC.')
flags.DEFINE_string(
    'labels', None, 'The class names, e.g. --labels=RBC,WBC.')
flags.DEFINE_string(
    'image_set', None, 'Converts the images of this list in ImageSets/Main, '
    'e.g. trainval; all annotations if not given.')
flags.DEFINE_bool(
    'skip_invalid', False, 'Leaves out what cannot be converted (unknown '
    'class, missing or damaged file), counted and named; else it is an '
    'error, and nothing is written.')


def main():
    """Converts what the flags say."""
    cli.require('dataset_dir', 'output_name', 'output_dir')
    from engine.data import convert
    convert.convert(
        FLAGS.dataset_name, FLAGS.dataset_dir, FLAGS.output_name,
        FLAGS.output_dir, labels_file=FLAGS.labels_file, labels=FLAGS.labels,
        image_set=FLAGS.image_set, skip_invalid=FLAGS.skip_invalid)


if __name__ == '__main__':
    cli.run(main)
