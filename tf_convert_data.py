"""Converts annotated images (VOC, COCO, YOLO, CSV) to TFRecords.

One set:  python tf_convert_data.py --dataset_dir=VOC2007/test
              --output_name=voc_2007_test --output_dir=tfrecords
VOC07+12: python tf_convert_data.py --dataset_name=pascalvoc_0712
              --dataset_dir=VOCROOT --output_dir=tfrecords
Own data: python tf_convert_data.py --dataset_dir=bccd --split=0.8,0.2
              --output_name=bccd --output_dir=tfrecords
"""
from typing import Annotated
from typing import NamedTuple

from engine import cli


class Options(NamedTuple):
    """What is converted, from where to where."""
    dataset_name: Annotated[
        str, 'pascalvoc: what is in --dataset_dir, of any format. '
        'pascalvoc_0712: VOC2007, VOC2012 and VOC2007TEST below it, each to '
        'its own name. coco_2017: train2017 and val2017 likewise.'
        ] = 'pascalvoc'
    dataset_dir: Annotated[
        str | None, 'Folder with annotations and images, e.g. Annotations and '
        'JPEGImages.'] = None
    output_name: Annotated[
        str, 'First part of the names of the TFRecord files. <name>_<split> is '
        'found by --dataset_name=<name> --dataset_split_name=<split>, '
        'voc_2007_train by --dataset_name=pascalvoc_2007 '
        '--dataset_split_name=train.'] = 'pascalvoc'
    output_dir: Annotated[
        str, 'Folder of the TFRecord files; made if missing.'] = './'
    labels_file: Annotated[
        str | None, 'File with the class names, e.g. one a line. Without it '
        'and --labels: the list that the data has or, if there is none, the 20 '
        'classes of VOC; if none of them is in the data, the classes in it.'
        ] = None
    labels: Annotated[
        str | None, 'The class names, e.g. --labels=RBC,WBC.'] = None
    format: Annotated[
        str | None, 'voc, coco, yolo or csv; by what is there if not given.'
        ] = None
    images_dir: Annotated[
        str | None, 'Folder of the images, if not found in --dataset_dir.'
        ] = None
    annotations_dir: Annotated[
        str | None, 'Folder of the annotations, likewise.'] = None
    image_set: Annotated[
        str | None, 'Converts the images of this list in ImageSets/Main, e.g. '
        'trainval; all annotations if not given.'] = None
    split: Annotated[
        str | None, 'Shares of <output_name>_train and _test, e.g. 0.8,0.2, or '
        'of _train, _val and _test. The part of an image follows from its name '
        'and stays the same when others are added.'] = None
    skip_invalid: Annotated[
        bool, 'Leaves out what cannot be converted (unknown class, missing or '
        'damaged file), counted and named; else it is an error, and nothing is '
        'written.'] = False
    allow_repairs: Annotated[
        bool, 'Converts data of which a large part of the objects would be '
        'clipped, dropped or tiny; else that is an error, as it shows that the '
        'data is misread.'] = False


GROUPS = (Options,)


def main(options):
    """Hands the flags over."""
    cli.require(dataset_dir=options.dataset_dir, output_dir=options.output_dir,
                output_name=options.output_name)
    from engine.data import convert
    values = options._asdict()
    layout = convert.Layout(**{
        name: values.pop(name) for name in convert.Layout._fields})
    convert.convert(layout=layout, **values)


if __name__ == '__main__':
    cli.run(main, *GROUPS)
