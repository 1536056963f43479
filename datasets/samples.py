"""One annotated image of any format -> a Sample for the records, repaired.

The reader of a format makes an Annotated of each of its images. What is
checked and repaired is the same for all.
"""
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from datasets import image_files
from datasets import tfrecords

# Kinds of what cannot be repaired.
UNKNOWN_CLASS = 'unknown_class'
MISSING_IMAGE = 'missing_image'
UNREADABLE_IMAGE = 'unreadable_image'
BAD_ANNOTATION = 'bad_annotation'
# Kinds of repairs.
SIZE_MISMATCH = 'size_mismatch'
MISSING_SIZE = 'missing_size'
IMAGE_FOUND_BY_STEM = 'image_found_by_stem'
REENCODED_IMAGE = 'reencoded_image'
CLIPPED_BOX = 'clipped_box'
REVERSED_BOX = 'reversed_box'
DROPPED_BOX_OUTSIDE = 'dropped_box_outside'
DROPPED_BOX_WITHOUT_AREA = 'dropped_box_without_area'


class Fault(NamedTuple):
    """What cannot be repaired: its kind, and a sentence without full stop."""
    kind: str
    message: str


class Object(NamedTuple):
    """One object."""
    name: str
    bbox: Sequence[float]  # xmin, ymin, xmax, ymax, as the file has them.
    difficult: int = 0  # 0 or 1.
    truncated: int = 0
    is_crowd: int = 0
    area: float | None = None  # Of the object's outline, in pixels.


class Annotated(NamedTuple):
    """An image with its objects, as a format has them."""
    name: str  # For the manifest.
    place: str  # Of the annotation, for messages: a path, perhaps a line.
    file_name: str = ''
    content: bytes | None = None  # Of the image; None is one of the faults.
    size: tuple[int, int] | None = None  # Height, width, if it tells.
    objects: Sequence[Object] = ()
    faults: Sequence[Fault] = ()  # What the reader found,
    repairs: Sequence[str] = ()  # and what it did: kinds.
    is_relative: bool = False  # Boxes are parts of the image, not pixels.
    image_id: int | str | None = None  # The format's own.


class Reading(NamedTuple):
    """What became of an Annotated."""
    annotated: Annotated
    sample: tfrecords.Sample | None  # None if there are faults.
    faults: list[Fault]
    repairs: list[str]  # A kind for each thing repaired.


def check(annotated: Sequence[Annotated], ids: Mapping[str, int],
          image_reader: image_files.ImageReader) -> list[Reading]:
    """Checks annotated images, best image_files.BATCH, and repairs them.

    Args:
      annotated: what a format's reader made.
      ids: {class name: id}.
      image_reader: decodes the images.
    """
    images = iter(image_reader.make_decodable(
        [one.content for one in annotated if one.content is not None]))
    return [_reading(one, None if one.content is None else next(images), ids)
            for one in annotated]


def _reading(annotated, image, ids):
    """Returns the Reading; image: Image, None or ValueError."""
    names = dict.fromkeys(item.name for item in annotated.objects)
    faults = [*(Fault(UNKNOWN_CLASS, f'unknown class {name!r}')
                for name in names if name not in ids), *annotated.faults]
    if isinstance(image, ValueError):
        faults.append(unreadable_image(annotated.file_name, image))
    sample, repairs = None, list(annotated.repairs)
    if not faults:
        if image.is_reencoded:
            repairs.append(REENCODED_IMAGE)
        if annotated.size not in (None, (image.height, image.width)):
            repairs.append(SIZE_MISMATCH)
        sample = _sample(annotated, image, ids, repairs)
    return Reading(annotated, sample, faults, repairs)


def unreadable_image(file_name: str, error: Exception) -> Fault:
    """Returns the Fault of an image that cannot be read or decoded."""
    return Fault(UNREADABLE_IMAGE, f'image {file_name}: {error}')


def _sample(annotated, image, ids, repairs):
    """Returns the Sample; appends to `repairs` what is done to the boxes."""
    kept, bboxes = [], []
    for item in annotated.objects:
        size = (1, 1) if annotated.is_relative else (
            image.height, image.width)
        bbox = _repaired_bbox(item.bbox, *size, repairs)
        if bbox is not None:
            kept.append(item)
            bboxes.append(bbox)
    return tfrecords.Sample(
        encoded=image.encoded, format=image.format,
        filename=annotated.file_name, height=image.height, width=image.width,
        bboxes=bboxes, labels=[ids[item.name] for item in kept],
        names=[item.name for item in kept],
        difficult=[item.difficult for item in kept],
        truncated=[item.truncated for item in kept])


def _repaired_bbox(bbox, height, width, repairs):
    """Returns [ymin, xmin, ymax, xmax] inside the image, or None.

    VOC counts pixels from 1; like the original, the values are divided by
    the size without taking 1 off.
    """
    xmin, ymin, xmax, ymax = bbox
    if xmin > xmax or ymin > ymax:
        repairs.append(REVERSED_BOX)
        xmin, xmax = sorted((xmin, xmax))
        ymin, ymax = sorted((ymin, ymax))
    if xmin == xmax or ymin == ymax:
        repairs.append(DROPPED_BOX_WITHOUT_AREA)
        return None
    if xmin >= width or ymin >= height or xmax <= 0 or ymax <= 0:
        repairs.append(DROPPED_BOX_OUTSIDE)
        return None
    if xmin < 0 or ymin < 0 or xmax > width or ymax > height:
        repairs.append(CLIPPED_BOX)
    return [max(ymin, 0) / height, max(xmin, 0) / width,
            min(ymax, height) / height, min(xmax, width) / width]
