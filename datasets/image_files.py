"""Bytes of an image file -> bytes that TensorFlow decodes for certain.

JPEG and PNG stay as they are. What TensorFlow cannot read, or reads
otherwise than OpenCV (CMYK, arithmetic coding, BMP of 8 or 32 bits), is
written anew as PNG, which loses nothing. EXIF orientation is ignored, as
TensorFlow does, and as VOC annotations expect.
"""
import collections
import struct
import zlib

import cv2
import numpy as np

# format: b'JPEG' or b'PNG'.
Image = collections.namedtuple(
    'Image', ['encoded', 'format', 'height', 'width', 'is_reencoded'])

# TensorFlow refuses images of 2**29 bytes; four channels of one byte.
MAX_PIXELS = 2 ** 27 - 1

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_JPEG_EOI = b'\xff\xd9'
# Baseline, extended and progressive Huffman coding.
_JPEG_SOF = (0xC0, 0xC1, 0xC2)
# Other codings, or data before a header: left to OpenCV.
_JPEG_STOP = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF,
              0xD9, 0xDA)


def make_decodable(content):
    """Checks that an image is whole and makes it readable for TensorFlow.

    Args:
      content: bytes of a file: JPEG, PNG, BMP, or what OpenCV reads besides.

    Returns:
      Image; height and width in pixels, as stored.

    Raises:
      ValueError: the content is not an image, or a damaged or too large one.
    """
    if not content:
        raise ValueError('the file is empty')
    if content.startswith(b'\xff\xd8'):
        size, image_format = _jpeg_size(content), b'JPEG'
    elif content.startswith(_PNG_SIGNATURE):
        size, image_format = _png_size(content), b'PNG'
    else:
        size, image_format = None, None
    if size is None:
        return _reencode(content)
    _check_num_pixels(*size)
    # An eighth of the size: all of the data is read, little is computed.
    _decode(content, cv2.IMREAD_REDUCED_COLOR_8 if image_format == b'JPEG'
            else cv2.IMREAD_COLOR)
    return Image(content, image_format, *size, is_reencoded=False)


def _jpeg_size(content):
    """Returns height, width; None if TensorFlow may not read this kind.

    Raises:
      ValueError: the end of the image is missing.
    """
    position = 2
    while position + 10 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker in _JPEG_STOP:
            return None
        if marker in _JPEG_SOF:
            bits, height, width, channels = struct.unpack_from(
                '>BHHB', content, position + 4)
            if content.rfind(_JPEG_EOI, position) < 0:
                raise ValueError('the JPEG is cut short: no end marker')
            is_plain = bits == 8 and channels in (1, 3) and height and width
            return (height, width) if is_plain else None
        if marker == 0xFF:  # Padding before a marker.
            position += 1
        else:
            position += 2 + int.from_bytes(
                content[position + 2:position + 4], 'big')
    return None


def _png_size(content):
    """Returns height, width.

    Raises:
      ValueError: a part is missing or its checksum is wrong.
    """
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(content):
        length, kind = struct.unpack_from('>I4s', content, position)
        end = position + 8 + length
        checksum = content[end:end + 4]
        if zlib.crc32(content[position + 4:end]) != int.from_bytes(
                checksum, 'big') or len(checksum) < 4:
            break
        if kind == b'IEND':
            width, height = struct.unpack_from('>II', content, 16)
            return height, width
        position = end + 4
    raise ValueError('the PNG is damaged or cut short')


def _reencode(content):
    pixels = _decode(content, cv2.IMREAD_COLOR)
    height, width = pixels.shape[:2]
    _check_num_pixels(height, width)
    encoded = cv2.imencode('.png', pixels)[1].tobytes()
    return Image(encoded, b'PNG', height, width, is_reencoded=True)


def _decode(content, mode):
    """Returns uint8 [height, width, 3], BGR."""
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8),
                              mode | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ValueError(f'OpenCV cannot decode it: {error.err}') from error
    if pixels is None:
        raise ValueError('not an image, or a damaged one')
    return pixels


def _check_num_pixels(height, width):
    if height * width > MAX_PIXELS:
        raise ValueError(f'{height} x {width} pixels are too many for '
                         f'TensorFlow; at most {MAX_PIXELS}')
