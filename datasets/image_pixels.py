"""Upright pixels of an image file, as records give them; without TensorFlow.

JPEG is decoded by Pillow and the rest by OpenCV, to the same pixels as
TensorFlow does (preprocessing.tf_image).
"""
import io
import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import JpegImagePlugin
from PIL import PngImagePlugin

from datasets import exif
from datasets import other_images

# A kind of repairs, besides other_images'.
REENCODED_IMAGE = 'reencoded_image'

# A block of 8 x 8 takes one bit at least; half of them may be left out. Such a
# file would be read without an error, the pixels that it lacks as grey.
_MAX_JPEG_PIXELS_PER_BYTE = 2 * 8 * 8 * 8
# Baseline, extended and progressive Huffman coding; the others, as arithmetic
# coding, are left to OpenCV.
_JPEG_CODINGS = (0xC0, 0xC1, 0xC2)

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


def read(path: str) -> np.ndarray:
    """Returns a file's uint8 [height, width, 3], RGB.

    Raises:
      ValueError: as `decode`; names the file.
      OSError: the file cannot be read.
    """
    with open(path, 'rb') as file:
        content = file.read()
    try:
        return decode(content)
    except ValueError as error:
        raise ValueError(f'{path}: {error}.') from error


def decode(content: bytes) -> np.ndarray:
    """Returns what a file holds, uint8 [height, width, 3], RGB.

    Raises:
      ValueError: it is no image, damaged or too large.
    """
    image = header(content)
    return stored(content).pixels if image is None else upright(
        image, _decode)[0]


def _decode(content, image_format):
    if image_format == b'PNG':
        return other_images.decode_as_stored(content)
    try:
        return np.asarray(_Jpeg(io.BytesIO(content)).convert('RGB'))
    except OSError as error:
        raise ValueError(f'the JPEG is damaged: {error}') from error


def upright(image: Image, decode: Callable[[bytes, bytes], np.ndarray],
            ) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns upright pixels of an Image as stored, and repairs.

    Args:
      image: of `header`.
      decode: function of a file's bytes and its format to pixels as stored,
        which may raise ValueError.
    """
    content, repairs = image.encoded, ()
    pixels = decode(content, image.format)
    if image.format == b'PNG' and content[_PNG_DEPTH] == 16:
        deep = other_images.decode_deep(content)
        if other_images.is_dark(deep):
            pixels, repairs = other_images.scaled(deep), (
                REENCODED_IMAGE, other_images.SCALED_RANGE)
    return exif.turned(pixels, image.orientation), repairs


def stored(content: bytes) -> other_images.Stored:
    """Returns the other_images.Stored of what TensorFlow does not read."""
    result = other_images.decode(content)
    opened = _open_header(content, content.startswith(b'\xff\xd8'))
    if opened is None:
        return result
    orientation = _orientation_of(opened, content)
    return result._replace(pixels=exif.turned(result.pixels, orientation),
                           orientation=orientation)


def header(content: bytes) -> Image | None:
    """Returns the Image that the first bytes tell; None if not TensorFlow's.

    Raises:
      ValueError: it is empty, too large, or less than it claims to be.
    """
    if not content:
        raise ValueError('the file is empty')
    is_jpeg = content.startswith(b'\xff\xd8')
    opened = _open_header(content, is_jpeg)
    if opened is None:
        return None
    width, height = opened.size
    if is_jpeg:
        # Pillow does not tell the coding, the byte before the frame's header.
        frame = content.find(struct.pack(
            '>HBHHB', 8 + 3 * opened.layers, opened.bits, height, width,
            opened.layers))
        if content[frame - 1] not in _JPEG_CODINGS or opened.mode == 'CMYK':
            return None
    other_images.check_size(height, width)
    if is_jpeg and content.rfind(b'\xff\xd9', opened.fp.tell()) < 0:
        raise ValueError('the JPEG is cut short: no end marker')
    if is_jpeg and height * width > _MAX_JPEG_PIXELS_PER_BYTE * len(content):
        raise ValueError(f'the JPEG is damaged: its {len(content)} bytes '
                         f'cannot be {height} x {width} pixels')
    orientation = _orientation_of(opened, content)
    if orientation >= 5:
        height, width = width, height
    return Image(content, opened.format.encode(), height, width, orientation)


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
