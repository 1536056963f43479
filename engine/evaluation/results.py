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
    records: tuple[int, ...]  # Which record each image is, from 0 on.
    image_names: tuple[str, ...]  # The files' stems.
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

    classes, headline = results.classes, next(iter(results.metrics))
    head, *body, means = tables.lines([
        ('class', *(name.replace('_', ' ') for name in results.metrics),
         'objects', 'detections'),
        *(row(files.quote(result.name), result.metrics, result.num_objects,
              result.num_detections) for result in classes),
        row(mean_name(headline, results).split('_')[0], results.metrics,
            sum(result.num_objects for result in classes),
            sum(result.num_detections for result in classes))])
    rule = '-' * len(head)
    lines = [head, rule, *body, rule, means]
    if not any(result.num_objects for result in classes):
        lines.append('There is no object to find: nothing to score.')
    elif not all(result.num_objects for result in classes):
        lines.append(
            '- : no object of the class to find; left out of the means.')
    return '\n'.join(lines)


def write_files(
        folder: str, scored: Scored, about: dict[str, str | int]) -> str:
    """Writes devkit's files, metrics.json, scalars; returns metrics.json.

    It begins with `about`, which has 'split' and 'step'; a value that is not
    a number is null. An earlier one goes before the files of its detections.
    """
    def numbers(metrics):
        return {name: None if math.isnan(value) else float(value)
                for name, value in metrics.items()}

    path, results = os.path.join(folder, 'metrics.json'), scored.results
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    write_comp4(folder, about['split'], scored)
    content = {
        **about,
        **numbers({mean_name(name, results): value
                   for name, value in results.metrics.items()}),
        'classes': {
            result.name: {
                **numbers(result.metrics),
                'num_objects': int(result.num_objects),
                'num_detections': int(result.num_detections)}
            for result in results.classes}}
    files.write_whole(path, [json.dumps(
        content, indent=2, ensure_ascii=False, allow_nan=False), '\n'])
    write_scalars(folder, results, about['step'])
    return path


def write_scalars(folder: str, results: average_precision.Results,
                  step: int):
    """Writes AP_VOC07/mAP, AP_VOC07/<class> and so on for TensorBoard.

    To a file of their own, without those that are not a number. Unlike a
    tf.summary.FileWriter, it raises where they cannot be written.
    """
    values = {f'{name}/{result.name}': value for result in results.classes
              for name, value in result.metrics.items()}
    # Last, in case a class has this name.
    values |= {f'{name}/{mean_name(name, results).split("_")[0]}': value
               for name, value in results.metrics.items()}
    now = time.time()
    path = os.path.join(
        folder, f'events.out.tfevents.{now:.6f}.{socket.gethostname()}')
    summary = tf.Summary(value=[
        tf.Summary.Value(tag=tag, simple_value=value)
        for tag, value in values.items() if not math.isnan(value)])
    with tfrecords.open_writer(path) as writer:
        for event in (tf.Event(wall_time=now, file_version='brain.Event:2'),
                      tf.Event(wall_time=now, step=step, summary=summary)):
            writer.write(event.SerializeToString())


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
    image_names = [files.quote(name, _UNSAFE_IN_COLUMNS)
                   for name in scored.image_names]
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
