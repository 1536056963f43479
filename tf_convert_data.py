"""Converts a VOC-format folder to TFRecords.

One set:  python tf_convert_data.py --dataset_dir=VOC2007/test
              --output_name=voc_2007_test --output_dir=tfrecords
VOC07+12: python tf_convert_data.py --dataset_name=pascalvoc_0712
              --dataset_dir=VOCROOT --output_dir=tfrecords
Own data: python tf_convert_data.py --dataset_dir=bccd --image_set=trainval
              --labels=RBC,WBC,Platelets --output_name=bccd_train
              --output_dir=tfrecords
"""
from typing import Annotated
from typing import NamedTuple

from engine import cli


class Options(NamedTuple):
    """What is converted, from where to where."""
    dataset_name: Annotated[
        str, 'pascalvoc: one folder; pascalvoc_0712: VOC2007, VOC2012 and '
        'VOC2007TEST below --dataset_dir, each to its own name.'] = 'pascalvoc'
    dataset_dir: Annotated[
        str | None, 'Folder with Annotations and JPEGImages (and ImageSets).'
        ] = None
    output_name: Annotated[
        str, 'First part of the names of the TFRecord files. <name>_<split> is '
        'found by --dataset_name=<name> --dataset_split_name=<split>, '
        'voc_2007_train by --dataset_name=pascalvoc_2007 '
        '--dataset_split_name=train.'] = 'pascalvoc'
    output_dir: Annotated[
        str, 'Folder of the TFRecord files; made if missing.'] = './'
    labels_file: Annotated[
        str | None, 'Text file with the class names, one a line. Without it '
        'and --labels: the 20 classes of VOC.'] = None
    labels: Annotated[
        str | None, 'The class names, e.g. --labels=RBC,WBC.'] = None
    image_set: Annotated[
        str | None, 'Converts the images of this list in ImageSets/Main, e.g. '
        'trainval; all annotations if not given.'] = None
    skip_invalid: Annotated[
        bool, 'Leaves out what cannot be converted (unknown class, missing or '
        'damaged file), counted and named; else it is an error, and nothing is '
        'written.'] = False


GROUPS = (Options,)


def main(options):
    """Hands the flags over."""
    cli.require(dataset_dir=options.dataset_dir, output_dir=options.output_dir,
                output_name=options.output_name)
    from engine.data import convert
    convert.convert(**options._asdict())


if __name__ == '__main__':
    cli.run(main, *GROUPS)
