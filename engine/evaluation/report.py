"""What an evaluation shows to people: <eval_dir>/report/index.html.

Curves, bars, the errors counted by kind, and the images where most is wrong.
The page holds all it shows, so that it can be sent to someone; beside it are
the figures as PNGs and their numbers as CSVs.
"""
import base64
import csv
import io
import os

import jinja2
import numpy as np

from common import files
from detection import error_kinds
from engine.evaluation import figures
from engine.evaluation import pictures
from engine.evaluation import results

NUM_CONFUSIONS = 12


def write(folder: str, about: dict[str, str | int], paths: list[str],
          scored: results.Scored, matching_threshold: float = 0.5) -> str:
    """Writes the report of an evaluation; returns the path of its page.

    Args:
      folder: where to; made if it is missing. The page comes last, and every
        file is whole or not there.
      about: what was evaluated, shown as it is.
      paths: of the shards, in order: some images are read again.
      scored: what is reported.
      matching_threshold: the overlap from which a detection is right.

    Raises:
      ValueError: the records are damaged.
      OSError: the folder cannot be written to.
    """
    groundtruths, detections = scored.groundtruths, scored.detections
    names = scored.class_names
    breakdown = error_kinds.break_down(
        groundtruths, detections, matching_threshold)
    counts = error_kinds.count(
        breakdown, groundtruths, detections, len(names))
    overview = figures.overview(scored.results)
    curves = [figures.precision_recall(result)
              for result in scored.results.classes]
    _write_figures(folder, scored.results, overview, curves, counts)
    confusions = [
        (number, names[of - 1], names[taken_for - 1])
        for number, of, taken_for in error_kinds.confusions(
            breakdown, groundtruths, detections)[:NUM_CONFUSIONS]]
    errors, missed = _pictures(paths, scored, breakdown)
    path = os.path.join(folder, 'index.html')
    files.write_whole(path, [_page(
        about=about, results=scored.results, overview=overview,
        curves=curves, counts=counts, confusions=confusions, errors=errors,
        missed=missed, matching_threshold=matching_threshold,
        min_overlap=error_kinds.MIN_OVERLAP)])
    return path


def _page(**content):
    """Returns report.html.jinja with its content filled in, escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.dirname(__file__)),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters.update(
        base64=lambda image: base64.b64encode(image).decode(),
        best_f1=figures.best_f1, number=results.format_number,
        mean_name=results.mean_name)
    return environment.get_template('report.html.jinja').render(content)


def _write_figures(folder, scores, overview, curves, counts):
    """Writes the PNGs and CSVs."""
    files.write_whole(os.path.join(folder, 'overview.png'), [overview])
    for result, curve in zip(scores.classes, curves, strict=True):
        path = os.path.join(folder, files.file_name(
            f'precision_recall_{result.name}'))
        files.write_whole(path + '.png', [curve])
        rows = np.stack([result.scores, result.precision, result.recall], 1)
        files.write_whole(path + '.csv', [
            'score,precision,recall\n',
            *(f'{score:.6g},{precision:.6g},{recall:.6g}\n'
              for score, precision, recall in rows.tolist())])
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(['class', *counts[0]])
    for result, count in zip(scores.classes, counts, strict=True):
        table.writerow([result.name, *count.values()])
    files.write_whole(
        os.path.join(folder, 'errors.csv'), [text.getvalue()])


def _pictures(paths, scored, breakdown):
    """Draws the images where most is wrong.

    Returns:
      Of the most confident errors, and of the images with the most missed
      objects: the name of the image, why it is shown, and its JPEG.
    """
    groups = (pictures.most_confident_errors(scored, breakdown),
              pictures.most_missed(scored, breakdown))
    samples = pictures.read_images(paths, {
        scored.records[choice.image]
        for choices in groups for choice in choices})
    return [[(
        scored.image_names[choice.image], choice.text, pictures.draw(
            choice, samples[scored.records[choice.image]], scored, breakdown))
        for choice in choices] for choices in groups]
