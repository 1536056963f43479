"""One annotation of a VOC folder -> a Sample for the records, repaired."""
import collections

from datasets import tfrecords
from datasets.voc import annotations
from datasets.voc import folders

# What cannot be repaired; kind is one of the names below.
Fault = collections.namedtuple('Fault', ['kind', 'message'])
# sample: tfrecords.Sample, None if there are faults; repairs: kinds, one for
# each thing repaired; class_names: str of all objects.
Reading = collections.namedtuple(
    'Reading', ['stem', 'sample', 'faults', 'repairs', 'class_names'])
# content: bytes of the image, None if it could not be read.
_Files = collections.namedtuple(
    '_Files', ['stem', 'annotation', 'file_name', 'content', 'faults'])

UNKNOWN_CLASS = 'unknown_class'
MISSING_IMAGE = 'missing_image'
UNREADABLE_IMAGE = 'unreadable_image'
BAD_ANNOTATION = 'bad_annotation'

SIZE_MISMATCH = 'size_mismatch'
MISSING_SIZE = 'missing_size'
IMAGE_FOUND_BY_STEM = 'image_found_by_stem'
REENCODED_IMAGE = 'reencoded_image'
CLIPPED_BOX = 'clipped_box'
REVERSED_BOX = 'reversed_box'
DROPPED_BOX_OUTSIDE = 'dropped_box_outside'
DROPPED_BOX_WITHOUT_AREA = 'dropped_box_without_area'


def read_samples(folder, stems, ids, image_reader):
    """Reads annotations and their images.

    Args:
      folder: voc_folders.VocFolder.
      stems: of the annotations, a list.
      ids: {class name: id}.
      image_reader: image_files.ImageReader.

    Returns:
      list of Readings.
    """
    files = [_read_files(folder, stem, ids) for stem in stems]
    images = iter(image_reader.make_decodable(
        [file.content for file in files if file.content is not None]))
    return [_reading(file, None if file.content is None else next(images), ids)
            for file in files]


def _read_files(folder, stem, ids):
    """Reads the two files of one image."""
    path = folder.annotation_path(stem)
    try:
        annotation = annotations.read_annotation(path)
    except (ValueError, OSError) as error:
        fault = Fault(BAD_ANNOTATION,
                      str(error).removeprefix(f'{path}: ').rstrip('.'))
        return _Files(stem, None, None, None, [fault])
    faults = [Fault(UNKNOWN_CLASS, f'unknown class {name!r}')
              for name in dict.fromkeys(item.name
                                        for item in annotation.objects)
              if name not in ids]
    file_name, content = folder.find_image(annotation.filename, stem), None
    if file_name is None:
        faults.append(Fault(MISSING_IMAGE, (
            f'no image: JPEGImages has neither {annotation.filename!r} nor '
            f'{stem!r} with {", ".join(folders.IMAGE_EXTENSIONS)}')))
    else:
        try:
            content = folder.read_image(file_name)
        except (ValueError, OSError) as error:
            faults.append(_unreadable(file_name, error))
    return _Files(stem, annotation, file_name, content, faults)


def _reading(file, image, ids):
    """Returns the Reading of _Files and their Image, None or ValueError."""
    faults, repairs, sample = file.faults, [], None
    if isinstance(image, ValueError):
        faults = [*faults, _unreadable(file.file_name, image)]
    if not faults:
        repairs = _image_repairs(file.annotation, image, file.file_name)
        sample = _sample(file.annotation, image, file.file_name, ids, repairs)
    names = () if file.annotation is None else [
        item.name for item in file.annotation.objects]
    return Reading(file.stem, sample, faults, repairs, names)


def _unreadable(file_name, error):
    return Fault(UNREADABLE_IMAGE, f'image {file_name}: {error}')


def _image_repairs(annotation, image, file_name):
    repairs = []
    if file_name != annotation.filename:
        repairs.append(IMAGE_FOUND_BY_STEM)
    if image.is_reencoded:
        repairs.append(REENCODED_IMAGE)
    if annotation.height is None or annotation.width is None:
        repairs.append(MISSING_SIZE)
    elif (annotation.height, annotation.width) != (image.height, image.width):
        repairs.append(SIZE_MISMATCH)
    return repairs


def _sample(annotation, image, file_name, ids, repairs):
    """Returns the Sample; appends to `repairs` what is done to the boxes."""
    kept, bboxes = [], []
    for item in annotation.objects:
        bbox = _repaired_bbox(item.bbox_pixels, image.height, image.width,
                              repairs)
        if bbox is not None:
            kept.append(item)
            bboxes.append(bbox)
    return tfrecords.Sample(
        encoded=image.encoded, format=image.format, filename=file_name,
        height=image.height, width=image.width, bboxes=bboxes,
        labels=[ids[item.name] for item in kept],
        names=[item.name for item in kept],
        difficult=[item.difficult for item in kept],
        truncated=[item.truncated for item in kept])


def _repaired_bbox(bbox_pixels, height, width, repairs):
    """Returns [ymin, xmin, ymax, xmax] inside the image, or None.

    VOC counts pixels from 1; like the original, the values are divided by
    the size without taking 1 off.
    """
    xmin, ymin, xmax, ymax = bbox_pixels
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
