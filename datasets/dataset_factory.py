"""Name of a data set and split -> slim Dataset of its records."""
import os

import tensorflow.compat.v1 as tf
import tf_slim as slim

from common import commands
from datasets import foreign_records
from datasets import label_map
from datasets import records
from datasets import tfrecords
from datasets.voc import pascalvoc


def get_dataset(
        name: str, split_name: str, dataset_dir: str) -> slim.dataset.Dataset:
    """Opens records that tf_convert_data.py, or another program, wrote.

    Args:
      name: pascalvoc_2007, pascalvoc_2012, pascalvoc_0712 (both), or any
        other: the files are then <name>_<split_name>_*.tfrecord or, if there
        are none, those that foreign_records finds.
      split_name: e.g. 'train'.
      dataset_dir: folder of the records.

    Returns:
      num_classes does not count the background, labels_to_names ({id: name})
      has it as 0. Also has `name`, `split_name`, `labels`, the class names
      in the order of their ids, `category_ids`, those of the COCO file that
      they are of or 1, 2, ..., `record_ids`, those of the labels in the
      records if they have gaps, and `notes`, sentences about what was found.

    Raises:
      ValueError: the records are missing, empty, not those of their
        manifest, or their classes are unknown or differ.
    """
    sets = _sets(name, split_name, dataset_dir)
    paths = [path for one in sets.values() for path in one.paths]
    num_samples = sum(one.num_records for one in sets.values())
    if num_samples == 0:
        raise ValueError(f'{name}, split {split_name!r}, in {dataset_dir} '
                         'is empty: its records hold no image.')
    labels = _same_labels(
        {key: one.labels for key, one in sets.items()}, dataset_dir)
    schemas = {(one.schema, one.record_ids) for one in sets.values()}
    if len(schemas) > 1:
        described = sorted({schema.description for schema, _ in schemas})
        raise ValueError(
            f'{dataset_dir}: of {" and ".join(sets)} some have '
            + (' and some '.join(described) if described[1:] else
               'other ids of classes') + '; convert again.')
    (schema, record_ids), = schemas
    return slim.dataset.Dataset(
        data_sources=paths, reader=tf.TFRecordReader,
        decoder=tfrecords.decoder(schema, record_ids), num_samples=num_samples,
        items_to_descriptions=tfrecords.ITEMS_TO_DESCRIPTIONS,
        num_classes=len(labels), labels_to_names=label_map.names_of(labels),
        labels=labels, category_ids=_category_ids(sets.values(), labels),
        record_ids=record_ids, name=name, split_name=split_name,
        notes=tuple(filter(None, (one.note for one in sets.values()))))


def has_split(name: str, split_name: str, dataset_dir: str) -> bool:
    """Whether there are records that get_dataset would open."""
    present = records.shards(dataset_dir)
    return all(record_name in present for record_name
               in pascalvoc.record_names(name, split_name)) or (
        foreign_records.find(dataset_dir, name, split_name) is not None)


def _sets(name, split_name, dataset_dir):
    """Returns {name of records: foreign_records.Set} of a split."""
    present = records.shards(dataset_dir)
    names, sets = pascalvoc.record_names(name, split_name), {}
    if not any(record_name in present for record_name in names):
        foreign = foreign_records.find(dataset_dir, name, split_name)
        if foreign is not None:
            names = ()
            sets[split_name] = foreign_records.read(dataset_dir, foreign)
    for record_name in names:
        if record_name not in present:
            raise ValueError(_missing(record_name, dataset_dir, present))
        sets[record_name] = _read_set(
            name, record_name, dataset_dir, present[record_name])
    return sets


def _read_set(name, record_name, dataset_dir, paths):
    """Returns the foreign_records.Set of some files."""
    manifest = records.read_manifest(dataset_dir, record_name, paths)
    if manifest is not None:
        return foreign_records.Set(
            paths, tfrecords.OWN, manifest['num_images'],
            tuple(manifest['classes']), '', tuple(
                manifest.get('category_ids', {}).get(label)
                for label in manifest['classes']))
    if name in pascalvoc.RECORD_PREFIXES and _is_own(paths[0]):
        return foreign_records.Set(
            paths, tfrecords.OWN, sum(map(records.count_records, paths)),
            pascalvoc.LABELS, '')
    return foreign_records.read(dataset_dir, paths)


def _is_own(path):
    """Whether the first record of a file, if any, has the original's keys."""
    for record in records.read_records(path):
        try:
            return tfrecords.schema_of(record) is tfrecords.OWN
        except ValueError as error:
            raise ValueError(f'{path}, record 0: {error}.') from error
    return True


def _same_labels(all_labels, dataset_dir):
    """Returns the labels that all parts share."""
    labels = next(iter(all_labels.values()))
    if any(other != labels for other in all_labels.values()):
        lists = '; '.join(f'{record_name} has {", ".join(other)}'
                          for record_name, other in all_labels.items())
        raise ValueError(f'{dataset_dir}: the classes of the parts differ: '
                         f'{lists}. Convert them with the same --labels.')
    return labels


def _category_ids(sets, labels):
    """Returns the ids of labels in COCO files: ints that all sets share."""
    found = {one.category_ids for one in sets}
    if len(found) == 1:
        ids = found.pop()
        if len(set(ids)) == len(labels) and all(
                isinstance(number, int) for number in ids):
            return ids
    return tuple(range(1, len(labels) + 1))


def _missing(record_name, dataset_dir, present):
    described = []
    for other in present:
        name, split_name = pascalvoc.dataset_of(other) or (None, None)
        described.append(
            f'{other} (no --dataset_name reads it; the form is <name>_<split>)'
            if name is None else
            commands.line(commands.flag('dataset_name', name),
                          dataset_split_name=split_name))
    described += foreign_records.patterns(dataset_dir)
    path = os.path.join(dataset_dir, f'{record_name}_*.tfrecord')
    return (f'No file {path}; in that folder there is: '
            f'{"; ".join(described) or "no .tfrecord file"}.')
