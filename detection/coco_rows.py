"""Objects and detections as COCO's files have them.

Bboxes are [ymin, xmin, ymax, xmax] in pixels; the last pixel is not counted.
"""
from collections.abc import Iterator

import numpy as np

from detection import average_precision


def annotation_rows(
        groundtruths: average_precision.GroundTruths) -> Iterator[dict]:
    """Yields the `annotations` of a COCO file; ids count from 1.

    image_id and category_id are the images and classes as they are given.
    """
    columns = (groundtruths.images, groundtruths.classes,
               _xywh(groundtruths.bboxes), groundtruths.difficult,
               np.round(groundtruths.areas.astype(float), 2))
    for row, (image, label, bbox, is_crowd, area) in enumerate(
            zip(*(column.tolist() for column in columns)), 1):
        # Ids from 0 on would cost pycocotools a match.
        yield {'id': row, 'image_id': image, 'category_id': label,
               'bbox': bbox, 'area': area, 'iscrowd': int(is_crowd)}


def result_rows(detections: average_precision.Detections) -> Iterator[dict]:
    """Yields the rows of a file of COCO's results; see annotation_rows."""
    for image, label, score, bbox in zip(
            detections.images.tolist(), detections.classes.tolist(),
            detections.scores, _xywh(detections.bboxes).tolist()):
        # str has the fewest digits that tell the score from others.
        yield {'image_id': image, 'category_id': label, 'bbox': bbox,
               'score': float(str(score))}


def _xywh(bboxes):
    """Returns x, y, width and height, rounded: float64 [n, 4]."""
    ymin, xmin, ymax, xmax = bboxes.astype(float).T
    return np.round(np.stack([xmin, ymin, xmax - xmin, ymax - ymin], 1), 4)
