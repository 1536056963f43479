"""EXIF's orientation: how an image is stored, and how it is shown."""
import struct

import numpy as np

ORIENTATION = 0x112  # The tag.


def orientation(exif: bytes) -> int:
    """Returns the orientation in EXIF's bytes; 1 if there is no valid one."""
    tiff = exif.removeprefix(b'Exif\0\0')
    order = '<' if tiff[:2] == b'II' else '>'
    try:
        first, = struct.unpack_from(f'{order}4xI', tiff)
        num, = struct.unpack_from(f'{order}H', tiff, first)
        for start in range(first + 2, first + 2 + 12 * num, 12):
            tag, kind = struct.unpack_from(f'{order}HH', tiff, start)
            if tag == ORIENTATION:
                value, = struct.unpack_from(
                    order + ('I' if kind == 4 else 'H'), tiff, start + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:  # It is damaged.
        pass
    return 1


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Returns stored pixels upright."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
