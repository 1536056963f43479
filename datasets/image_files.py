"""Bytes of an image file -> bytes that TensorFlow decodes for certain.

JPEG and PNG stay as they are. What TensorFlow cannot read, or reads
otherwise than OpenCV (CMYK, arithmetic coding, BMP of 8 or 32 bits), is
written anew as PNG, which loses nothing. EXIF orientation is ignored, as
TensorFlow does, and as VOC annotations expect.
"""
import contextlib
import io
import struct
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow.compat.v1 as tf
from PIL import JpegImagePlugin
from PIL import PngImagePlugin

from common import threads
from preprocessing import tf_image

# Of images that are checked in one call of TensorFlow, which takes about as
# long as the decoding of one.
BATCH = 16
# TensorFlow refuses images of 2**29 bytes; four channels of one byte.
MAX_PIXELS = 2 ** 27 - 1

# A block of 8 x 8 takes one bit at least; half of them may be left out. Such a
# file would be read without an error, the pixels that it lacks as grey.
_MAX_JPEG_PIXELS_PER_BYTE = 2 * 8 * 8 * 8
# Baseline, extended and progressive Huffman coding; the others, as arithmetic
# coding, are left to OpenCV.
_JPEG_CODINGS = (0xC0, 0xC1, 0xC2)

_TINY_JPEG = cv2.imencode('.jpg', np.zeros((1, 1), np.uint8))[1].tobytes()

# Of EXIF data that is damaged, which nobody reads.
warnings.filterwarnings('ignore', module=r'PIL\.')


class Image(NamedTuple):
    """A file, of format b'JPEG' or b'PNG', that TensorFlow decodes."""
    encoded: bytes
    format: bytes
    height: int
    width: int
    is_reencoded: bool


class ImageReader(contextlib.AbstractContextManager):
    """Checks images by letting TensorFlow decode them; for many threads.

    Other programs read damaged files that TensorFlow refuses, so that it
    alone can tell. Use as a context manager, or call `close`.
    """

    def __init__(self):
        graph = tf.Graph()
        with graph.as_default():
            content = tf.placeholder(tf.string, [])
            pixels = tf_image.decode(content)
            jpegs = tf.placeholder(tf.string, [BATCH])
            # All of the data is read, but little is computed: of the
            # brightness alone, an eighth of the size.
            checks = [tf.io.decode_jpeg(jpeg, channels=1, ratio=8).op
                      for jpeg in tf.unstack(jpegs)]
        # The caller's threads work, and no others: handing over to another
        # takes half as long as the decoding.
        self._session = tf.Session(graph=graph, config=tf.ConfigProto(
            device_count={'GPU': 0}, inter_op_parallelism_threads=-1))
        self._check_jpegs = self._session.make_callable(checks, [jpegs])
        self._pixels = self._session.make_callable(pixels, [content])

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Frees the session."""
        self._session.close()

    def make_decodable(
            self, contents: Sequence[bytes]) -> list[Image | ValueError]:
        """Checks that images are whole and readable for TensorFlow.

        Returns an Image of each file; or a ValueError, if it is no image,
        damaged or too large. BATCH files are faster than one by one.
        """
        images = [_outcome(_undecoded, content) for content in contents]
        jpegs = [image.encoded for image in images
                 if isinstance(image, Image) and image.format == b'JPEG']
        checked = set()
        for batch in threads.batches(jpegs, BATCH):
            # One that is damaged is found by decoding all of them alone.
            with contextlib.suppress(tf.errors.OpError):
                self._check_jpegs(
                    batch + [_TINY_JPEG] * (BATCH - len(batch)))
                checked.update(map(id, batch))
        return [image if isinstance(image, ValueError)
                or image.is_reencoded or id(image.encoded) in checked
                else _outcome(self._checked, image) for image in images]

    def _checked(self, image):
        _decode(self._pixels, image.encoded, image.format)
        return image

    def read(self, path: str) -> np.ndarray:
        """Returns a file's uint8 [height, width, 3], RGB, as records give it.

        Raises:
          ValueError: as make_decodable; names the file.
          OSError: the file cannot be read.
        """
        with open(path, 'rb') as file:
            content = file.read()
        try:
            header = _header(content)
            if header is None:
                return decode_otherwise(content)
            return _decode(self._pixels, content, header.format)
        except ValueError as error:
            raise ValueError(f'{path}: {error}.') from error


def _outcome(function, value):
    """Returns function(value), or the ValueError that it raised."""
    try:
        return function(value)
    except ValueError as error:
        return error


def _undecoded(content):
    """Returns the Image of a file; JPEG and PNG have not been decoded."""
    image = _header(content)
    if image is not None:
        return image
    pixels = decode_otherwise(content)
    encoded = cv2.imencode(
        '.png', cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
    return Image(encoded, b'PNG', *pixels.shape[:2], is_reencoded=True)


def _header(content):
    """Returns the Image that the first bytes tell; None if for OpenCV.

    Raises:
      ValueError: it is empty, too large, or less than it claims to be.
    """
    if not content:
        raise ValueError('the file is empty')
    is_jpeg = content.startswith(b'\xff\xd8')
    plugin = (JpegImagePlugin.JpegImageFile if is_jpeg
              else PngImagePlugin.PngImageFile)
    try:
        header = plugin(io.BytesIO(content))
    except (SyntaxError, ValueError, OSError):  # As Pillow says it.
        return None
    width, height = header.size
    if is_jpeg:
        # Pillow does not tell the coding, the byte before the frame's header.
        frame = content.find(struct.pack(
            '>HBHHB', 8 + 3 * header.layers, header.bits, height, width,
            header.layers))
        if content[frame - 1] not in _JPEG_CODINGS or header.mode == 'CMYK':
            return None
    if height * width > MAX_PIXELS:
        raise ValueError(f'{height} x {width} pixels are too many for '
                         f'TensorFlow; at most {MAX_PIXELS}')
    if is_jpeg and content.rfind(b'\xff\xd9', header.fp.tell()) < 0:
        raise ValueError('the JPEG is cut short: no end marker')
    if is_jpeg and height * width > _MAX_JPEG_PIXELS_PER_BYTE * len(content):
        raise ValueError(f'the JPEG is damaged: its {len(content)} bytes '
                         f'cannot be {height} x {width} pixels')
    return Image(content, header.format.encode(), height, width, False)


def _decode(decode, content, image_format):
    try:
        return decode(content)
    except tf.errors.OpError as error:
        raise ValueError(f'the {image_format.decode()} is damaged: '
                         'TensorFlow cannot decode it') from error


def decode_otherwise(content: bytes) -> np.ndarray:
    """Returns pixels by OpenCV: uint8 [height, width, 3], RGB.

    Raises:
      ValueError: it is no image, damaged or too large.
    """
    try:
        pixels = cv2.imdecode(
            np.frombuffer(content, np.uint8),
            cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ValueError(f'OpenCV cannot decode it: {error.err}') from error
    if pixels is None:
        raise ValueError('not an image, or a damaged one')
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
