"""Converts annotated images (VOC, COCO, YOLO, CSV) to TFRecords.

One set:  python tf_convert_data.py --dataset_dir=VOC2007/test
              --output_name=voc_2007_test --output_dir=tfrecords
VOC07+12: python tf_convert_data.py --dataset_name=pascalvoc_0712
              --dataset_dir=VOCROOT --output_dir=tfrecords
Own data: python tf_convert_data.py --dataset_dir=bccd --split=0.8,0.2
              --output_name=bccd --output_dir=tfrecords
"""
from absl import flags

from engine import cli

FLAGS = flags.FLAGS

flags.DEFINE_string(
    'dataset_name', 'pascalvoc',
    'pascalvoc: what is in --dataset_dir, of any format. pascalvoc_0712: '
    'VOC2007, VOC2012 and VOC2007TEST below it, each to its own name. '
    'coco_2017: train2017 and val2017 likewise.')
flags.DEFINE_string(
    'dataset_dir', None,
    'Folder with annotations and images, e.g. Annotations and JPEGImages.')
flags.DEFINE_string(
    'format', None, 'voc, coco, yolo or csv; by what is there if not given.')
flags.DEFINE_string(
    'images_dir', None, 'Folder of the images, if not found in --dataset_dir.')
flags.DEFINE_string(
    'annotations_dir', None, 'Folder of the annotations, likewise.')
flags.DEFINE_string(
    'output_name', 'pascalvoc',
    'First part of the names of the TFRecord files. <name>_<split> is found '
    'by --dataset_name=<name> --dataset_split_name=<split>, voc_2007_train '
    'by --dataset_name=pascalvoc_2007 --dataset_split_name=train.')
flags.DEFINE_string(
    'output_dir', './', 'Folder of the TFRecord files; made if missing.')
flags.DEFINE_string(
    'labels_file', None, 'File with the class names, e.g. one a line. Without '
    'it and --labels: the list that the data has or, if there is none, the 20 '
    'classes of VOC; if none of them is in the data, the classes in it.')
flags.DEFINE_string(
    'labels', None, 'The class names, e.g. --labels=RBC,WBC.')
flags.DEFINE_string(
    'image_set', None, 'Converts the images of this list in ImageSets/Main, '
    'e.g. trainval; all annotations if not given.')
flags.DEFINE_string(
    'split', None, 'Shares of <output_name>_train and _test, e.g. 0.8,0.2, or '
    'of _train, _val and _test. The part of an image follows from its name '
    'and stays the same when others are added.')
flags.DEFINE_bool(
    'allow_repairs', False, 'Converts data of which a large part of the '
    'objects would be clipped, dropped or tiny; else that is an error, as it '
    'shows that the data is misread.')
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
        layout=convert.Layout(
            FLAGS.format, FLAGS.images_dir, FLAGS.annotations_dir,
            FLAGS.image_set, FLAGS.split),
        skip_invalid=FLAGS.skip_invalid, allow_repairs=FLAGS.allow_repairs)


if __name__ == '__main__':
    cli.run(main)
