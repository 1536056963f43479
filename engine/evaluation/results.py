"""What an evaluation leaves behind, whatever its metrics are.

The table on the screen, metrics.json, the scalars of TensorBoard, and the
detections as the VOC devkit reads them. A file appears whole or not at all.
"""
import contextlib
import json
import math
import os
import socket
import time
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from common import files
from common import tables
from datasets import tfrecords
from detection import average_precision

# Would split a column of the devkit's files.
_UNSAFE_IN_COLUMNS = ' %'


class Scored(typing.NamedTuple):
    """The images of an evaluation, by numbers, and what they gave."""
    records: list[int]  # Which record each image is, counted from 0.
    image_names: list[str]  # The files' stems.
    groundtruths: average_precision.GroundTruths  # In pixels.
    detections: average_precision.Detections  # In pixels.
    results: average_precision.Results

    @property
    def class_names(self) -> list[str]:
        """The names of the classes from 1 on."""
        return [result.name for result in self.results.classes]


def mean_name(name: str, results: average_precision.Results) -> str:
    """Returns what a metric is called where it is the mean over classes."""
    return 'm' * any(name in result.metrics
                     for result in results.classes) + name


def format_number(value: float | None, num_digits: int) -> str:
    """Returns a metric's value: '-' where NaN, '' where there is none."""
    if value is None:
        return ''
    return '-' if math.isnan(value) else f'{value:.{num_digits}f}'


def format_table(results: average_precision.Results) -> str:
    """Returns the table for the screen: a row per class, then the means.

    A class without an object to find has no average precision and is left
    out of the means; a last line says so.
    """
    def row(name, metrics, *counts):
        return (name, *(format_number(metrics.get(metric), 4)
                        for metric in results.metrics), *counts)

    is_empty = [not result.num_objects for result in results.classes]
    head, *rows = tables.lines([
        ('class', *(name.replace('_', ' ') for name in results.metrics),
         'objects', 'detections'),
        *(row(files.quote(result.name), result.metrics, result.num_objects,
              result.num_detections) for result in results.classes),
        row(mean_name(next(iter(results.metrics)), results).split('_')[0],
            results.metrics,
            sum(result.num_objects for result in results.classes),
            sum(result.num_detections for result in results.classes))])
    rule = '-' * len(head)
    lines = [head, rule, *rows[:-1], rule, rows[-1]]
    if all(is_empty):
        lines.append('There is no object to find: nothing to score.')
    elif any(is_empty):
        lines.append('- : no object of the class to find; '
                     'left out of the means.')
    return '\n'.join(lines)


def write_files(folder: str, split_name: str, scored: Scored,
                **about: str | int) -> str:
    """Writes the devkit's files and metrics.json; returns the latter's path.

    An earlier metrics.json, which is of other files, goes before they change;
    the new one comes last, and begins with `about`.
    """
    path = os.path.join(folder, 'metrics.json')
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    write_comp4(folder, split_name, scored)
    write_metrics(path, scored.results, **about)
    return path


def write_metrics(path: str, results: average_precision.Results,
                  **about: str | int):
    """Writes metrics.json; a value that is not a number becomes null."""
    def numbers(metrics):
        return {name: None if math.isnan(value) else float(value)
                for name, value in metrics.items()}

    content = {
        **about,
        **numbers({mean_name(name, results): value
                   for name, value in results.metrics.items()}),
        'classes': {
            result.name: {
                **numbers(result.metrics),
                'num_objects': int(result.num_objects),
                'num_detections': int(result.num_detections),
            } for result in results.classes},
    }
    files.write_whole(path, [json.dumps(
        content, indent=2, ensure_ascii=False, allow_nan=False), '\n'])


def write_scalars(folder: str, results: average_precision.Results,
                  step: int):
    """Writes the scalars for TensorBoard, to a file of their own.

    AP_VOC07/mAP, AP_VOC07/<class> and so on, without those that are not a
    number. Unlike a tf.summary.FileWriter, it raises where they cannot be
    written.
    """
    values = {f'{name}/{result.name}': value for result in results.classes
              for name, value in result.metrics.items()}
    # Last, in case a class has this name.
    values.update({
        f'{name}/{mean_name(name, results).split("_")[0]}': value
        for name, value in results.metrics.items()})
    now = time.time()
    path = os.path.join(
        folder, f'events.out.tfevents.{now:.6f}.{socket.gethostname()}')
    with tfrecords.open_writer(path) as writer:
        for event in (
                tf.Event(wall_time=now, file_version='brain.Event:2'),
                tf.Event(wall_time=now, step=step, summary=tf.Summary(value=[
                    tf.Summary.Value(tag=tag, simple_value=value)
                    for tag, value in values.items()
                    if not math.isnan(value)]))):
            writer.write(event.SerializeToString())


def write_comp4(folder: str, split_name: str, scored: Scored) -> list[str]:
    """Writes comp4_det_<split>_<class>.txt, the devkit's files of detections.

    A line is: image, score, xmin, ymin, xmax, ymax. The numbers have as many
    digits as reading back the same float of their dtype takes, at least 6
    after the point of a score and 1 of a coordinate, so that the devkit
    scores what was scored here: give float32 to have short ones. A character
    that does not fit into a file name, or a space in an image's name, is
    written as in an address: %2F.

    Returns:
      The path of each class; its file is empty if it was never detected.
    """
    number, detections = np.format_float_positional, scored.detections
    image_names = [files.quote(name, _UNSAFE_IN_COLUMNS)
                   for name in scored.image_names]
    paths = []
    for label, name in enumerate(scored.class_names, 1):
        paths.append(os.path.join(folder, files.file_name(
            f'comp4_det_{split_name}_{name}') + '.txt'))
        rows = np.flatnonzero(detections.classes == label)
        files.write_whole(paths[-1], (
            ' '.join([image_names[image], number(score, min_digits=6), *(
                number(bbox[i], min_digits=1) for i in (1, 0, 3, 2))]) + '\n'
            for image, score, bbox in zip(
                detections.images[rows], detections.scores[rows],
                detections.bboxes[rows], strict=True)))
    return paths
