"""What an evaluation shows to people: <eval_dir>/report/index.html.

Curves, bars, the errors counted by kind, and the images where most is wrong.
The page holds all it shows, so that it can be sent to someone; beside it are
the figures as PNGs and their numbers as CSVs.
"""
import base64
import collections
import csv
import io
import itertools
import os

import cv2
import jinja2
import numpy as np

from common import drawing
from common import files
from datasets import records
from detection import error_kinds
from engine.evaluation import figures
from engine.evaluation import results

NUM_CONFUSIONS = 12
NUM_PICTURES = 12  # Of errors, and of missed objects.
MAX_SIDE, JPEG_QUALITY = 560, 82  # Of a picture, in pixels.
# Colors tell what became of a box, not its class: these ids of
# drawing.class_color are green, orange, crimson and blue.
FOUND, MISSED, WRONG, DIFFICULT = 7, 5, 8, 1


def write(folder: str, about: dict[str, str | int], paths: list[str],
          scored: results.Scored, matching_threshold: float = 0.5) -> str:
    """Writes the report of an evaluation; returns the path of its page.

    Args:
      folder: where to; made if it is missing. The page comes last.
      about: what was evaluated, shown as it is.
      paths: of the shards, in order: some images are read again.
      scored: what is reported.
      matching_threshold: the overlap from which a detection is right.

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
    _write_figures(folder, classes, overview, curves, counts)
    errors, missed = _pictures(paths, scored, breakdown)
    path = os.path.join(folder, 'index.html')
    files.write_whole(path, [_page(
        about=about, results=scored.results, overview=overview,
        curves=curves, counts=counts, class_names=names,
        confusions=error_kinds.confusions(breakdown)[:NUM_CONFUSIONS],
        errors=errors, missed=missed, matching_threshold=matching_threshold,
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


def _write_figures(folder, classes, overview, curves, counts):
    """Writes the PNGs and CSVs."""
    files.write_whole(os.path.join(folder, 'overview.png'), [overview])
    for result, curve in zip(classes, curves, strict=True):
        path = os.path.join(folder, files.file_name(
            f'precision_recall_{result.name}'))
        files.write_whole(path + '.png', [curve])
        rows = np.stack([result.scores, result.precision, result.recall], 1)
        files.write_whole(path + '.csv', [
            'score,precision,recall\n',
            *('{:.6g},{:.6g},{:.6g}\n'.format(*row) for row in rows)])
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(['class', *counts[0]])
    for result, count in zip(classes, counts, strict=True):
        table.writerow([result.name, *count.values()])
    files.write_whole(
        os.path.join(folder, 'errors.csv'), [text.getvalue()])


def _pictures(paths, scored, breakdown):
    """Draws the images of the most confident errors, and of the most missed.

    Returns for both the name of each image, why it is shown, and its JPEG.
    """
    names = scored.class_names
    missed = collections.Counter(sorted(
        breakdown.groundtruths.images[breakdown.is_missed].tolist()))
    groups = _most_confident_errors(breakdown, names), [
        (image, f'{num} missed', _counted_errors(breakdown, image))
        for image, num in missed.most_common(NUM_PICTURES)]
    indices = {scored.records[image]
               for group in groups for image, _, _ in group}
    samples = {
        index: sample for index, sample in enumerate(itertools.islice(
            records.read_samples(paths), max(indices, default=-1) + 1))
        if index in indices}
    return [[(scored.image_names[image], text, _draw(
                samples[scored.records[image]], image, rows, breakdown, names))
             for image, text, rows in group] for group in groups]


def _most_confident_errors(breakdown, class_names):
    """Returns images, why they are shown, and which rows are drawn."""
    detections, chosen = breakdown.detections, []
    wrong = np.flatnonzero(np.isin(breakdown.kinds, error_kinds.ERRORS))
    wrong = wrong[np.argsort(-detections.scores[wrong], kind='stable')]
    _, firsts = np.unique(detections.images[wrong], return_index=True)
    for row in wrong[np.sort(firsts)[:NUM_PICTURES]]:
        image = int(detections.images[row])
        others = _counted_errors(breakdown, image)
        chosen.append((image, _describe(row, breakdown, class_names),
                       np.append(row, others[others != row])))
    return chosen


def _draw(sample, image, rows, breakdown, class_names):
    """Returns the JPEG of an image with its objects, and errors: the rows."""
    picture = records.thumbnail(sample, MAX_SIDE)
    if picture is None:
        return None
    groundtruths, detections = breakdown.groundtruths, breakdown.detections
    objects = np.flatnonzero(groundtruths.images == image)
    # What comes first is drawn on top.
    objects = objects[np.argsort(~breakdown.is_missed[objects],
                                 kind='stable')]
    marks = [(WRONG, _describe(row, breakdown, class_names)) for row in rows]
    for row in objects:
        name = class_names[groundtruths.classes[row] - 1]
        marks.append(
            (DIFFICULT, name + ' (difficult)') if groundtruths.difficult[row]
            else (MISSED, name + ' missed') if breakdown.is_missed[row]
            else (FOUND, name))
    bboxes = np.concatenate([
        detections.bboxes[rows], groundtruths.bboxes[objects]])
    scale = np.array(picture.shape[:2]) / (sample.height, sample.width)
    picture = drawing.draw_bboxes(
        picture, bboxes * np.tile(scale, 2), *zip(*marks))
    return cv2.imencode(
        '.jpg', picture[..., ::-1],
        [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _describe(row, breakdown, class_names):
    """Returns what a detection is, such as 'dog 0.98: wrong class (cat)'."""
    detections, kind = breakdown.detections, breakdown.kinds[row]
    text = (f'{class_names[detections.classes[row] - 1]} '
            f'{detections.scores[row]:.2f}: {kind}')
    if kind == error_kinds.CLASS:
        label = breakdown.groundtruths.classes[breakdown.objects[row]]
        text += f' ({class_names[label - 1]})'
    return text


def _counted_errors(breakdown, image):
    """Returns the rows of an image's errors, by descending score."""
    detections = breakdown.detections
    rows = np.flatnonzero(
        (detections.images == image) & breakdown.is_counted
        & np.isin(breakdown.kinds, error_kinds.ERRORS))
    return rows[np.argsort(-detections.scores[rows], kind='stable')]
