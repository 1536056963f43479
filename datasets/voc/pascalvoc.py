"""What pascalvoc_2007, pascalvoc_2012 and pascalvoc_0712 are, as data."""
import collections

from datasets import label_map

LABELS = label_map.VOC_LABELS

# Data set -> first part of its records' names; the split is the last part.
RECORD_PREFIXES = {
    'pascalvoc_2007': ('voc_2007',),
    'pascalvoc_2012': ('voc_2012',),
    'pascalvoc_0712': ('voc_2007', 'voc_2012'),
}

# folders: where to look, the first that has the image set is taken.
Source = collections.namedtuple('Source', ['output_name', 'image_set',
                                           'folders'])

# VOC2007 and VOC2007TEST as Caffe's users unpack them, VOC2007/trainval and
# VOC2007/test as the original does, VOCdevkit/VOC2007 as the archives are.
SOURCES_0712 = (
    Source('voc_2007_train', 'trainval', (
        'VOC2007', 'VOC2007/trainval', 'VOCdevkit/VOC2007')),
    Source('voc_2012_train', 'trainval', (
        'VOC2012', 'VOC2012/trainval', 'VOCdevkit/VOC2012')),
    Source('voc_2007_test', 'test', (
        'VOC2007TEST', 'VOC2007/test', 'VOC2007', 'VOCdevkit/VOC2007')),
)


def record_names(name, split_name):
    """Returns the names of the records that make up a split, as a tuple."""
    return tuple(f'{prefix}_{split_name}'
                 for prefix in RECORD_PREFIXES.get(name, (name,)))


def dataset_of(record_name):
    """Returns name and split_name of the data set that reads these records.

    Returns:
      Two str, or None if the name has no split: <name>_<split>.
    """
    prefix, _, split_name = record_name.rpartition('_')
    if not prefix or not split_name:
        return None
    for name, prefixes in RECORD_PREFIXES.items():
        if prefixes == (prefix,):
            return name, split_name
    return prefix, split_name
