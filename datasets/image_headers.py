"""Size and format of an image from the first of its bytes."""
import math
import struct

# TensorFlow refuses images of 2**29 bytes; four channels of one byte.
MAX_PIXELS = 2 ** 27 - 1

# The signature, and the length and name of the first part.
_PNG_HEADER = b'\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR'
# A block of 8 x 8 takes one bit at least; half of them may be left out. Such a
# file would be read without an error, the pixels that it lacks as grey.
_MAX_JPEG_PIXELS_PER_BYTE = 2 * 8 * 8 * 8
_JPEG_EOI = b'\xff\xd9'
# Baseline, extended and progressive Huffman coding.
_JPEG_SOF = (0xC0, 0xC1, 0xC2)
# Other codings, or data before a header: left to OpenCV.
_JPEG_STOP = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF,
              0xD9, 0xDA)


def size_and_format(content):
    """Returns (height, width), format; None, None if not for TensorFlow.

    Args:
      content: bytes of a file. JPEG and PNG are for TensorFlow, most of them.

    Raises:
      ValueError: it is empty, too large, or less than it claims to be.
    """
    if not content:
        raise ValueError('the file is empty')
    size, image_format = None, None
    if content.startswith(b'\xff\xd8'):
        size, image_format = _jpeg_size(content), b'JPEG'
    elif content.startswith(_PNG_HEADER) and len(content) >= 24:
        # The width comes first.
        size = struct.unpack_from('>II', content, 16)[::-1]
        image_format = b'PNG'
    if size is None:
        return None, None
    check_num_pixels(*size)
    if image_format == b'JPEG' and math.prod(size) > (
            _MAX_JPEG_PIXELS_PER_BYTE * len(content)):
        raise ValueError(f'the JPEG is damaged: its {len(content)} bytes '
                         f'cannot be {size[0]} x {size[1]} pixels')
    return size, image_format


def check_num_pixels(height, width):
    """Raises ValueError if TensorFlow refuses images of that size."""
    if height * width > MAX_PIXELS:
        raise ValueError(f'{height} x {width} pixels are too many for '
                         f'TensorFlow; at most {MAX_PIXELS}')


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
