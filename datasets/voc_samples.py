"""One annotation of a VOC folder -> a Sample for the records, repaired."""
import collections

from datasets import tfrecords
from datasets import voc_folders
from datasets import voc_xml

# What cannot be repaired; kind is one of the names below.
Fault = collections.namedtuple('Fault', ['kind', 'message'])
# sample: tfrecords.Sample, None if there are faults; repairs: kinds, one for
# each thing repaired; class_names: str of all objects.
Reading = collections.namedtuple(
    'Reading', ['stem', 'sample', 'faults', 'repairs', 'class_names'])

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


def read_sample(folder, stem, ids, image_reader):
    """Reads an annotation and its image.

    Args:
      folder: voc_folders.VocFolder.
      stem: of the annotation.
      ids: {class name: id}.
      image_reader: image_files.ImageReader.

    Returns:
      Reading.
    """
    try:
        path = folder.annotation_path(stem)
        annotation = voc_xml.read_annotation(path)
    except (ValueError, OSError) as error:
        fault = Fault(BAD_ANNOTATION,
                      str(error).removeprefix(f'{path}: ').rstrip('.'))
        return Reading(stem, None, [fault], [], [])
    class_names = [item.name for item in annotation.objects]
    faults = [Fault(UNKNOWN_CLASS, f'unknown class {name!r}')
              for name in dict.fromkeys(class_names) if name not in ids]
    file_name = folder.find_image(annotation.filename, stem)
    image = None
    try:
        image = _read_image(folder, file_name, annotation.filename, stem,
                            image_reader)
    except FileNotFoundError as error:
        faults.append(Fault(MISSING_IMAGE, str(error)))
    except (ValueError, OSError) as error:
        faults.append(Fault(UNREADABLE_IMAGE, f'image {file_name}: {error}'))
    if faults:
        return Reading(stem, None, faults, [], class_names)
    repairs = _image_repairs(annotation, image, file_name)
    sample = _sample(annotation, image, file_name, ids, repairs)
    return Reading(stem, sample, [], repairs, class_names)


def _read_image(folder, file_name, wanted_name, stem, image_reader):
    if file_name is None:
        raise FileNotFoundError(
            f'no image: JPEGImages has neither {wanted_name!r} nor {stem!r} '
            f'with {", ".join(voc_folders.IMAGE_EXTENSIONS)}')
    with open(folder.image_path(file_name), 'rb') as file:
        return image_reader.make_decodable(file.read())


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
