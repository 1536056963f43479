"""Bytes of an image file -> bytes that TensorFlow decodes for certain.

Images are upright, as viewers and the tools of annotators show them: EXIF's
orientation is applied. JPEG and PNG that are upright stay as they are. A
turned JPEG is written anew as JPEG of quality 97, all of its colours (4:4:4),
without EXIF. What TensorFlow cannot read, or reads otherwise than OpenCV
(CMYK, arithmetic coding, other formats), is written anew as PNG, which loses
nothing of 8 bits. Of more bits, the range is scaled: other_images.scaled.
"""
import contextlib
import io
import struct
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow.compat.v1 as tf
from PIL import JpegImagePlugin
from PIL import PngImagePlugin

from common import threads
from datasets import exif
from datasets import other_images
from preprocessing import tf_image

# Of images that are checked in one call of TensorFlow, which takes about as
# long as the decoding of one.
BATCH = 16
# A kind of repairs, besides other_images'.
REENCODED_IMAGE = 'reencoded_image'

# A block of 8 x 8 takes one bit at least; half of them may be left out. Such a
# file would be read without an error, the pixels that it lacks as grey.
_MAX_JPEG_PIXELS_PER_BYTE = 2 * 8 * 8 * 8
# Baseline, extended and progressive Huffman coding; the others, as arithmetic
# coding, are left to OpenCV.
_JPEG_CODINGS = (0xC0, 0xC1, 0xC2)
_TURNED_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 97, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)

_TINY_JPEG = cv2.imencode('.jpg', np.zeros((1, 1), np.uint8))[1].tobytes()

_PNG_DEPTH = 24  # Where it is.


class Image(NamedTuple):
    """A file, of format b'JPEG' or b'PNG', that TensorFlow decodes."""
    encoded: bytes
    format: bytes
    height: int  # Upright.
    width: int
    orientation: int = 1  # As it is stored, by EXIF; 1 is upright.
    repairs: tuple[str, ...] = ()  # Kinds, but for the turning.


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """Its header alone."""

    def _read_dpi_from_exif(self):
        """Does nothing: damaged EXIF, which nobody reads, warns."""


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
                 if isinstance(image, Image) and image.format == b'JPEG'
                 and image.orientation == 1]
        checked = set()
        for batch in threads.batches(jpegs, BATCH):
            # One that is damaged is found by decoding all of them alone.
            with contextlib.suppress(tf.errors.OpError):
                self._check_jpegs(
                    batch + [_TINY_JPEG] * (BATCH - len(batch)))
                checked.update(map(id, batch))
        return [image if isinstance(image, ValueError)
                or image.repairs or id(image.encoded) in checked
                else _outcome(self._checked, image) for image in images]

    def _checked(self, image):
        """Returns the Image upright; raises ValueError if it is damaged."""
        pixels, repairs = self._upright(image)
        if image.orientation == 1 and not repairs:
            return image
        return image._replace(encoded=_encode(pixels, image.format),
                              repairs=repairs)

    def _upright(self, image):
        """Returns upright pixels of an Image as stored, and repairs."""
        content, repairs = image.encoded, ()
        pixels = _decode(self._pixels, content, image.format)
        if image.format == b'PNG' and content[_PNG_DEPTH] == 16:
            deep = other_images.decode_deep(content)
            if other_images.is_dark(deep):
                pixels, repairs = other_images.scaled(deep), (
                    REENCODED_IMAGE, other_images.SCALED_RANGE)
        return exif.turned(pixels, image.orientation), repairs

    def read(self, path: str) -> np.ndarray:
        """Returns a file's uint8 [height, width, 3], RGB, as records give it.

        Raises:
          ValueError: as make_decodable; names the file.
          OSError: the file cannot be read.
        """
        with open(path, 'rb') as file:
            content = file.read()
        try:
            return self.pixels(content)
        except ValueError as error:
            raise ValueError(f'{path}: {error}.') from error

    def pixels(self, content: bytes) -> np.ndarray:
        """Returns as `read` what a file holds; errors do not name it."""
        header = _header(content)
        if header is None:
            return _stored(content).pixels
        return self._upright(header)[0]


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
    stored = _stored(content)
    return Image(_encode(stored.pixels, b'PNG'), b'PNG',
                 *stored.pixels.shape[:2], stored.orientation,
                 (REENCODED_IMAGE, *stored.repairs))


def _stored(content):
    """Returns the other_images.Stored of what TensorFlow does not read."""
    stored = other_images.decode(content)
    header = _open_header(content, content.startswith(b'\xff\xd8'))
    if header is None:
        return stored
    orientation = _orientation_of(header, content)
    return stored._replace(pixels=exif.turned(stored.pixels, orientation),
                           orientation=orientation)


def _encode(pixels, image_format):
    """Returns pixels, uint8 [height, width, 3], RGB, as bytes of a file."""
    options = _TURNED_JPEG if image_format == b'JPEG' else ()
    return cv2.imencode(f'.{image_format.decode().lower()}', cv2.cvtColor(
        pixels, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def _header(content):
    """Returns the Image that the first bytes tell; None if not TensorFlow's.

    Raises:
      ValueError: it is empty, too large, or less than it claims to be.
    """
    if not content:
        raise ValueError('the file is empty')
    is_jpeg = content.startswith(b'\xff\xd8')
    header = _open_header(content, is_jpeg)
    if header is None:
        return None
    width, height = header.size
    if is_jpeg:
        # Pillow does not tell the coding, the byte before the frame's header.
        frame = content.find(struct.pack(
            '>HBHHB', 8 + 3 * header.layers, header.bits, height, width,
            header.layers))
        if content[frame - 1] not in _JPEG_CODINGS or header.mode == 'CMYK':
            return None
    other_images.check_size(height, width)
    if is_jpeg and content.rfind(b'\xff\xd9', header.fp.tell()) < 0:
        raise ValueError('the JPEG is cut short: no end marker')
    if is_jpeg and height * width > _MAX_JPEG_PIXELS_PER_BYTE * len(content):
        raise ValueError(f'the JPEG is damaged: its {len(content)} bytes '
                         f'cannot be {height} x {width} pixels')
    orientation = _orientation_of(header, content)
    if orientation >= 5:
        height, width = width, height
    return Image(content, header.format.encode(), height, width, orientation)


def _open_header(content, is_jpeg):
    """Returns Pillow's image of a JPEG or PNG; None if it is neither."""
    plugin = _Jpeg if is_jpeg else PngImagePlugin.PngImageFile
    try:
        return plugin(io.BytesIO(content))
    except (SyntaxError, ValueError, OSError):  # As Pillow says it.
        return None


def _orientation_of(header, content):
    """Returns the orientation of a JPEG's or PNG's header, 1 to 8."""
    content_of_exif = header.info.get('exif')
    if content_of_exif is None and header.format == 'PNG':
        # Behind the pixels; Pillow would decode them to find it.
        start = content.rfind(b'eXIf')
        content_of_exif = content[start + 4:] if start > 0 else None
    return 1 if content_of_exif is None else exif.orientation(content_of_exif)


def _decode(decode, content, image_format):
    try:
        return decode(content)
    except tf.errors.OpError as error:
        raise ValueError(f'the {image_format.decode()} is damaged: '
                         'TensorFlow cannot decode it') from error
