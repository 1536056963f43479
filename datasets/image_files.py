"""Bytes of an image file -> bytes that TensorFlow decodes for certain.

JPEG and PNG stay as they are. What TensorFlow cannot read, or reads
otherwise than OpenCV (CMYK, arithmetic coding, BMP of 8 or 32 bits), is
written anew as PNG, which loses nothing. EXIF orientation is ignored, as
TensorFlow does, and as VOC annotations expect.
"""
import collections
import contextlib

import cv2
import numpy as np
import tensorflow.compat.v1 as tf

from datasets import image_headers
from preprocessing import tf_image

# format: b'JPEG' or b'PNG'.
Image = collections.namedtuple(
    'Image', ['encoded', 'format', 'height', 'width', 'is_reencoded'])

# Of images that are checked in one call of TensorFlow, which takes about as
# long as the decoding of one.
BATCH = 16


class ImageReader:
    """Checks images by letting TensorFlow decode them; for many threads.

    Other programs read damaged files that TensorFlow refuses, so that it
    alone can tell. Use as a context manager, or call `close`.
    """

    def __init__(self):
        graph = tf.Graph()
        with graph.as_default():
            content = tf.placeholder(tf.string, [])
            contents = tf.placeholder(tf.string, [BATCH])
            png = tf.io.decode_png(content, channels=3).op
            pixels = tf_image.decode(content)
            jpegs = [_check_jpeg(one) for one in tf.unstack(contents)]
            jpeg = _check_jpeg(content)
        # The caller's threads work, and no others: handing over to another
        # takes half as long as the decoding.
        self._session = tf.Session(graph=graph, config=tf.ConfigProto(
            device_count={'GPU': 0}, inter_op_parallelism_threads=-1))
        self._decode = {
            b'JPEG': self._session.make_callable(jpeg, [content]),
            b'PNG': self._session.make_callable(png, [content])}
        self._check_jpegs = self._session.make_callable(jpegs, [contents])
        self._pixels = self._session.make_callable(pixels, [content])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Frees the session."""
        self._session.close()

    def make_decodable(self, contents):
        """Checks that images are whole and readable for TensorFlow.

        Args:
          contents: list of bytes of files: JPEG, PNG, BMP, or what OpenCV
            reads. As many as BATCH are checked faster than one by one.

        Returns:
          list: of each an Image, whose height and width are in pixels, as
          stored; or a ValueError, if it is no image, damaged or too large.
        """
        images = [_outcome(_undecoded, content) for content in contents]
        jpegs = [content for content, image in zip(contents, images)
                 if isinstance(image, Image) and image.format == b'JPEG']
        checked = set()
        for first in range(0, len(jpegs) - BATCH + 1, BATCH):
            batch = jpegs[first:first + BATCH]
            # One that is damaged is found by checking all of them alone.
            with contextlib.suppress(tf.errors.OpError):
                self._check_jpegs(batch)
                checked.update(map(id, batch))
        return [image if id(content) in checked or isinstance(image, ValueError)
                else _outcome(self._checked, image) for content, image
                in zip(contents, images, strict=True)]

    def _checked(self, image):
        """Returns the Image; ValueError if TensorFlow cannot decode it."""
        if not image.is_reencoded:
            _decode(self._decode[image.format], image.encoded, image.format)
        return image

    def read(self, path):
        """Returns the pixels of an image file, as records give them.

        Returns:
          uint8 [height, width, 3], RGB.

        Raises:
          ValueError: as make_decodable; names the file.
          OSError: the file cannot be read.
        """
        with open(path, 'rb') as file:
            content = file.read()
        try:
            size, image_format = image_headers.size_and_format(content)
            if size is None:
                return cv2.cvtColor(
                    _decode_otherwise(content), cv2.COLOR_BGR2RGB)
            return _decode(self._pixels, content, image_format)
        except ValueError as error:
            raise ValueError(f'{path}: {error}.') from error


def _check_jpeg(content):
    """Returns the op that fails if a JPEG, string [], cannot be decoded.

    All of its data is read, but little is computed: of the brightness alone,
    an eighth of the size.
    """
    return tf.io.decode_jpeg(content, channels=1, ratio=8).op


def _outcome(function, value):
    """Returns function(value), or the ValueError that it raised."""
    try:
        return function(value)
    except ValueError as error:
        return error


def _undecoded(content):
    """Returns the Image of a file; JPEG and PNG have not been decoded."""
    size, image_format = image_headers.size_and_format(content)
    if size is None:
        return _reencode(content)
    return Image(content, image_format, *size, is_reencoded=False)


def _decode(decode, content, image_format):
    try:
        return decode(content)
    except tf.errors.OpError as error:
        raise ValueError(f'the {image_format.decode()} is damaged: '
                         'TensorFlow cannot decode it') from error


def _reencode(content):
    pixels = _decode_otherwise(content)
    encoded = cv2.imencode('.png', pixels)[1].tobytes()
    return Image(encoded, b'PNG', *pixels.shape[:2], is_reencoded=True)


def _decode_otherwise(content):
    """Returns pixels by OpenCV, uint8 [height, width, 3], BGR."""
    try:
        pixels = cv2.imdecode(
            np.frombuffer(content, np.uint8),
            cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ValueError(f'OpenCV cannot decode it: {error.err}') from error
    if pixels is None:
        raise ValueError('not an image, or a damaged one')
    image_headers.check_num_pixels(*pixels.shape[:2])
    return pixels
