"""What changed between two evaluations of the same images.

The earlier one is read from its folder. Classes are compared by their
metrics, images by what is missed and wrong in them, each evaluation at its own
best threshold.
"""
import hashlib
import json
import math
import os
import typing

import numpy as np

from common import files
from common import tables
from detection import average_precision
from detection import error_kinds
from engine.evaluation import detection_files
from engine.evaluation import pictures
from engine.evaluation import results

NUM_NAMES, NUM_PICTURES = 5, 6  # On the screen; in the report.
# Of metrics.json: what makes evaluations comparable.
_SAME = ('dataset', 'split', 'num_images', 'matching_threshold',
         'remove_difficult')
# Above all scores: of an evaluation that found nothing right.
_NO_THRESHOLD = 1.


class Other(typing.NamedTuple):
    """What the folder of another evaluation holds."""
    folder: str
    metrics: dict  # Of metrics.json.
    digest: str  # Of what was to be found.
    # float [n, 7]: ids of image and class, score, x, y, width, height.
    rows: np.ndarray


class Row(typing.NamedTuple):
    """A class, or all of them."""
    name: str
    before: dict[str, float]  # NaN: there was no object to find.
    now: dict[str, float]


class Comparison(typing.NamedTuple):
    """Two evaluations of the same images."""
    other: Other
    rows: list[Row]  # The last is of all classes.
    names: tuple[str, ...]  # Of the images.
    before: error_kinds.Breakdown
    now: error_kinds.Breakdown
    counts_before: np.ndarray  # See error_kinds.count_by_image.
    counts_now: np.ndarray

    @property
    def changes(self) -> np.ndarray:
        """How much more is missed and wrong in each image, int [n]."""
        return (self.counts_now - self.counts_before)[:, 1:].sum(axis=1)

    @property
    def better(self) -> list[int]:
        """The images that got better, those that did most first."""
        return self._from_lowest(self.changes)

    @property
    def worse(self) -> list[int]:
        """The images that got worse, those that did most first."""
        return self._from_lowest(-self.changes)

    def pictures(self) -> tuple[list[pictures.Choice], ...]:
        """Returns before and now of those better, then of those worse."""
        sides = ((self.before, self.counts_before),
                 (self.now, self.counts_now))
        return tuple(
            [pictures.all_found(image, breakdown, counts[image])
             for image in images[:NUM_PICTURES]]
            for images in (self.better, self.worse)
            for breakdown, counts in sides)

    def format(self) -> str:
        """Returns what is shown on the screen."""
        columns = list(self.rows[-1].now)
        lines = [f'Compared with {self.other.folder} '
                 f'({self.other.metrics["checkpoint"]}, step '
                 f'{self.other.metrics["step"]}):']
        lines += tables.lines([
            ('class', *(name.replace('_', ' ') for name in columns)),
            *((files.quote(row.name), *(
                f'{results.format_number(row.now[name], 4)} '
                + results.format_change(row.before[name], row.now[name], 4)
                for name in columns)) for row in self.rows)])
        lines.append(
            f'Images: {len(self.better)} better, {len(self.worse)} worse: '
            'missed and wrong, each at its best threshold.')
        for title, images in (('Better', self.better), ('Worse', self.worse)):
            if images:
                lines.append(f'{title}: ' + ', '.join(
                    f'{files.quote(self.names[image])} '
                    f'({self.changes[image]:+d})'
                    for image in images[:NUM_NAMES]))
        return '\n'.join(lines)

    def _from_lowest(self, changes):
        order = np.argsort(changes, kind='stable')
        return order[changes[order] < 0].tolist()


def read(folder: str, about: dict[str, str | int | float]) -> Other:
    """Reads the folder of another evaluation.

    Args:
      folder: its eval_dir.
      about: what this evaluation says of itself in its metrics.json.

    Raises:
      ValueError: there is none, or it is not of the same images and rules.
    """
    folder = files.user_path(folder)
    paths = [os.path.join(folder, name) for name in (
        results.METRICS, detection_files.GROUNDTRUTHS,
        detection_files.DETECTIONS)]
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise ValueError(
            f'--compare={folder}: {missing[0]} is not there; give the '
            '--eval_dir of another evaluation.')
    try:
        with open(paths[0], encoding='utf-8') as file:
            metrics = json.load(file)
        differing = [name for name in _SAME if metrics[name] != about[name]]
        with open(paths[2], encoding='utf-8') as file:
            # As tuples: of dicts there would be many.
            rows = json.load(file, object_hook=lambda row: (
                row['image_id'], row['category_id'], row['score'],
                *row['bbox']))
        rows = np.reshape(rows, (-1, 7)).astype(float)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'--compare={folder}: not a whole evaluation '
                         f'({error!r}); run it again.') from None
    if differing:
        raise ValueError(
            f'--compare={folder}: it cannot be compared: ' + ', '.join(
                f'{name} is {metrics[name]} there and {about[name]} here'
                for name in differing) + '.')
    return Other(folder, metrics, digest(paths[1]), rows)


def digest(path: str) -> str:
    """Returns what differs where files do."""
    with open(path, 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()


def compare(other: Other, scored: detection_files.Scored, eval_dir: str,
            matching_threshold: float) -> Comparison:
    """Compares an evaluation, written to eval_dir, with another.

    Raises:
      ValueError: images or objects are not the same.
    """
    if other.digest != digest(
            os.path.join(eval_dir, detection_files.GROUNDTRUTHS)):
        raise ValueError(
            f'--compare={other.folder}: its images or objects are not those '
            'of this evaluation, though they are called alike; evaluate '
            f'{other.metrics["checkpoint"]} again.')
    best = other.metrics['best_f1']
    before = error_kinds.above(
        error_kinds.break_down(
            scored.groundtruths, _detections(other.rows, scored),
            matching_threshold),
        best['select_threshold'] if best else _NO_THRESHOLD)
    point = scored.results.pooled.best
    now = error_kinds.above(
        error_kinds.break_down(
            scored.groundtruths, scored.detections, matching_threshold),
        point.threshold if point else _NO_THRESHOLD)
    num_images = len(scored.images)
    return Comparison(
        other, _rows(other.metrics, scored.results),
        tuple(image.name for image in scored.images), before, now,
        error_kinds.count_by_image(before, num_images),
        error_kinds.count_by_image(now, num_images))


def _detections(rows, scored):
    """Returns the Detections that rows of COCO's results stand for."""
    numbers = {image.image_id: number
               for number, image in enumerate(scored.images)}
    labels = {category_id: label for label, category_id
              in enumerate(scored.category_ids, 1)}
    x, y, width, height = rows[:, 3:].T
    return average_precision.Detections(
        np.array([numbers[image] for image in rows[:, 0]], int),
        np.array([labels[category] for category in rows[:, 1]], int),
        rows[:, 2].astype(np.float32),
        np.stack([y, x, y + height, x + width], 1).astype(np.float32))


def _rows(metrics, now):
    """Returns the Rows of metrics.json and Results: what both have."""
    summary, mains = results.summary(now), results.main_metrics(now)

    def number(values, name):
        value = values[name]
        if name == 'best_f1' and value is not None:
            value = value['f1']
        return math.nan if value is None else value

    rows = []
    for name, before, after, keys in [
            *((name, metrics['classes'][name], values, mains)
              for name, values in summary['classes'].items()),
            ('all', metrics, summary,
             [results.mean_name(main, now) for main in mains])]:
        rows.append(Row(name, *(
            {main: number(values, key) for main, key in zip(
                (*mains, 'best F1'), (*keys, 'best_f1')) if key in before}
            for values in (before, after))))
    return rows
