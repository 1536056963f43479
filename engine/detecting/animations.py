"""Pictures of several frames or pages, one after another."""
import io
import itertools
from collections import abc

import numpy as np
import PIL.Image

from datasets import exif
from datasets import other_images

_FORMATS = ('AVIF', 'GIF', 'PNG', 'TIFF', 'WEBP')
_BITS_PER_SAMPLE = 0x102  # TIFF's tag.


def open_frames(content: bytes) -> PIL.Image.Image | None:
    """Returns what is to be read by `frames`; None for a single picture.

    Args:
      content: of an image file that image_files reads.
    """
    # Opening all would take time; APNG's chunk is before the pixels.
    if content.startswith(b'\x89PNG') and not (
            0 < content.find(b'acTL') < content.find(b'IDAT')):
        return None
    try:
        image = PIL.Image.open(io.BytesIO(content), formats=_FORMATS)
        return image if getattr(image, 'is_animated', False) else None
    except Exception:  # Of all kinds, as files are damaged.
        return None


def frames(image: PIL.Image.Image) -> abc.Iterator[np.ndarray]:
    """Yields uint8 [height, width, 3], RGB, upright, of all but the first.

    Raises:
      ValueError: a frame is damaged or too large, or has more than 8 bits.
    """
    is_tiff = image.format == 'TIFF'
    for number in itertools.count(1):
        try:
            image.seek(number)
        except EOFError:
            return
        except Exception as error:
            raise ValueError(_one_line(error)) from error
        other_images.check_size(image.height, image.width)
        if is_tiff and max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8:
            raise ValueError('of several pages, only those of 8 bits a sample '
                             'are read')
        try:
            pixels = np.asarray(image.convert('RGB'))
            # Pillow has turned a TIFF.
            orientation = 1 if is_tiff else exif.orientation(
                image.info.get('exif') or b'')
        except Exception as error:
            raise ValueError(_one_line(error)) from error
        yield exif.turned(pixels, orientation)


def _one_line(error):
    return ' '.join(str(error).split()) or type(error).__name__
