"""What an evaluation shows and leaves behind, from voc_metrics.Results.

The table on the screen, metrics.json, the scalars of TensorBoard, and the
detections as the VOC devkit reads them. A file appears whole or not at all.
"""
import contextlib
import json
import math
import os
import socket
import time

import numpy as np
import tensorflow.compat.v1 as tf

from common import files
from datasets import tfrecords

# Would split a column of the devkit's files.
_UNSAFE_IN_COLUMNS = ' %'


def format_table(results):
    """Returns the table for the screen: a row per class, then the means.

    Args:
      results: voc_metrics.Results.

    Returns:
      str of several lines. A class without an object to find has no average
      precision and is left out of the means; a last line says so.
    """
    rows = [('class', 'AP VOC07', 'AP VOC12', 'objects', 'detections')]
    rows += [
        (files.quote(result.name), _format_precision(result.ap_voc07),
         _format_precision(result.ap_voc12), str(result.num_objects),
         str(result.num_detections)) for result in results.classes]
    rows.append((
        'mAP', _format_precision(results.map_voc07),
        _format_precision(results.map_voc12),
        str(sum(result.num_objects for result in results.classes)),
        str(sum(result.num_detections for result in results.classes))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ['  '.join(
        [row[0].ljust(widths[0])]
        + [cell.rjust(width)
           for cell, width in zip(row[1:], widths[1:], strict=True)])
        for row in rows]
    rule = '-' * len(lines[0])
    lines = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
    num_empty = sum(result.num_objects == 0 for result in results.classes)
    if num_empty == len(results.classes):
        lines.append('There is no object to find: nothing to score.')
    elif num_empty:
        lines.append('- : no object of the class to find; '
                     'left out of the means.')
    return '\n'.join(lines)


def write_files(folder, split_name, image_names, detections, results,
                **about):
    """Writes the devkit's files, and metrics.json, which is of those files.

    An earlier metrics.json goes before they change; the new one comes last.

    Args:
      folder, split_name, image_names, detections: as for write_comp4.
      results: voc_metrics.Results of the detections.
      **about: as for write_metrics.

    Returns:
      The path of metrics.json.
    """
    path = os.path.join(folder, 'metrics.json')
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    write_comp4(folder, split_name, [result.name for result
                                     in results.classes],
                image_names, detections)
    write_metrics(path, results, **about)
    return path


def write_metrics(path, results, **about):
    """Writes metrics.json.

    Args:
      path: of the file; its folder is made if it is missing.
      results: voc_metrics.Results.
      **about: what was evaluated, such as step and checkpoint; written first.
    """
    content = {
        **about,
        'mAP_VOC07': _null_if_nan(results.map_voc07),
        'mAP_VOC12': _null_if_nan(results.map_voc12),
        'classes': {
            result.name: {
                'AP_VOC07': _null_if_nan(result.ap_voc07),
                'AP_VOC12': _null_if_nan(result.ap_voc12),
                'num_objects': int(result.num_objects),
                'num_detections': int(result.num_detections),
            } for result in results.classes},
    }
    files.write_whole(path, [json.dumps(
        content, indent=2, ensure_ascii=False, allow_nan=False), '\n'])


def write_scalars(folder, results, step):
    """Writes the scalars for TensorBoard, to a file of their own.

    Unlike a tf.summary.FileWriter, it raises where they cannot be written.
    """
    now = time.time()
    path = os.path.join(
        folder, f'events.out.tfevents.{now:.6f}.{socket.gethostname()}')
    with tfrecords.open_writer(path) as writer:
        for event in (
                tf.Event(wall_time=now, file_version='brain.Event:2'),
                tf.Event(wall_time=now, step=step,
                         summary=summaries(results))):
            writer.write(event.SerializeToString())


def summaries(results):
    """Returns the scalars for TensorBoard, as one tf.Summary.

    Args:
      results: voc_metrics.Results.

    Returns:
      tf.Summary with AP_VOC07/mAP, AP_VOC07/<class>, and AP_VOC12 likewise;
      without those that are not a number.
    """
    values = {}
    for kind, mean in (('VOC07', results.map_voc07),
                       ('VOC12', results.map_voc12)):
        for result in results.classes:
            values[f'AP_{kind}/{result.name}'] = getattr(
                result, f'ap_{kind.lower()}')
        # Last, in case a class has this name.
        values[f'AP_{kind}/mAP'] = mean
    return tf.Summary(value=[
        tf.Summary.Value(tag=tag, simple_value=value)
        for tag, value in values.items() if not math.isnan(value)])


def write_comp4(folder, split_name, class_names, image_names, detections):
    """Writes comp4_det_<split>_<class>.txt, the devkit's files of detections.

    A line is: image, score, xmin, ymin, xmax, ymax. The numbers have as many
    digits as reading back the same float of their dtype takes, at least 6
    after the point of a score and 1 of a coordinate, so that the devkit
    scores what was scored here: give float32 to have short ones. A character
    that does not fit into a file name, or a space in an image's name, is
    written as in an address: %2F.

    Args:
      folder: where to; made if it is missing.
      split_name: part of the files' names.
      class_names: names of the classes from 1 on; each gets a file, empty
        if there is no detection.
      image_names: the files' stems, by the images' numbers.
      detections: voc_metrics.Detections, in pixels; written in its order.

    Returns:
      The paths, in the order of class_names.
    """
    image_names = [files.quote(name, _UNSAFE_IN_COLUMNS)
                   for name in image_names]
    paths = []
    for label, name in enumerate(class_names, 1):
        rows = np.flatnonzero(detections.classes == label)
        file_name = files.file_name(
            f'comp4_det_{split_name}_{name}') + '.txt'
        paths.append(os.path.join(folder, file_name))
        files.write_whole(paths[-1], (
            ' '.join([image_names[image], _format_number(score, 6),
                      *(_format_number(bbox[i], 1) for i in (1, 0, 3, 2))])
            + '\n'
            for image, score, bbox in zip(
                detections.images[rows], detections.scores[rows],
                detections.bboxes[rows], strict=True)))
    return paths


def _format_number(value, min_digits):
    return np.format_float_positional(value, min_digits=min_digits)


def _format_precision(value):
    return '-' if math.isnan(value) else f'{value:.4f}'


def _null_if_nan(value):
    """Returns value as JSON can hold it."""
    return None if math.isnan(value) else float(value)
