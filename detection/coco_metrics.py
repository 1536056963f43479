"""COCO's average precision and recall, measured by pycocotools itself.

Bboxes are [ymin, xmin, ymax, xmax] in pixels, as everywhere; unlike in
average_precision, and as in COCO, the last pixel is not counted: the width is
xmax - xmin. What is difficult is a crowd to COCO: any number of detections
may lie in it, and none of them counts.

What is measured is what the rows say that go into files (coco_rows), digit by
digit: another program that reads the files gets the same numbers.
"""
import contextlib
import io

import numpy as np
from pycocotools import coco
from pycocotools import cocoeval

from detection import average_precision
from detection import coco_rows

SIZES = ('small', 'medium', 'large')
# The borders of the SIZES: square pixels of an object's area.
SIZE_BORDERS = (32 ** 2, 96 ** 2)


def evaluate(groundtruths: average_precision.GroundTruths,
             detections: average_precision.Detections,
             class_names: list[str]) -> average_precision.Results:
    """Returns the 12 numbers of COCO for a data set, and for each class.

    One class at a time, so that of the rows, which take much more memory
    than arrays, there are never many. The mean over the classes is what
    pycocotools says of all of them.

    Args:
      groundtruths, detections: of all images; their numbers settle ties.
      class_names: from class 1 on.
    """
    results = []
    for label, name in enumerate(class_names, 1):
        objects, found = (
            type(rows)(*(column[rows.classes == label] for column in rows))
            for rows in (groundtruths, detections))
        results.append(average_precision.ClassResult(
            name, _measure(objects, found),
            np.count_nonzero(~objects.difficult), len(found.scores)))
    return average_precision.mean_over_classes(results)


def size_of(areas: np.ndarray) -> np.ndarray:
    """Returns the index in SIZES of areas in square pixels, [n]."""
    return np.searchsorted(SIZE_BORDERS, areas, side='right')


def _measure(groundtruths, detections):
    """Returns {name: value} for the objects and detections of one class."""
    annotations = list(coco_rows.annotation_rows(groundtruths))
    found = [{**row, 'id': number, 'area': row['bbox'][2] * row['bbox'][3]}
             for number, row in enumerate(
                 coco_rows.result_rows(detections), 1)]
    # An image with nothing of the class says nothing about it.
    images = sorted({row['image_id'] for row in annotations + found})
    categories = sorted({row['category_id'] for row in annotations + found})
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = cocoeval.COCOeval(
            _index(images, categories, annotations),
            _index(images, categories, found), 'bbox')
        if images:
            evaluation.evaluate()
            evaluation.accumulate()
    return _summary(evaluation.eval)


def _index(images, categories, rows):
    """Returns the coco.COCO of annotations or of detections."""
    index = coco.COCO()
    index.dataset = {'images': [{'id': image} for image in images],
                     'categories': [{'id': label} for label in categories],
                     'annotations': rows}
    index.createIndex()
    return index


def _summary(values):
    """Returns {name: value} of COCOeval.eval, in the order of its summary."""
    # [thresholds of overlap, of recall, classes, sizes, numbers of detections]
    precision = values.get('precision', np.full((10, 1, 1, 4, 3), -1))
    recall = values.get('recall', np.full((10, 1, 4, 3), -1))[:, None]
    parts = {
        'AP50-95': precision[..., 0, 2], 'AP50': precision[0, ..., 0, 2],
        'AP75': precision[5, ..., 0, 2],
        **{f'AP{size}': precision[..., number, 2]
           for number, size in enumerate(SIZES, 1)},
        **{f'AR{most}': recall[..., 0, number]
           for number, most in enumerate((1, 10, 100))},
        **{f'AR{size}': recall[..., number, 2]
           for number, size in enumerate(SIZES, 1)}}
    # -1: there is no object to find.
    return {f'{name}_COCO': np.nan if part.min() < 0 else float(part.mean())
            for name, part in parts.items()}
