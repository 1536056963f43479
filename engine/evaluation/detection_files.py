"""The images and detections of an evaluation, as other programs read them.

The VOC devkit's files, and COCO's. A file appears whole or not at all.
"""
import itertools
import json
import os
import typing
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np

from common import files
from detection import average_precision
from detection import coco_rows

DETECTIONS, GROUNDTRUTHS = 'detections.json', 'groundtruths.json'
# Would split a column of the devkit's files.
_UNSAFE_IN_COLUMNS = ' %'
_Rows = typing.TypeVar('_Rows', average_precision.GroundTruths,
                       average_precision.Detections)


class Image(typing.NamedTuple):
    """What is known of an image."""
    name: str  # The file's stem, or the number of its record.
    record: int  # Which one it is, from 0 on.
    file_name: str  # Of the image file; the name where the record has none.
    image_id: int  # No other image has it.
    height: int
    width: int


class Scored(typing.NamedTuple):
    """The images of an evaluation, by numbers, and what they gave."""
    images: tuple[Image, ...]
    category_ids: tuple[int, ...]  # COCO's, of the classes from 1 on.
    groundtruths: average_precision.GroundTruths  # In pixels.
    detections: average_precision.Detections  # In pixels.
    results: average_precision.Results

    @property
    def class_names(self) -> list[str]:
        """The names of the classes from 1 on."""
        return [result.name for result in self.results.classes]

    def with_image_ids(self, rows: _Rows) -> _Rows:
        """Returns groundtruths or detections with ids as images' numbers."""
        ids = np.array([image.image_id for image in self.images], np.int64)
        return rows._replace(images=ids[rows.images])


def with_ids(images: Sequence[Image],
             source_ids: Sequence[str]) -> tuple[Image, ...]:
    """Gives images the ids that their records have, in the records' order.

    Where these are not whole numbers that differ, it is 1, 2, ... in the order
    of the images.
    """
    are_numbers = all(map(str.isdecimal, source_ids))
    ids = [int(text) for text in source_ids] if are_numbers else []
    if len(set(ids)) < len(images):
        return tuple(image._replace(image_id=number)
                     for number, image in enumerate(images, 1))
    return tuple(image._replace(image_id=ids[image.record])
                 for image in images)


def write_comp4(folder: str, split_name: str, scored: Scored) -> list[str]:
    """Writes comp4_det_<split>_<class>.txt, the devkit's files of detections.

    A line is: image, score, xmin, ymin, xmax, ymax. The numbers have as many
    digits as reading back the same float of their dtype takes, at least 6
    after the point of a score and 1 of a coordinate, so that the devkit
    scores what was scored here: give float32 to have short ones. A character
    that does not fit into a file name, or a space in an image's name, is
    written as in an address: %2F.

    Returns the paths; the file of a class that was never detected is empty.
    """
    number, found, paths = np.format_float_positional, scored.detections, []
    image_names = [files.quote(image.name, _UNSAFE_IN_COLUMNS)
                   for image in scored.images]
    for label, name in enumerate(scored.class_names, 1):
        lines = (' '.join([
            image_names[found.images[row]],
            number(found.scores[row], min_digits=6),
            *(number(found.bboxes[row, side], min_digits=1)
              for side in (1, 0, 3, 2))]) + '\n'
            for row in np.flatnonzero(found.classes == label))
        paths.append(os.path.join(folder, files.file_name(
            f'comp4_det_{split_name}_{name}') + '.txt'))
        files.write_whole(paths[-1], lines)
    return paths


def write_coco(folder: str, scored: Scored):
    """Writes detections.json and groundtruths.json, in COCO's formats.

    Results, and what they are scored against: images with their names, and
    classes, by the ids that the detections have.
    """
    def with_ids(rows):
        return scored.with_image_ids(rows)._replace(
            classes=category_ids[rows.classes])

    category_ids = np.array([0, *scored.category_ids], np.int64)
    files.write_whole(
        os.path.join(folder, DETECTIONS),
        _json_list(coco_rows.result_rows(with_ids(scored.detections))))
    images = ({'id': image.image_id, 'file_name': image.file_name,
               'height': image.height, 'width': image.width}
              for image in scored.images)
    categories = ({'id': number, 'name': name} for number, name in zip(
        scored.category_ids, scored.class_names, strict=True))
    annotations = coco_rows.annotation_rows(with_ids(scored.groundtruths))
    files.write_whole(os.path.join(folder, GROUNDTRUTHS), itertools.chain(
        ['{"images": '], _json_list(images), [', "categories": '],
        _json_list(categories), [', "annotations": '],
        _json_list(annotations), ['}\n']))


def _json_list(values: Iterable[dict]) -> Iterable[str]:
    """Yields the parts of a list in JSON, a line for each of its values."""
    start = '['
    for value in values:
        yield f'{start}\n{json.dumps(value, ensure_ascii=False)}'
        start = ','
    yield '[]' if start == '[' else '\n]'
