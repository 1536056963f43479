"""The files of a set of records: <name>_000.tfrecord, ..., <name>.json.

The json, the manifest, is written by tf_convert_data.py: number of images
and objects, classes, counts per class, the files with their sizes, what was
repaired or skipped.
"""
import itertools
import json
import os
import re
import struct
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import cv2
import numpy as np

from datasets import label_map
from datasets import other_images
from datasets import tfrecords

FORMAT_VERSION = 1
SHARD = re.compile(r'(.+)_([0-9]+)\.tfrecord')

# The length, its checksum, the record, its checksum.
_LENGTH = struct.Struct('<Q')
_HEADER_BYTES, _FOOTER_BYTES = 12, 4
_GZIP = b'\x1f\x8b'


def shard_name(name: str, index: int) -> str:
    """Returns the file name of a shard, as the original numbers them."""
    return f'{name}_{index:03d}.tfrecord'


def manifest_path(folder: str, name: str) -> str:
    """Returns the path of the manifest of the records called `name`."""
    return os.path.join(folder, f'{name}.json')


def shards(folder: str) -> dict[str, list[str]]:
    """Returns {name: [paths in the order of their numbers]} of a folder.

    Raises:
      ValueError: there is no such folder.
    """
    if not os.path.isdir(folder):
        raise ValueError(f'{folder} is not a folder; --dataset_dir is where '
                         'tf_convert_data.py wrote the records.')
    found = {}
    for file_name in os.listdir(folder):
        match = SHARD.fullmatch(file_name)
        if match is not None:
            found.setdefault(match[1], []).append((int(match[2]), file_name))
    return {name: [os.path.join(folder, file_name)
                   for _, file_name in sorted(numbered)]
            for name, numbered in sorted(found.items())}


def read_manifest(
        folder: str, name: str, paths: Sequence[str]) -> dict | None:
    """Reads the manifest of records and checks it against their shards.

    Returns:
      None if there is no manifest: the original's records have none.

    Raises:
      ValueError: it is not a manifest, or not that of these files.
    """
    path = manifest_path(folder, name)
    if not os.path.exists(path):
        return None
    try:
        with open(path, encoding='utf-8') as file:
            manifest = json.load(file)
        version = manifest['format_version']
        if version == FORMAT_VERSION:
            files, num_images = manifest['files'], manifest['num_images']
            described = {file['name']: file['bytes'] for file in files}
            label_map.check(manifest['classes'], 'classes')
            if num_images != sum(file['num_records'] for file in files):
                raise ValueError(f'num_images is {num_images!r}')
    except (AttributeError, KeyError, RecursionError, TypeError,
            ValueError) as error:
        raise ValueError(
            f'{path} is not a manifest of records ({type(error).__name__}: '
            f'{error}); convert again.') from error
    if version != FORMAT_VERSION:
        raise ValueError(f'{path} has format_version {version!r}, this '
                         f'program reads {FORMAT_VERSION}; convert again.')
    present = {os.path.basename(path): os.path.getsize(path)
               for path in paths}
    differing = sorted(str(name) for name in {*described, *present}
                       if described.get(name) != present.get(name))
    if differing:
        raise ValueError(
            f'{path} does not describe the records beside it: '
            f'{", ".join(differing)} missing, too many or of another size; '
            'copy the folder again or convert again.')
    return manifest


def count_records(path: str) -> int:
    """Returns the number of records of a file, read from their lengths.

    Raises:
      ValueError: the file is not a whole TFRecord file.
    """
    return sum(1 for _ in _records(path))


def read_records(path: str) -> Iterator[bytes]:
    """Yields the records of a file; checksums are not looked at.

    Raises:
      ValueError: the file is not a whole TFRecord file.
    """
    for file, length in _records(path):
        yield file.read(length)


def _records(path):
    """Yields the open file at each of its records, and the record's length."""
    size, position = os.path.getsize(path), 0
    with open(path, 'rb') as file:
        for index in itertools.count():
            file.seek(position)
            header = file.read(_HEADER_BYTES)
            if not header:
                return
            position += _HEADER_BYTES + _FOOTER_BYTES
            if len(header) == _HEADER_BYTES:
                length, = _LENGTH.unpack_from(header)
                position += length
            if position > size and index == 0 and header.startswith(_GZIP):
                raise ValueError(f'{path} is compressed by GZIP; unpack it, '
                                 f'as by gzip -d.')
            if position > size:
                raise ValueError(f'{path} is not a whole TFRecord file: record '
                                 f'{index} is cut short or damaged.')
            yield file, length


def image_name(filename: str, index: int) -> str:
    """Returns a file's stem or, if `filename` is '', a record's number."""
    return os.path.splitext(filename)[0] or f'{index:06d}'


def read_samples(paths: Iterable[str],
                 ids: Sequence[int] = ()) -> Iterator[tfrecords.Sample]:
    """Yields the Sample of every record of shards, in order.

    ids: as of tfrecords.decode_example; a data set's `record_ids`.

    Raises:
      ValueError: a file is not one of records of this schema.
    """
    for path in paths:
        for index, record in enumerate(read_records(path)):
            try:
                yield tfrecords.decode_example(record, ids)
            except ValueError as error:
                raise ValueError(f'{path}, record {index}: {error}.') from error


def thumbnail(sample: tfrecords.Sample, max_side: int) -> np.ndarray | None:
    """Returns the picture of a Sample, of at most max_side pixels a side.

    It is uint8 [height, width, 3], RGB; None if it cannot be decoded.
    """
    try:
        picture = other_images.decode_as_stored(sample.encoded)
    except ValueError:
        return None
    scale = max_side / max(picture.shape[:2])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return picture
