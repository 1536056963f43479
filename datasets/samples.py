"""One annotated image of any format -> a Sample for the records, repaired.

The reader of a format makes an Annotated of each of its images: what its file
says. Whether that agrees with the pixels, and what is done if not, is judged
here, the same for all.
"""
import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from datasets import image_files
from datasets import text_files
from datasets import tfrecords

# Kinds of what cannot be repaired.
UNKNOWN_CLASS = 'unknown_class'
MISSING_IMAGE = 'missing_image'
AMBIGUOUS_IMAGE = 'ambiguous_image'
UNREADABLE_IMAGE = 'unreadable_image'
BAD_ANNOTATION = 'bad_annotation'
SIZE_MISMATCH = 'size_mismatch'  # No rule explains it.
SIDES_SWAPPED = 'sides_swapped'  # Of size; and the boxes fit that alone.
# Kinds of repairs of what boxes are measured in.
MISSING_SIZE = 'missing_size'  # Or 0: the image's is taken.
SCALED_BOXES = 'scaled_boxes'  # The size is the image's, scaled evenly.
SWAPPED_SIZE = 'swapped_size'  # Width for height; the boxes fit the image.
TURNED_UPRIGHT = 'turned_upright'  # The image, by EXIF, as its size tells.
TURNED_UNTOLD = 'turned_upright_untold'  # The same; its size cannot tell.
TURNED_BOXES = 'turned_boxes'  # With the image: they are of its stored form.
# Kinds of other repairs; those of images are image_pixels'.
IMAGE_FOUND_BY_STEM = 'image_found_by_stem'
IMAGE_FOUND_BY_NAME = 'image_found_by_name'
OTHER_IMAGE_NAMED = 'other_image_named'  # That of its own name is taken.
LISTED_WITHOUT_ANNOTATION = 'listed_without_annotation'
CLIPPED_BOX = 'clipped_box'
REVERSED_BOX = 'reversed_box'
DROPPED_BOX_OUTSIDE = 'dropped_box_outside'
DROPPED_BOX_WITHOUT_AREA = 'dropped_box_without_area'
DROPPED_DELETED_OBJECT = 'dropped_deleted_object'
ROTATED_BOX = 'rotated_box'
POLYGON_BOX = 'polygon_box'
UNKNOWN_FLAG = 'unknown_flag'

# Causes of doubts, as they are told.
OF_THE_IMAGE = ('coordinates from 0 to 1 are parts of the image, and pixels '
                'are expected')
OF_PIXELS = 'coordinates are pixels, and parts of the image are expected'
OF_WIDTH = 'xmax and ymax are width and height'
OF_SWAPPED = 'x and y are swapped'
OF_ANOTHER = 'the boxes are those of another copy of the images, or of others'
OF_SMALL = 'objects are smaller than a pixel at 300 x 300, or have no area'

# Boxes that reach out of their image by this part of it are rounded.
_MARGIN = .01
# Parts of the image's sides: what float32 tells from nothing, and a pixel of
# the image that the small networks see.
_NO_SIDE, _TINY_SIDE = 1e-6, 1 / 300


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
    image: str | None = None  # Its path; None is one of the faults.
    size: tuple[int, int] | None = None  # Height, width, if it tells.
    objects: Sequence[Object] = ()
    faults: Sequence[Fault] = ()  # What the reader found,
    repairs: Sequence[str] = ()  # and what it did: kinds.
    is_relative: bool = False  # Boxes are parts of the image, not pixels.
    image_id: int | str | None = None  # The format's own.
    # Another image that is there and that the annotation says it is of.
    named_file: str = ''


class Reading(NamedTuple):
    """What became of an Annotated."""
    annotated: Annotated
    sample: tfrecords.Sample | None  # None if there are faults.
    faults: list[Fault]
    repairs: list[str]  # A kind for each thing repaired.
    doubts: list[str]  # For each object that is hardly meant so: the cause.


def check(annotated: Sequence[Annotated], ids: Mapping[str, int],
          image_reader: image_files.ImageReader) -> list[Reading]:
    """Checks annotated images, best image_files.BATCH, and repairs them.

    Args:
      annotated: what a format's reader made.
      ids: {class name: id}.
      image_reader: decodes the images.
    """
    contents = [_content(one.image) for one in annotated]
    images = iter(image_reader.make_decodable(
        [content for content in contents if isinstance(content, bytes)]))
    return [_reading(one, next(images) if isinstance(content, bytes)
                     else content, ids)
            for one, content in zip(annotated, contents, strict=True)]


def around_rotated(x: float, y: float, width: float, height: float,
                   angle: float) -> tuple[float, float, float, float]:
    """Returns xmin, ymin, xmax, ymax around a box turned about its centre.

    angle: in radians.
    """
    cos, sin = abs(math.cos(angle)) / 2, abs(math.sin(angle)) / 2
    half_width = cos * width + sin * height
    half_height = sin * width + cos * height
    return x - half_width, y - half_height, x + half_width, y + half_height


def bad_annotation(place: str, error: Exception) -> Fault:
    """Returns the Fault of an annotation, without its place before it."""
    return Fault(BAD_ANNOTATION,
                 str(error).removeprefix(f'{place}: ').rstrip('.'))


def unreadable_image(file_name: str, error: Exception) -> Fault:
    """Returns the Fault of an image that cannot be read or decoded."""
    return Fault(UNREADABLE_IMAGE, f'image {file_name}: {error}')


def _content(path):
    """Returns the bytes of a file, an OSError, or None of None."""
    if path is None:
        return None
    try:
        # Buffering costs more than the reading of so small a file.
        with open(path, 'rb', buffering=0) as file:
            return file.readall()
    except OSError as error:
        return error


def _reading(annotated, image, ids):
    """Returns the Reading; image: Image, None, OSError or ValueError."""
    names = dict.fromkeys(item.name for item in annotated.objects)
    reading = Reading(annotated, None, [
        *(Fault(UNKNOWN_CLASS, f'unknown class {text_files.shown(name)}')
          for name in names if name not in ids), *annotated.faults],
        list(annotated.repairs), [])
    if isinstance(image, ValueError | OSError):
        reading.faults.append(unreadable_image(annotated.file_name, image))
    elif image is not None:
        reading.repairs.extend(image.repairs)
        if annotated.named_file:
            reading.repairs.append(OTHER_IMAGE_NAMED)
        frame = _frame(annotated, image)
        if isinstance(frame, Fault):
            reading.faults.append(frame)
        elif not reading.faults:
            return reading._replace(sample=_sample(reading, image, frame, ids))
    return reading


class _Frame(NamedTuple):
    """What the boxes of an annotation are measured in."""
    size: tuple[int, int]  # Height, width.
    orientation: int  # EXIF's: they are turned by it; 1 leaves them.
    repairs: Sequence[str]


def _frame(annotated, image):
    """Returns the _Frame on which all evidence agrees, or a Fault."""
    def fit(size):
        return annotated.is_relative or all(
            _fits(item.bbox, size) for item in annotated.objects)

    upright, orientation = (image.height, image.width), image.orientation
    stored = upright[::-1] if orientation >= 5 else upright
    size, kinds = annotated.size, []
    has_size = size is not None and 0 not in size
    if not has_size:
        # Boxes that fit in one of two forms tell which it is.
        size = stored if not fit(upright) and fit(stored) else upright
        kinds = [] if annotated.is_relative else [MISSING_SIZE]
    is_turned = size != upright and stored != upright and (
        size == stored or not _is_scaled(size, upright))
    told = f'the size is {_text(size)}, the image {_text(upright)}'
    if stored == upright == size[::-1] != size:
        if not fit(upright):
            return Fault(SIDES_SWAPPED, (
                f'{told}, and the boxes do not fit: the image was turned '
                'after they were drawn'))
        kinds.append(SWAPPED_SIZE)
        size = upright
    elif size not in (upright, stored):
        if not _is_scaled(size, stored if is_turned else upright):
            return Fault(SIZE_MISMATCH,
                         f'{told}, which is not the same, evenly scaled')
        kinds.append(SCALED_BOXES)
    others = {upright, stored} - {size}
    if others and not fit(size) and any(map(fit, others)):
        return Fault(SIZE_MISMATCH,
                     f'{told}, and the boxes fit the image alone')
    if is_turned:
        kinds.append(TURNED_BOXES)
    elif orientation != 1:
        kinds.append(TURNED_UPRIGHT if has_size and stored != upright
                     else TURNED_UNTOLD)
    return _Frame(size, orientation if is_turned else 1, kinds)


def _text(size):
    return f'{size[1]} x {size[0]}'  # As people say it.


def _fits(bbox, size):
    """Returns whether a bbox is inside of an image, but for rounding."""
    xmin, ymin, xmax, ymax = bbox
    height, width = size
    return (-_MARGIN * width <= min(xmin, xmax)
            and max(xmin, xmax) <= (1 + _MARGIN) * width
            and -_MARGIN * height <= min(ymin, ymax)
            and max(ymin, ymax) <= (1 + _MARGIN) * height)


def _is_scaled(size, other):
    """Returns whether sizes have the same aspect, but for rounded sides."""
    # The smaller one's sides are off by a pixel at most.
    return abs(size[0] * other[1] - size[1] * other[0]) <= max(*size, *other)


def _sample(reading, image, frame, ids):
    """Returns the Sample; appends to the Reading's repairs and doubts."""
    annotated = reading.annotated
    reading.repairs.extend(frame.repairs)
    kept, bboxes = [], []
    for item in annotated.objects:
        bbox = _bbox(item.bbox, frame, reading)
        if bbox is not None:
            kept.append(item)
            bboxes.append(bbox)
    sample = tfrecords.Sample(
        encoded=image.encoded, format=image.format,
        filename=annotated.file_name, height=image.height, width=image.width,
        bboxes=bboxes, labels=[ids[item.name] for item in kept],
        names=[item.name for item in kept],
        difficult=[item.difficult for item in kept],
        truncated=[item.truncated for item in kept],
        source_id=('' if annotated.image_id is None
                   else str(annotated.image_id)))
    if any(item.is_crowd for item in kept):
        sample = sample._replace(is_crowd=[item.is_crowd for item in kept])
    if any(item.area is not None for item in kept):
        pixels = image.height * image.width
        scale = pixels / (frame.size[0] * frame.size[1])
        sample = sample._replace(area=[
            (ymax - ymin) * (xmax - xmin) * pixels if item.area is None
            else item.area * scale
            for item, (ymin, xmin, ymax, xmax) in zip(
                kept, bboxes, strict=True)])
    return sample


def _bbox(bbox, frame, reading):
    """Returns [ymin, xmin, ymax, xmax] inside the upright image, or None.

    VOC counts pixels from 1; like the original, the values are divided by
    the size without taking 1 off.
    """
    is_relative = reading.annotated.is_relative
    height, width = (1, 1) if is_relative else frame.size
    left, right = sorted((bbox[0] / width, bbox[2] / width))
    top, bottom = sorted((bbox[1] / height, bbox[3] / height))
    is_reversed = bbox[0] > bbox[2] or bbox[1] > bbox[3]
    if is_reversed:
        reading.repairs.append(REVERSED_BOX)
    side, outmost = min(bottom - top, right - left), min(left, top, 1 - right,
                                                         1 - bottom)
    is_dropped = True
    if side < _NO_SIDE:
        reading.repairs.append(DROPPED_BOX_WITHOUT_AREA)
    elif max(left, top, 1 - right, 1 - bottom) > 1 - _NO_SIDE:
        reading.repairs.append(DROPPED_BOX_OUTSIDE)
    else:
        is_dropped = False
        if outmost < 0:
            reading.repairs.append(CLIPPED_BOX)
    if (is_dropped or outmost < -_MARGIN or side < _TINY_SIDE
            or max(bbox) <= 1 < max(height, width)
            or is_reversed and _fits(_of_width(bbox), (height, width))):
        reading.doubts.append(_cause(bbox, (height, width), is_relative))
    if is_dropped:
        return None
    return _turned(max(left, 0), max(top, 0), min(right, 1), min(bottom, 1),
                   frame.orientation)


def _turned(xmin, ymin, xmax, ymax, orientation):
    """Returns [ymin, xmin, ymax, xmax] in the image as EXIF has it shown."""
    if orientation >= 5:
        xmin, ymin, xmax, ymax = ymin, xmin, ymax, xmax
    if orientation in (6, 7):
        xmin, xmax = 1 - xmax, 1 - xmin
    if orientation in (7, 8):
        ymin, ymax = 1 - ymax, 1 - ymin
    return [ymin, xmin, ymax, xmax]


def _cause(bbox, size, is_relative):
    """Returns why a bbox is likely not as it is meant."""
    xmin, ymin, xmax, ymax = bbox
    if is_relative:
        return OF_SMALL if _fits(bbox, size) else OF_PIXELS
    if 0 <= min(bbox) and max(bbox) <= 1 < max(size):
        return OF_THE_IMAGE
    if (xmin > xmax or ymin > ymax) and _fits(_of_width(bbox), size):
        return OF_WIDTH
    if _fits(bbox, size):
        return OF_SMALL
    return OF_SWAPPED if _fits(bbox, size[::-1]) else OF_ANOTHER


def _of_width(bbox):
    """Returns the corners of xmin, ymin, width, height."""
    return bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]
