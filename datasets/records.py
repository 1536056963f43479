"""The files of a set of records: <name>_000.tfrecord, ..., <name>.json.

The json, the manifest, is written by tf_convert_data.py: number of images
and objects, classes, counts per class, the files with their sizes, what was
repaired or skipped.
"""
import json
import os
import re
import struct

import cv2
import numpy as np

from datasets import label_map
from datasets import tfrecords

FORMAT_VERSION = 1

# The length, its checksum, the record, its checksum.
_LENGTH = struct.Struct('<Q')
_HEADER_BYTES, _FOOTER_BYTES = 12, 4


def shard_name(name, index):
    """Returns the file name of a shard, as the original numbers them."""
    return f'{name}_{index:03d}.tfrecord'


def manifest_path(folder, name):
    """Returns the path of the manifest of the records called `name`."""
    return os.path.join(folder, f'{name}.json')


def shards(folder):
    """Returns {name: [paths in the order of their numbers]} of a folder.

    Raises:
      ValueError: there is no such folder.
    """
    if not os.path.isdir(folder):
        raise ValueError(f'{folder} is not a folder; --dataset_dir is where '
                         'tf_convert_data.py wrote the records.')
    found = {}
    for file_name in os.listdir(folder):
        match = re.fullmatch(r'(.+)_([0-9]+)\.tfrecord', file_name)
        if match is not None:
            found.setdefault(match[1], []).append((int(match[2]), file_name))
    return {name: [os.path.join(folder, file_name)
                   for _, file_name in sorted(files)]
            for name, files in sorted(found.items())}


def read_manifest(folder, name, paths):
    """Reads the manifest and checks it against the files.

    Args:
      folder: where the records are.
      name: of the records.
      paths: of their shards, in order.

    Returns:
      The manifest, a dict, or None if there is none (the original's records).

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
            listed = _check(manifest)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f'{path} is not a manifest of records ({type(error).__name__}: '
            f'{error}); convert again.') from error
    if version != FORMAT_VERSION:
        raise ValueError(f'{path} has format_version {version!r}, this '
                         f'program reads {FORMAT_VERSION}; convert again.')
    present = [(os.path.basename(path), os.path.getsize(path))
               for path in paths]
    differing = sorted({file_name for file_name, _
                        in listed ^ set(present)})
    if differing:
        raise ValueError(
            f'{path} does not describe the records beside it: '
            f'{", ".join(differing)} missing, too many or of another size; '
            'copy the folder again or convert again.')
    return manifest


def _check(manifest):
    """Checks what readers need, which is noticed here and not later.

    Returns:
      set of (name, bytes) of the files.

    Raises:
      ValueError, KeyError, TypeError: something is missing or wrong.
    """
    files = [(part['name'], part['bytes']) for part in manifest['files']]
    for name, size in files:
        if type(name) is not str or type(size) is not int:
            raise TypeError(f'a file is {name!r} of {size!r} bytes')
    num_images, classes = manifest['num_images'], manifest['classes']
    most = sum(size for _, size in files) // (_HEADER_BYTES + _FOOTER_BYTES)
    if type(num_images) is not int or not 0 <= num_images <= most:
        raise ValueError(f'num_images is {num_images!r}')
    if type(classes) is not list or not all(
            type(name) is str for name in classes):
        raise TypeError('classes is no list of names')
    label_map.check(classes, 'classes')
    if type(manifest.get('image_hashes', '')) is not str or type(
            manifest.get('objects_per_class', {})) is not dict:
        raise TypeError('image_hashes or objects_per_class')
    return set(files)


def count_records(path):
    """Returns the number of records of a file, read from their lengths.

    Raises:
      ValueError: the file is not a whole TFRecord file.
    """
    size, position, num_records = os.path.getsize(path), 0, 0
    with open(path, 'rb') as file:
        while position < size:
            file.seek(position)
            header = file.read(_HEADER_BYTES)
            if len(header) == _HEADER_BYTES:
                position += _LENGTH.unpack_from(header)[0] + _FOOTER_BYTES
            position += _HEADER_BYTES
            num_records += 1
    if position != size:
        raise ValueError(f'{path} is not a whole TFRecord file: record '
                         f'{num_records - 1} is cut short or damaged.')
    return num_records


def read_records(path):
    """Yields the records of a file, bytes; checksums are not looked at.

    Raises:
      ValueError: the file is not a whole TFRecord file.
    """
    count_records(path)
    with open(path, 'rb') as file:
        while header := file.read(_HEADER_BYTES):
            yield file.read(_LENGTH.unpack_from(header)[0])
            file.seek(_FOOTER_BYTES, os.SEEK_CUR)


def image_name(filename, index):
    """Returns what an image is called: its file's stem, else its number.

    Args:
      filename: str, '' if the records do not tell.
      index: of the record, from 0 on.
    """
    return os.path.splitext(filename)[0] or f'{index:06d}'


def read_samples(paths):
    """Yields the tfrecords.Sample of every record, in order.

    Args:
      paths: of the shards, in order.

    Raises:
      ValueError: a file is not one of records of this schema.
    """
    for path in paths:
        for index, record in enumerate(read_records(path)):
            try:
                yield tfrecords.decode_example(record)
            except ValueError as error:
                raise ValueError(f'{path}, record {index}: {error}.') from error


def thumbnail(sample, max_side):
    """Returns the picture of a Sample, made smaller if it is larger.

    Args:
      sample: tfrecords.Sample.
      max_side: of the picture, in pixels.

    Returns:
      uint8 [height, width, 3], RGB; None if the image cannot be decoded.
    """
    try:
        picture = cv2.imdecode(
            np.frombuffer(sample.encoded, np.uint8),
            cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    if picture is None:
        return None
    scale = max_side / max(picture.shape[:2])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
