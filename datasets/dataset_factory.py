"""Name of a data set and split -> slim Dataset of its records."""
import os

import tensorflow.compat.v1 as tf
import tf_slim as slim

from datasets import label_map
from datasets import records
from datasets import tfrecords
from datasets.voc import pascalvoc


def get_dataset(
        name: str, split_name: str, dataset_dir: str) -> slim.dataset.Dataset:
    """Opens records that tf_convert_data.py, or the original's, wrote.

    Args:
      name: pascalvoc_2007, pascalvoc_2012, pascalvoc_0712 (both), or any
        other: the files are then <name>_<split_name>_*.tfrecord.
      split_name: e.g. 'train'.
      dataset_dir: folder of the records.

    Returns:
      num_classes does not count the background, labels_to_names ({id: name})
      has it as 0. Also has `name`, `split_name` and `labels`, the class names
      in the order of their ids.

    Raises:
      ValueError: the records are missing, empty, not those of their
        manifest, or their classes are unknown or differ.
    """
    present = records.shards(dataset_dir)
    paths, num_samples, all_labels = [], 0, {}
    for record_name in pascalvoc.record_names(name, split_name):
        if record_name not in present:
            raise ValueError(_missing(record_name, dataset_dir, present))
        shards = present[record_name]
        manifest = records.read_manifest(dataset_dir, record_name, shards)
        paths += shards
        if manifest is None:
            num_samples += sum(map(records.count_records, shards))
            all_labels[record_name] = _known_labels(
                name, record_name, dataset_dir)
        else:
            num_samples += manifest['num_images']
            all_labels[record_name] = tuple(manifest['classes'])
    if num_samples == 0:
        raise ValueError(f'{name}, split {split_name!r}, in {dataset_dir} '
                         'is empty: its records hold no image.')
    labels = _same_labels(all_labels, dataset_dir)
    return slim.dataset.Dataset(
        data_sources=paths, reader=tf.TFRecordReader,
        decoder=tfrecords.decoder(), num_samples=num_samples,
        items_to_descriptions=tfrecords.ITEMS_TO_DESCRIPTIONS,
        num_classes=len(labels), labels_to_names=label_map.names_of(labels),
        labels=labels, name=name, split_name=split_name)


def _known_labels(name, record_name, dataset_dir):
    if name in pascalvoc.RECORD_PREFIXES:
        return pascalvoc.LABELS
    path = records.manifest_path(dataset_dir, record_name)
    raise ValueError(
        f'{path} is missing: it tells the classes of these records. It is '
        'written by tf_convert_data.py; copy it too or convert again.')


def _same_labels(all_labels, dataset_dir):
    """Returns the labels that all parts share."""
    labels = next(iter(all_labels.values()))
    if any(other != labels for other in all_labels.values()):
        lists = '; '.join(f'{record_name} has {", ".join(other)}'
                          for record_name, other in all_labels.items())
        raise ValueError(f'{dataset_dir}: the classes of the parts differ: '
                         f'{lists}. Convert them with the same --labels.')
    return labels


def _missing(record_name, dataset_dir, present):
    described = []
    for other in present:
        name, split_name = pascalvoc.dataset_of(other) or (None, None)
        described.append(
            f'{other} (no --dataset_name reads it; the form is <name>_<split>)'
            if name is None else
            f'--dataset_name={name} --dataset_split_name={split_name}')
    path = os.path.join(dataset_dir, f'{record_name}_*.tfrecord')
    return (f'No file {path}; in that folder there is: '
            f'{"; ".join(described) or "no .tfrecord file"}.')
