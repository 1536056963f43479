"""Records -> Samples, one after the other, without a graph.

For what looks at a data set as it is: reports and inspections.
"""
import os

import cv2
import numpy as np

from datasets import record_files
from datasets import tfrecords


def image_name(filename, index):
    """Returns what an image is called: its file's stem, else its number.

    Args:
      filename: str, '' if the records do not tell.
      index: of the record, from 0 on.
    """
    return os.path.splitext(filename)[0] or f'{index:06d}'


def read(paths):
    """Yields the tfrecords.Sample of every record, in order.

    Args:
      paths: of the shards, in order.

    Raises:
      ValueError: a file is not one of records of this schema.
    """
    for path in paths:
        for index, record in enumerate(record_files.read_records(path)):
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
