"""What an evaluation shows to people: <eval_dir>/report/index.html.

Curves, thresholds, the errors counted by kind, the images where most is right
and where most is wrong, and what changed since another evaluation. The page
holds all it shows, so that it can be sent to someone; beside it are the
figures as PNGs and their numbers as CSVs.
"""
import base64
import csv
import io
import os
import typing
from collections.abc import Iterable

import jinja2
import numpy as np

from common import files
from detection import average_precision
from detection import coco_metrics
from detection import error_kinds
from engine.evaluation import comparison
from engine.evaluation import detection_files
from engine.evaluation import figures
from engine.evaluation import pictures
from engine.evaluation import results

NUM_CONFUSIONS = 12


class AtBest(typing.NamedTuple):
    """What is above the threshold of the best F1."""
    point: average_precision.OperatingPoint
    breakdown: error_kinds.Breakdown
    matrix: np.ndarray  # See error_kinds.confusion_matrix.
    counts: np.ndarray  # See error_kinds.count_by_image.
    figure: bytes
    matrix_figure: bytes


def write(folder: str, about: dict[str, str | int], paths: list[str],
          scored: detection_files.Scored, matching_threshold: float = 0.5,
          compared: comparison.Comparison | None = None) -> str:
    """Writes the report of an evaluation; returns the path of its page.

    Args:
      folder: where to; made if it is missing. The page comes last.
      about: what was evaluated, shown as it is.
      paths: of the shards, in order: some images are read again.
      scored: what is reported.
      matching_threshold: the overlap from which a detection is right.
      compared: what changed since another evaluation, if that is wanted.

    Raises:
      ValueError: the records are damaged.
      OSError: the folder cannot be written to.
    """
    names, classes = scored.class_names, scored.results.classes
    breakdown = error_kinds.break_down(
        scored.groundtruths, scored.detections, matching_threshold)
    overview = figures.overview(scored.results)
    curves = [figures.precision_recall(result) for result in classes]
    counts = error_kinds.count(breakdown, len(names))
    at_best = _at_best(scored, breakdown, matching_threshold)
    _write_figures(folder, scored, overview, curves, counts, at_best)
    finds = [] if at_best is None else pictures.best_finds(
        at_best.breakdown, len(scored.images))
    finds, errors, missed, *changed = pictures.draw(paths, scored, [
        finds, pictures.most_confident_errors(breakdown, names),
        pictures.most_missed(breakdown),
        *(compared.pictures() if compared else ())])
    path = os.path.join(folder, 'index.html')
    files.write_whole(path, [_page(
        about=about, results=scored.results, overview=overview,
        curves=curves, counts=counts, class_names=names,
        confusions=error_kinds.confusions(breakdown)[:NUM_CONFUSIONS],
        at_best=at_best, sizes=_sizes(scored), finds=finds, errors=errors,
        missed=missed, compared=compared, changed=changed,
        matching_threshold=matching_threshold,
        min_overlap=error_kinds.MIN_OVERLAP)])
    return path


def _at_best(scored, breakdown, matching_threshold):
    """Returns AtBest, None if nothing was found right."""
    point = scored.results.pooled and scored.results.pooled.best
    if point is None:
        return None
    names, found = scored.class_names, error_kinds.above(
        breakdown, point.threshold)
    matrix = error_kinds.confusion_matrix(
        scored.groundtruths, scored.detections, len(names), point.threshold,
        matching_threshold)
    return AtBest(
        point, found, matrix,
        error_kinds.count_by_image(found, len(scored.images)),
        figures.f1_by_threshold(scored.results),
        figures.confusion_matrix(matrix, names))


def _sizes(scored):
    """Returns (class, its metrics, objects of each size), or none.

    The last is of all classes.
    """
    whole = scored.results.metrics
    if f'AP{coco_metrics.SIZES[0]}_COCO' not in whole:
        return []
    counted = ~scored.groundtruths.difficult
    numbers = np.zeros((1 + len(scored.class_names), 3), int)
    np.add.at(numbers, (scored.groundtruths.classes[counted],
                        coco_metrics.size_of(
                            scored.groundtruths.areas[counted])), 1)
    rows = [(result.name, result.metrics) for result in scored.results.classes]
    return [(name, [metrics.get(f'AP{size}_COCO')
                    for size in coco_metrics.SIZES], number.tolist())
            for (name, metrics), number in zip(
                [*rows, ('all', whole)], [*numbers[1:], numbers.sum(0)],
                strict=True)]


def _page(**content):
    """Returns report.html.jinja with its content filled in, escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.dirname(__file__)),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters.update(
        base64=lambda image: base64.b64encode(image).decode(),
        number=results.format_number, change=results.format_change,
        threshold=results.format_threshold, mean_name=results.mean_name,
        rule=results.rule_of)
    return environment.get_template('report.html.jinja').render(
        content, mains=results.main_metrics(content['results']),
        size_names=coco_metrics.SIZES)


def _write_figures(folder, scored, overview, curves, counts, at_best):
    """Writes the PNGs and CSVs."""
    files.write_whole(os.path.join(folder, 'overview.png'), [overview])
    for result, curve in zip(scored.results.classes, curves, strict=True):
        path = os.path.join(folder, files.file_name(
            f'precision_recall_{result.name}'))
        files.write_whole(path + '.png', [curve])
        rows = np.stack([result.scores, result.precision, result.recall], 1)
        files.write_whole(path + '.csv', [
            'score,precision,recall\n',
            *('{:.6g},{:.6g},{:.6g}\n'.format(*row) for row in rows)])
    names = scored.class_names
    _write_csv(folder, 'errors.csv', ['class', *counts[0]], (
        [name, *count.values()]
        for name, count in zip(names, counts, strict=True)))
    if at_best is not None:
        files.write_whole(
            os.path.join(folder, 'f1.png'), [at_best.figure])
        files.write_whole(os.path.join(folder, 'confusion_matrix.png'),
                          [at_best.matrix_figure])
        _write_csv(folder, 'confusion_matrix.csv', [
            'object', 'not found', *names], (
            [name, *row] for name, row in zip(
                ['no object', *names], at_best.matrix.tolist(), strict=True)))
        _write_csv(folder, 'images.csv', [
            'image', 'found', 'missed', 'wrong'], (
            [image.name, *row] for image, row in zip(
                scored.images, at_best.counts.tolist(), strict=True)))


def _write_csv(folder: str, name: str, head: list[str],
               rows: Iterable[list]):
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(head)
    table.writerows(rows)
    files.write_whole(os.path.join(folder, name), [text.getvalue()])
