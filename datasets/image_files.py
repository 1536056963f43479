"""Bytes of an image file -> bytes that TensorFlow decodes for certain.

Images are upright, as viewers and the tools of annotators show them: EXIF's
orientation is applied. JPEG and PNG that are upright stay as they are. A
turned JPEG is written anew as JPEG of quality 97, all of its colours (4:4:4),
without EXIF. What TensorFlow cannot read, or reads otherwise than OpenCV
(CMYK, arithmetic coding, other formats), is written anew as PNG, which loses
nothing of 8 bits. Of more bits, the range is scaled: see `_scaled`.
"""
import contextlib
import functools
import io
import struct
import threading
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import PIL.Image
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

# Kinds of repairs.
REENCODED_IMAGE = 'reencoded_image'
FIRST_FRAME = 'first_frame'  # Of several.
SCALED_RANGE = 'scaled_range'  # Of more than 8 bits.

# A block of 8 x 8 takes one bit at least; half of them may be left out. Such a
# file would be read without an error, the pixels that it lacks as grey.
_MAX_JPEG_PIXELS_PER_BYTE = 2 * 8 * 8 * 8
# Baseline, extended and progressive Huffman coding; the others, as arithmetic
# coding, are left to OpenCV.
_JPEG_CODINGS = (0xC0, 0xC1, 0xC2)
_TURNED_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 97, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)

_TINY_JPEG = cv2.imencode('.jpg', np.zeros((1, 1), np.uint8))[1].tobytes()

# What Pillow reads better than OpenCV, or alone. None of its formats that run
# other programs, or take anything for theirs.
_PILLOW_FORMATS = ('AVIF', 'GIF', 'HEIF', 'TIFF', 'WEBP')
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
_ORIENTATION, _BITS_PER_SAMPLE = 0x112, 0x102  # Tags of EXIF and TIFF.
_PNG_DEPTH = 24  # Where it is.

# Python's filters of warnings are those of all threads.
_WARNINGS = threading.Lock()


class Image(NamedTuple):
    """A file, of format b'JPEG' or b'PNG', that TensorFlow decodes."""
    encoded: bytes
    format: bytes
    height: int  # Upright.
    width: int
    orientation: int = 1  # As it is stored, by EXIF; 1 is upright.
    repairs: tuple[str, ...] = ()  # Kinds, but for the turning.


class _Stored(NamedTuple):
    """Pixels of a file that TensorFlow does not read."""
    pixels: np.ndarray  # uint8 [height, width, 3], RGB, upright.
    orientation: int
    repairs: tuple[str, ...]


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
            deep = _by_opencv(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
            if _is_dark(deep):
                pixels, repairs = _scaled(deep), (
                    REENCODED_IMAGE, SCALED_RANGE)
        return _turned(pixels, image.orientation), repairs

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
                return _stored(content).pixels
            return self._upright(header)[0]
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
    stored = _stored(content)
    return Image(_encode(stored.pixels, b'PNG'), b'PNG',
                 *stored.pixels.shape[:2], stored.orientation,
                 (REENCODED_IMAGE, *stored.repairs))


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
    _check_size(height, width)
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


def _check_size(height, width):
    if height * width > MAX_PIXELS:
        raise ValueError(f'{height} x {width} pixels are too many for '
                         f'TensorFlow; at most {MAX_PIXELS}')


def _orientation_of(header, content):
    """Returns the orientation of a JPEG's or PNG's header, 1 to 8."""
    exif = header.info.get('exif')
    if exif is None and header.format == 'PNG':
        # Behind the pixels; Pillow would decode them to find it.
        start = content.rfind(b'eXIf')
        exif = content[start + 4:] if start > 0 else None
    return 1 if exif is None else _orientation(exif)


def _orientation(exif):
    """Returns the orientation in EXIF's bytes; 1 if there is no valid one."""
    tiff = exif.removeprefix(b'Exif\0\0')
    order = '<' if tiff[:2] == b'II' else '>'
    try:
        first, = struct.unpack_from(f'{order}4xI', tiff)
        num, = struct.unpack_from(f'{order}H', tiff, first)
        for start in range(first + 2, first + 2 + 12 * num, 12):
            tag, kind = struct.unpack_from(f'{order}HH', tiff, start)
            if tag == _ORIENTATION:
                value, = struct.unpack_from(
                    order + ('I' if kind == 4 else 'H'), tiff, start + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:  # It is damaged.
        pass
    return 1


def _turned(pixels, orientation):
    """Returns stored pixels upright."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _decode(decode, content, image_format):
    try:
        return decode(content)
    except tf.errors.OpError as error:
        raise ValueError(f'the {image_format.decode()} is damaged: '
                         'TensorFlow cannot decode it') from error


def decode_otherwise(content: bytes) -> np.ndarray:
    """Returns pixels by OpenCV, as stored: uint8 [height, width, 3], RGB.

    Raises:
      ValueError: it is no image, damaged or too large.
    """
    return _by_opencv(content, cv2.IMREAD_COLOR)


def _by_opencv(content, flags):
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8),
                              flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ValueError(f'OpenCV cannot decode it: {error.err}') from error
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


def _stored(content):
    """Returns a _Stored of what TensorFlow does not read, or otherwise.

    Raises:
      ValueError: as decode_otherwise.
    """
    stored = _by_pillow(content)
    if stored is not None and stored.pixels is not None:
        return stored
    pixels = _by_opencv(
        content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH if stored is None
        else cv2.IMREAD_UNCHANGED)  # Of grey floats.
    repairs = () if pixels.dtype == np.uint8 else (SCALED_RANGE,)
    if stored is not None:  # A TIFF, which OpenCV turns too.
        return _Stored(_scaled(pixels), stored.orientation,
                       (*stored.repairs, *repairs))
    header = _open_header(content, content.startswith(b'\xff\xd8'))
    orientation = 1 if header is None else _orientation_of(header, content)
    return _Stored(_turned(_scaled(pixels), orientation), orientation, repairs)


def _by_pillow(content):
    """Returns a _Stored; None if it is of none of the formats.

    Its pixels are None if Pillow would drop bits.
    """
    try:
        with _WARNINGS, warnings.catch_warnings():
            # Of large images, and of EXIF that is damaged.
            warnings.filterwarnings('ignore', module=r'PIL\.')
            image = PIL.Image.open(io.BytesIO(content),
                                   formats=_pillow_formats())
            is_tiff = image.format == 'TIFF'
            orientation = _orientation(image.info.get('exif') or b'')
            if is_tiff:
                orientation = image.tag_v2.get(_ORIENTATION, 1)
                orientation = orientation if orientation in range(1, 9) else 1
            is_deep = is_tiff and max(
                image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8
            repairs = (FIRST_FRAME,) * (getattr(image, 'n_frames', 1) > 1)
    except Exception:  # Of all kinds, as files are damaged.
        return None
    _check_size(*image.size[::-1])
    if is_deep:
        return _Stored(None, orientation, repairs)
    try:
        pixels = np.asarray(image.convert('RGB'))
    except Exception as error:
        raise ValueError(
            f'a damaged {image.format}: {" ".join(str(error).split())}'
        ) from error
    # It has turned a TIFF.
    return _Stored(_turned(pixels, 1 if is_tiff else orientation),
                   orientation, repairs)


def _is_dark(pixels):
    """Whether integers use less than a 16th of what their type holds."""
    return pixels.max() < np.iinfo(pixels.dtype).max / 16


def _scaled(pixels):
    """Returns uint8 of pixels of more bits.

    Integers are scaled by all that their type holds, as TensorFlow does, but
    by their own range if they are dark, as of cameras of 10 or 12 bits;
    floats by their own range.
    """
    if pixels.dtype == np.uint8:
        return pixels
    is_integer = np.issubdtype(pixels.dtype, np.integer)
    low, high = 0., float(np.iinfo(pixels.dtype).max) if is_integer else 0.
    if not is_integer or _is_dark(pixels):
        finite = pixels[np.isfinite(pixels)]
        if finite.size:
            low, high = float(finite.min()), float(finite.max())
    result = np.empty(pixels.shape, np.uint8)
    with np.errstate(all='ignore'):
        scale = 255 / (high - low) if high > low else 0.
        for row, scaled in zip(pixels, result, strict=True):  # Of float64.
            scaled[:] = np.nan_to_num(np.clip(
                (row.astype(np.float64) - low) * scale + .5, 0, 255))
    return result
