"""Pixels of image files that TensorFlow does not read, or reads otherwise."""
import contextlib
import functools
import io
import re
import threading
import warnings
from typing import NamedTuple

import cv2
import numpy as np
import PIL.Image

from datasets import exif

# TensorFlow refuses images of 2**29 bytes; four channels of one byte.
MAX_PIXELS = 2 ** 27 - 1
# What is written anew takes ten bytes of memory a pixel; as OpenCV's limit.
_MAX_STORED_PIXELS = 2 ** 26
# A file of few bytes that claims to be large is damaged, or made to fill the
# memory: no picture of more pixels is so empty.
_MIN_LARGE, _MAX_PIXELS_PER_BYTE = 2 ** 24, 2 ** 10

# Kinds of repairs.
FIRST_FRAME = 'first_frame'  # Of several.
SCALED_RANGE = 'scaled_range'  # Of more than 8 bits.

# What Pillow reads better than OpenCV, or alone. None of its formats that run
# other programs, or take anything for theirs.
_PILLOW_FORMATS = ('AVIF', 'GIF', 'HEIF', 'TIFF', 'WEBP')
# Of which it reads the size alone.
_HEADER_FORMATS = ('BMP', 'JPEG2000', 'PPM')
# What comes in place of an image -> what it is.
_OTHERS = {
    b'<!doctype html': 'a web page', b'<html': 'a web page',
    b'version https://git-lfs': 'a pointer of Git LFS; `git lfs pull` gets '
                                'the image',
}
# Brands of files that begin with their type.
_HEIC = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1',
         b'msf1')
_AVIF = (b'avif', b'avis')
_BITS_PER_SAMPLE = 0x102  # TIFF's tag.
_ANIMATION = b'\0\0\0\x08acTL'  # Begins the chunk that makes a PNG one.

# Python's filters of warnings are those of all threads.
_WARNINGS = threading.Lock()


class Stored(NamedTuple):
    """Pixels of a file, and how they were stored."""
    pixels: np.ndarray  # uint8 [height, width, 3], RGB, upright.
    orientation: int
    repairs: tuple[str, ...]


def check_size(height: int, width: int):
    """Raises ValueError if TensorFlow cannot hold so many pixels."""
    if height * width > MAX_PIXELS:
        raise ValueError(f'{height} x {width} pixels are too many for '
                         f'TensorFlow; at most {MAX_PIXELS}')


def decode_as_stored(content: bytes) -> np.ndarray:
    """Returns pixels by OpenCV, as stored: uint8 [height, width, 3], RGB.

    Raises:
      ValueError: it is no image, damaged or too large.
    """
    return _by_opencv(content, cv2.IMREAD_COLOR)


def decode_deep(content: bytes) -> np.ndarray:
    """Returns as decode_as_stored, in the type that the file has."""
    return _by_opencv(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)


def _by_opencv(content, flags):
    start = content.find(_ANIMATION)
    if start >= 0:  # Its reader of them hangs, or crashes, on damaged ones.
        content = content[:start] + content[start + len(_ANIMATION) + 8 + 4:]
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8),
                              flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        reason = (f'it has more than {_MAX_STORED_PIXELS} pixels'
                  if 'CV_IO_MAX_IMAGE' in error.err else error.err)
        raise ValueError(f'OpenCV cannot decode it: {reason}') from error
    if pixels is None:
        raise ValueError(_what_it_is(content))
    if pixels.dtype == np.uint8:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, 2)
    return np.ascontiguousarray(pixels[..., 2::-1])


def _what_it_is(content):
    """Returns what a file is that nothing decodes."""
    start = content[:1000].lstrip(b'\xef\xbb\xbf \t\r\n').lower()
    for beginning, what in _OTHERS.items():
        if start.startswith(beginning):
            return f'not an image, but {what}'
    brand = content[8:12] if content[4:8] == b'ftyp' else b''
    if brand in _HEIC and 'HEIF' not in _pillow_formats():
        return ('HEIC, which the package pillow-heif reads: python -m pip '
                'install pillow-heif')
    if brand in _AVIF and 'AVIF' not in _pillow_formats():
        return ('AVIF, which this Pillow was built without: python -m pip '
                'install --force-reinstall pillow')
    return 'not an image, or a damaged one'


@functools.cache
def _pillow_formats():
    """Returns those of _PILLOW_FORMATS that Pillow reads here."""
    with contextlib.suppress(ImportError):
        import pillow_heif
        pillow_heif.register_heif_opener()
    PIL.Image.init()
    return [name for name in _PILLOW_FORMATS if name in PIL.Image.OPEN]


def decode(content: bytes) -> Stored:
    """Returns a Stored of any file; the EXIF of a JPEG is not looked at.

    Raises:
      ValueError: as decode_as_stored.
    """
    stored = _by_pillow(content)
    if stored is not None and stored.pixels is not None:
        return stored
    pixels = _by_opencv(
        content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH if stored is None
        else cv2.IMREAD_UNCHANGED)  # Of grey floats; it has turned a TIFF.
    repairs = () if pixels.dtype == np.uint8 else (SCALED_RANGE,)
    return Stored(scaled(pixels), *(
        (1, repairs) if stored is None else
        (stored.orientation, (*stored.repairs, *repairs))))


def _by_pillow(content):
    """Returns a Stored; None if it is of none of the formats.

    Its pixels are None if Pillow would drop bits.
    """
    with _WARNINGS, warnings.catch_warnings():
        # Of large images, and of EXIF that is damaged.
        warnings.filterwarnings('ignore', module=r'PIL\.')
        image = _opened(content)
        if image is None or image.format in _HEADER_FORMATS:
            return None
        is_tiff = image.format == 'TIFF'
        try:
            orientation = exif.orientation(image.info.get('exif') or b'')
            if is_tiff:
                orientation = image.tag_v2.get(exif.ORIENTATION, 1)
                orientation = orientation if orientation in range(1, 9) else 1
            is_deep = is_tiff and max(
                image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8
            repairs = (FIRST_FRAME,) * (getattr(image, 'n_frames', 1) > 1)
        except Exception:  # Of all kinds, as files are damaged.
            return None
    if is_deep:
        return Stored(None, orientation, repairs)
    try:
        pixels = np.asarray(image.convert('RGB'))
    except Exception as error:
        raise ValueError(
            f'a damaged {image.format}: {" ".join(str(error).split())}'
        ) from error
    # It has turned a TIFF.
    return Stored(exif.turned(pixels, 1 if is_tiff else orientation),
                   orientation, repairs)


def _opened(content):
    """Returns Pillow's image of a file that is not too large, else None."""
    too_many = (f'pixels are too many; at most {_MAX_STORED_PIXELS}: make it '
                'smaller, or a JPEG or PNG')
    try:
        image = PIL.Image.open(io.BytesIO(content), formats=[
            *_pillow_formats(), *_HEADER_FORMATS])
    except PIL.Image.DecompressionBombError as error:
        number, = re.findall(r'\((\d+) pixels', str(error))
        raise ValueError(f'{number} {too_many}') from error
    except Exception:  # Of all kinds, as files are damaged.
        return None
    width, height = image.size
    if width * height > _MAX_STORED_PIXELS:
        raise ValueError(f'{height} x {width} {too_many}')
    if width * height > max(_MIN_LARGE, _MAX_PIXELS_PER_BYTE * len(content)):
        raise ValueError(f'the {image.format} is damaged: its {len(content)} '
                         f'bytes cannot be {height} x {width} pixels')
    return image


def is_dark(pixels: np.ndarray) -> bool:
    """Whether integers use less than a 16th of what their type holds."""
    return pixels.max() < np.iinfo(pixels.dtype).max / 16


def scaled(pixels: np.ndarray) -> np.ndarray:
    """Returns uint8 of pixels of more bits.

    Integers are scaled by all that their type holds, as TensorFlow does, but
    by their own range if they are dark, as of cameras of 10 or 12 bits;
    floats by their own range.
    """
    if pixels.dtype == np.uint8:
        return pixels
    is_integer = np.issubdtype(pixels.dtype, np.integer)
    low, high = 0., float(np.iinfo(pixels.dtype).max) if is_integer else 0.
    if not is_integer or is_dark(pixels):
        finite = pixels[np.isfinite(pixels)]
        if finite.size:
            low, high = float(finite.min()), float(finite.max())
    result = np.empty(pixels.shape, np.uint8)
    with np.errstate(all='ignore'):  # One row of float64 at a time.
        scale = 255 / (high - low) if high > low else 0.
        for row, row_of_result in zip(pixels, result, strict=True):
            row_of_result[:] = np.nan_to_num(np.clip(
                (row.astype(np.float64) - low) * scale + .5, 0, 255))
    return result
