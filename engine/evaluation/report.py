"""What an evaluation shows to people: <eval_dir>/report/index.html.

Curves, bars, the errors counted by kind, and the images where most is wrong.
The page holds all it shows, so that it can be sent to someone; beside it are
the figures as PNGs and their numbers as CSVs.
"""
import csv
import io
import os

import numpy as np

from common import files
from detection import error_kinds
from engine.evaluation import figures
from engine.evaluation import pictures
from engine.evaluation import report_page

NUM_CONFUSIONS = 12


def write(folder, about, paths, names, groundtruths, detections, results,
          matching_threshold=0.5):
    """Writes the report of an evaluation.

    Args:
      folder: where to; made if it is missing. index.html comes last, and
        every file is whole or not there.
      about: dict of str: what was evaluated, shown as it is.
      paths: of the records, in order: some images are read again.
      names: of the images, by their numbers.
      groundtruths: voc_metrics.GroundTruths, in pixels.
      detections: voc_metrics.Detections, in pixels.
      results: voc_metrics.Results of those two.
      matching_threshold: the overlap from which a detection is right.

    Returns:
      The path of the page.

    Raises:
      ValueError: the records are damaged.
      OSError: the folder cannot be written to.
    """
    class_names = [result.name for result in results.classes]
    breakdown = error_kinds.break_down(
        groundtruths, detections, matching_threshold)
    counts = error_kinds.count(
        breakdown, groundtruths, detections, len(class_names))
    overview = figures.overview(results)
    curves = [figures.precision_recall(result)
              for result in results.classes]
    _write_figures(folder, results, overview, curves, counts)
    confusions = [
        (number, class_names[of - 1], class_names[taken_for - 1])
        for number, of, taken_for in error_kinds.confusions(
            breakdown, groundtruths, detections)[:NUM_CONFUSIONS]]
    false_positives, missed = _pictures(
        paths, names, groundtruths, detections, breakdown, class_names)
    path = os.path.join(folder, 'index.html')
    files.write_whole(path, [report_page.page(
        about, results, overview, curves, counts, confusions,
        false_positives, missed, matching_threshold)])
    return path


def _write_figures(folder, results, overview, curves, counts):
    """Writes the PNGs and CSVs."""
    files.write_whole(os.path.join(folder, 'overview.png'), [overview])
    for result, curve in zip(results.classes, curves, strict=True):
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
    for result, count in zip(results.classes, counts, strict=True):
        table.writerow([result.name, *count.values()])
    files.write_whole(
        os.path.join(folder, 'errors.csv'), [text.getvalue()])


def _pictures(paths, names, groundtruths, detections, breakdown, class_names):
    """Draws the images where most is wrong.

    Returns:
      report_page.Pictures of the most confident errors, and of the images
      with the most missed objects.
    """
    errors = pictures.most_confident_errors(breakdown, detections)
    missed = pictures.most_missed(breakdown, groundtruths, detections)
    samples = pictures.read_images(
        paths, names, {choice.image for choice in [*errors, *missed]})
    drawn = []
    for choices in (errors, missed):
        drawn.append([])
        for choice in choices:
            text = f'{choice.num_missed} missed'
            if choice.num_missed is None:
                text = pictures.describe(
                    choice.rows[0], groundtruths, detections, breakdown,
                    class_names)
            drawn[-1].append(report_page.Picture(
                names[choice.image], text, pictures.draw(
                    choice, samples[choice.image], groundtruths, detections,
                    breakdown, class_names)))
    return drawn
