"""What pascalvoc_2007, pascalvoc_2012 and pascalvoc_0712 are, as data."""
from datasets import label_map

LABELS = label_map.VOC_LABELS

# Data set -> first part of its records' names; the split is the last part.
RECORD_PREFIXES = {
    'pascalvoc_2007': ('voc_2007',),
    'pascalvoc_2012': ('voc_2012',),
    'pascalvoc_0712': ('voc_2007', 'voc_2012'),
}

# Name of the records, list of images, and folders where to look: the first
# that has the list is taken. VOC2007 and VOC2007TEST as Caffe's users unpack
# them, VOC2007/trainval and VOC2007/test as the original does,
# VOCdevkit/VOC2007 as the archives are.
SOURCES_0712 = (
    ('voc_2007_train', 'trainval', (
        'VOC2007', 'VOC2007/trainval', 'VOCdevkit/VOC2007')),
    ('voc_2012_train', 'trainval', (
        'VOC2012', 'VOC2012/trainval', 'VOCdevkit/VOC2012')),
    ('voc_2007_test', 'test', (
        'VOC2007TEST', 'VOC2007/test', 'VOC2007', 'VOCdevkit/VOC2007')),
)


def record_names(name: str, split_name: str) -> tuple[str, ...]:
    """Returns the names of the records that make up a split."""
    return tuple(f'{prefix}_{split_name}'
                 for prefix in RECORD_PREFIXES.get(name, (name,)))


def dataset_of(record_name: str) -> tuple[str, str] | None:
    """Returns name and split_name of the data set that reads these records.

    None if there is none: the name is not <name>_<split>, or the data set of
    that name reads other records.
    """
    prefix, _, split_name = record_name.rpartition('_')
    for name in (*RECORD_PREFIXES, prefix):
        if name and split_name and record_names(name, split_name) == (
                record_name,):
            return name, split_name
    return None
