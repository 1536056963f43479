"""Records without a manifest: those that other programs wrote.

Of the TF Object Detection API (train.record, train-00000-of-00010,
x_train.record-00000-of-00100, with label_map.pbtxt beside), of
HiKapok/SSD.TensorFlow (train-00000-of-00016) and of the original.
"""
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from datasets import label_files
from datasets import label_map
from datasets import records
from datasets import text_files
from datasets import tfrecords

_ENDING = r'(\.(?:tf)?records?)?'
_FILE = re.compile(f'(.+?){_ENDING}(?:-([0-9]+)-of-([0-9]+)){_ENDING}|'
                   r'(.+)(\.(?:tf)?records?)')


class Set(NamedTuple):
    """What is known of records, once all of them have been read."""
    paths: list[str]
    schema: tfrecords.Schema
    num_records: int
    labels: tuple[str, ...]
    note: str  # A sentence that tells what was found.
    category_ids: tuple[int, ...] = ()  # COCO's, of the labels, if known.
    # Those of the labels in the records, ascending; empty: 1, 2, ...
    record_ids: tuple[int, ...] = ()


def patterns(folder: str) -> dict[str, tuple[str, list[str]]]:
    """Returns the files of records that are not called as the project's.

    {what they are called, with * for their numbers: (first part of their
    name, sorted paths)}.
    """
    found = {}
    for file_name in sorted(os.listdir(folder)):
        match = _FILE.fullmatch(file_name)
        if match is None or records.SHARD.fullmatch(file_name):
            continue
        name, ending, number, total, last, whole, _ = match.groups(default='')
        if name.endswith('.data'):  # Of a checkpoint.
            continue
        pattern = (f'{name}{ending}-*-of-{total}{last}' if number
                   else file_name)
        found.setdefault(pattern, (name or whole, []))[1].append(
            os.path.join(folder, file_name))
    return found


def find(folder: str, name: str, split_name: str) -> list[str] | None:
    """Returns the paths of the records that a name and split mean, or None.

    Those called <name>_<split>, else the only ones called <split> or
    <any>_<split>, else the only ones in a folder called <split>. In place of
    _ there may be - or a point.

    Raises:
      ValueError: there are several, or some of their files are missing.
    """
    present = patterns(folder)

    def called(regex):
        return [pattern for pattern, (first, _) in present.items()
                if re.fullmatch(regex, first)]

    split = re.escape(split_name)
    chosen = (called(f'{re.escape(name)}[-_.]{split}')
              or called(f'(.+[-_.])?{split}'))
    if not chosen and os.path.basename(os.path.abspath(folder)) == split_name:
        chosen = list(present)
    if not chosen:
        return None
    if len(chosen) > 1:
        raise ValueError(
            f'{folder} has several records of {split_name!r}: '
            f'{", ".join(chosen)}; --dataset_name is what stands before '
            f'_{split_name} in the name of one of them.')
    pattern, (_, paths) = chosen[0], present[chosen[0]]
    total = re.search(r'-\*-of-([0-9]+)', pattern)
    if total is not None and len(paths) != int(total[1]):
        raise ValueError(f'{os.path.join(folder, pattern)}: of {int(total[1])} '
                         f'files {len(paths)} are there; copy all of them.')
    return paths


def read(folder: str, paths: Sequence[str]) -> Set:
    """Reads all records of a set, to learn their number and classes.

    Classes are those of label_map.pbtxt, or of the only other .pbtxt; else
    the names beside the objects' ids: VOC's, if they agree with those. Ids
    may have gaps, as COCO's; labels have none.

    Raises:
      ValueError: classes have no names, or several; or the records cannot be
        read.
    """
    map_path = _map_path(folder, paths)
    known = {} if map_path is None else _of_map(map_path)
    schema, number = None, 0
    for path in paths:
        for index, record in enumerate(records.read_records(path)):
            place = f'{path}, record {index}'
            try:
                schema = schema or tfrecords.schema_of(record)
                sample = tfrecords.decode_example(record)
                if schema != tfrecords.schema_of(record):
                    raise ValueError(f'it is not of {schema.description}, as '
                                     'the first is')
                _learn(known, sample, place, map_path is not None)
            except ValueError as error:
                raise ValueError(f'{place}: {error}.') from error
            number += 1
    schema = schema or tfrecords.OWN
    ids = tuple(sorted(known))
    labels = tuple(known[label].name for label in ids)
    origin = map_path or 'the names beside the objects'
    if map_path is None:
        voc = dict(enumerate(label_map.VOC_LABELS, 1))
        if all(voc.get(label) == known[label].name for label in ids):
            ids, labels, origin = tuple(voc), label_map.VOC_LABELS, "VOC's"
        else:
            labels = label_map.check(labels, f'{paths[0]}: its classes')
    has_gaps = ids != tuple(range(1, len(ids) + 1))
    told = f'; their ids from {ids[0]} to {ids[-1]} have gaps' * has_gaps
    return Set(list(paths), schema, number, labels, (
        f'{paths[0]}{" and others" if len(paths) > 1 else ""}: {number} '
        f'records with {schema.description}; classes ({origin}): '
        f'{", ".join(labels)}{told}'), *[ids if has_gaps else ()] * 2)


def _map_path(folder, paths):
    """Returns the path of the label_map.pbtxt of records, or None."""
    names = sorted(name for name in os.listdir(folder)
                   if name.lower().endswith('.pbtxt'))
    # As Roboflow calls it.
    first = re.split(r'[-.]', os.path.basename(paths[0]))[0]
    own = [name for name in names if name.startswith(first)]
    usual = [name for name in names if name.lower() == 'label_map.pbtxt']
    chosen = own if len(own) == 1 else usual or names
    if len(chosen) > 1:
        raise ValueError(f'{folder} has several maps of labels: '
                         f'{", ".join(names)}; call the right one '
                         'label_map.pbtxt.')
    return os.path.join(folder, chosen[0]) if chosen else None


class _Class(NamedTuple):
    """What an id of objects is called, and where that was found."""
    name: str
    origin: str


def _of_map(path):
    """Returns {id: _Class} of a label_map.pbtxt."""
    try:
        names = label_files.names_of_items(text_files.read_text(path))
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    labels = label_map.check(tuple(names.values()), path)
    return {label: _Class(name, path)
            for label, name in zip(names, labels, strict=True)}


def _learn(known, sample, place, is_complete):
    """Adds a Sample's classes to {id: _Class}."""
    names = sample.names or [''] * len(sample.labels)
    for label, name in zip(sample.labels.tolist(), names, strict=True):
        if is_complete and label not in known:
            raise ValueError(f'an object is of class {label}, which is not in '
                             'label_map.pbtxt')
        if label not in known and not name:
            raise ValueError(
                f'an object is of class {label}, whose name is nowhere; put '
                'the label_map.pbtxt of these records beside them')
        first = known.setdefault(label, _Class(name, place))
        if name and not text_files.same(name, first.name):
            raise ValueError(
                f'class {label} is {text_files.shown(name)}, in '
                f'{first.origin} it is {text_files.shown(first.name)}')
