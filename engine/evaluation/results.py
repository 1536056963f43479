"""What an evaluation leaves behind, whatever its metrics are.

The table on the screen, the same as results.csv, metrics.json, the scalars of
TensorBoard, and the detections. A file appears whole or not at all.
"""
import contextlib
import csv
import io
import json
import math
import os
import socket
import textwrap
import time

import tensorflow.compat.v1 as tf

from common import files
from common import tables
from datasets import tfrecords
from detection import average_precision
from engine.evaluation import detection_files

METRICS = 'metrics.json'
_SCREEN_WIDTH = 79


def mean_name(name: str, results: average_precision.Results) -> str:
    """Returns what a metric is called where it is the mean over classes."""
    return 'm' * any(name in result.metrics
                     for result in results.classes) + name


def rule_of(name: str) -> str:
    """Returns by whose rule a metric is, its own name if by none."""
    return name.partition('_')[2] or name


def main_metrics(results: average_precision.Results) -> list[str]:
    """Returns the first metric of each rule: a table has room for these."""
    mains = {}
    for name in results.metrics:
        mains.setdefault(rule_of(name), name)
    return list(mains.values())


def format_number(value: float | None, num_digits: int) -> str:
    """Returns a metric's value: '-' where NaN, '' where there is none."""
    if value is None:
        return ''
    return '-' if math.isnan(value) else f'{value:.{num_digits}f}'


def format_table(results: average_precision.Results) -> str:
    """Returns the table for the screen: a row per class, then the means.

    A class without an object to find has no average precision and is left
    out of the means; a line says so. The metrics that have no column, and the
    best threshold, are below.
    """
    def row(name, metrics, *counts):
        return (name, *(format_number(metrics.get(metric), 4)
                        for metric in mains), *counts)

    classes, mains = results.classes, main_metrics(results)
    head, *body, means = tables.lines([
        ('class', *(name.replace('_', ' ') for name in mains),
         'objects', 'detections'),
        *(row(files.quote(result.name), result.metrics, result.num_objects,
              result.num_detections) for result in classes),
        row(mean_name(mains[0], results).split('_')[0], results.metrics,
            sum(result.num_objects for result in classes),
            sum(result.num_detections for result in classes))])
    rule = '-' * len(head)
    lines = [head, rule, *body, rule, means]
    if not any(result.num_objects for result in classes):
        lines.append('There is no object to find: nothing to score.')
    elif not all(result.num_objects for result in classes):
        lines.append(
            '- : no object of the class to find; left out of the means.')
    return '\n'.join([*lines, *_other_lines(results, mains)])


def _other_lines(results, mains):
    """Returns lines of what the table has no column for."""
    lines = []
    for rule in map(rule_of, mains):
        others = [  # Not parted from its number.
            f'{mean_name(name, results).partition("_")[0]}\xa0'
            f'{format_number(value, 4)}'
            for name, value in results.metrics.items()
            if rule_of(name) == rule and name not in mains]
        if others:
            lines += [line.replace('\xa0', ' ') for line in textwrap.wrap(
                f'{rule}: {", ".join(others)}', _SCREEN_WIDTH,
                subsequent_indent='  ')]
    best = results.pooled and results.pooled.best
    if best:
        lines.append(
            f'Best F1: {best.f1:.4f} (precision {best.precision:.4f}, recall '
            f'{best.recall:.4f}) at --select_threshold='
            f'{format_threshold(best.threshold)}')
    return lines


def format_change(before: float, now: float, num_digits: int) -> str:
    """Returns by how much a metric changed: '' where one is NaN."""
    change = now - before
    return '' if math.isnan(change) else f'{change:+.{num_digits}f}'


def format_threshold(value: float) -> str:
    """Returns a threshold with all its digits."""
    return f'{value:.9g}'


def write_files(
        folder: str, scored: detection_files.Scored,
        about: dict[str, str | int]) -> str:
    """Writes all but the report; returns the path of metrics.json.

    That begins with `about`, which has 'split' and 'step'; a value that is
    not a number is null. An earlier one goes before the files of its
    detections.
    """
    path, results = os.path.join(folder, METRICS), scored.results
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    detection_files.write_comp4(folder, about['split'], scored)
    detection_files.write_coco(folder, scored)
    write_table(folder, results)
    files.write_whole(path, [json.dumps(
        {**about, **summary(results)}, indent=2, ensure_ascii=False,
        allow_nan=False), '\n'])
    write_scalars(folder, results, about['step'])
    return path


def summary(results: average_precision.Results) -> dict:
    """Returns the numbers of metrics.json."""
    def numbers(metrics):
        return {name: None if math.isnan(value) else float(value)
                for name, value in metrics.items()}

    best = thresholds(results)
    return {
        **numbers({mean_name(name, results): value
                   for name, value in results.metrics.items()}),
        'best_f1': best['best_f1'],
        'classes': {
            result.name: {
                **numbers(result.metrics),
                'best_f1': best['classes'][result.name],
                'num_objects': int(result.num_objects),
                'num_detections': int(result.num_detections)}
            for result in results.classes}}


def thresholds(results: average_precision.Results) -> dict:
    """Returns the best threshold, and that of each class, as in JSON."""
    def best_f1(result):
        if result is None or result.best is None:
            return None
        threshold, f1, precision, recall = result.best
        return {'select_threshold': threshold, 'f1': f1,
                'precision': precision, 'recall': recall}

    return {'best_f1': best_f1(results.pooled),
            'classes': {result.name: best_f1(result)
                        for result in results.classes}}


def write_table(folder: str, results: average_precision.Results):
    """Writes results.csv: a row per class, and a last one of all."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(['class', *results.metrics, 'objects', 'detections',
                    'best_f1', 'precision', 'recall', 'select_threshold'])
    pooled = results.pooled or average_precision.ClassResult('all', {}, 0, 0)
    for result in (*results.classes, pooled._replace(metrics=results.metrics)):
        threshold, *at_best = result.best or (math.nan,) * 4
        numbers = [result.metrics.get(name, math.nan)
                   for name in results.metrics]
        table.writerow([
            result.name, *map(_cell, numbers), result.num_objects,
            result.num_detections, *map(_cell, at_best), _cell(threshold)])
    files.write_whole(os.path.join(folder, 'results.csv'), [text.getvalue()])


def _cell(value):
    return '' if math.isnan(value) else f'{value:.9g}'


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
