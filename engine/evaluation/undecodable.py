"""Names the image of the records that cannot be decoded.

TensorFlow's error says what is wrong with some image, but not with which.
"""
import contextlib

import tensorflow.compat.v1 as tf

from datasets import image_files
from datasets import records


@contextlib.contextmanager
def named(paths):
    """Makes an error of decoding one that says which image it is.

    The records are read again, but only after such an error.

    Args:
      paths: of the shards that are read within.

    Raises:
      ValueError: an image cannot be decoded.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        fault = _first_fault(paths)
        if fault is None:
            raise
        raise ValueError(fault) from error


def _first_fault(paths):
    """Returns what is wrong with the first such image, None if none is."""
    with image_files.ImageReader() as reader:
        for path in paths:
            for index, sample in enumerate(records.read_samples([path])):
                image, = reader.make_decodable([sample.encoded])
                if isinstance(image, ValueError):
                    name = records.image_name(sample.filename, index)
                    return (f'{path}, record {index}: the image {name} cannot '
                            f'be decoded: {image}. Convert it again.')
    return None
