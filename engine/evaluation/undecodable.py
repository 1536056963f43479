"""Names the image of the records that cannot be decoded.

TensorFlow's error says what is wrong with some image, but not with which.
"""
import contextlib
from collections.abc import Iterator

import tensorflow.compat.v1 as tf

from datasets import image_files
from datasets import records


@contextlib.contextmanager
def named(paths: list[str]) -> Iterator[None]:
    """Makes an error of decoding one that says which image it is.

    The records of the shards, `paths`, are read again after such an error.

    Raises:
      ValueError: an image cannot be decoded.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        with image_files.ImageReader() as reader:
            for path in paths:
                for index, sample in enumerate(records.read_samples([path])):
                    image, = reader.make_decodable([sample.encoded])
                    if isinstance(image, ValueError):
                        name = records.image_name(sample.filename, index)
                        raise ValueError(
                            f'{path}, record {index}: the image {name} cannot '
                            f'be decoded: {image}. Convert it again.'
                        ) from error
        raise
