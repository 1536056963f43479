"""Objects and detections of a few images, row by row."""
import numpy as np

from detection import average_precision


def objects(*rows):
    """rows: image, class, bbox, is_difficult."""
    images, classes, bboxes, difficult = zip(*rows) if rows else ((),) * 4
    bboxes = np.reshape(bboxes, (-1, 4)).astype(float)
    return average_precision.GroundTruths(
        np.array(images, int), np.array(classes, int), bboxes,
        np.array(difficult, bool),
        np.prod(bboxes[:, 2:] - bboxes[:, :2], axis=1))


def found(*rows, dtype=float):
    """rows: image, class, score, bbox."""
    images, classes, scores, bboxes = zip(*rows) if rows else ((),) * 4
    return average_precision.Detections(
        np.array(images, int), np.array(classes, int),
        np.array(scores, dtype), np.reshape(bboxes, (-1, 4)).astype(dtype))
