"""The page of an evaluation's report: its sections, top to bottom.

Every text that comes from the data is escaped.
"""
import collections
import html
import math

from detection import error_kinds
from engine.evaluation import figures
from engine.evaluation import report_html

# name: of the image; text: why it is shown; jpeg: bytes, or None if the
# image could not be decoded.
Picture = collections.namedtuple('Picture', 'name text jpeg')

_COLORS = {
    error_kinds.CORRECT: '#3a9d5d', error_kinds.CLASS: '#8a5cc2',
    error_kinds.LOCALISATION: '#e0a526', error_kinds.DUPLICATE: '#3f8fd2',
    error_kinds.BACKGROUND: '#c8434f'}


def page(about, results, overview, curves, counts, confusions,
         false_positives, missed, matching_threshold):
    """Returns the page.

    Args:
      about: dict of str, shown at the top.
      results: voc_metrics.Results.
      overview: bytes of a PNG.
      curves: bytes of a PNG per class.
      counts: voc_errors.count's, per class.
      confusions: (count, name of the object's class, name of the class it
        was taken for), the most frequent first.
      false_positives: Pictures.
      missed: Pictures.
      matching_threshold: the overlap from which a detection is right.
    """
    sections = [
        ('Average precision', _precisions(results, overview)),
        ('Precision and recall', _curves(results, curves)),
        ('Errors', _errors(results, counts, confusions, matching_threshold)),
        ('The most confident errors', _pictures(
            false_positives, 'Nothing that was detected is wrong.')),
        ('The most missed objects', _pictures(missed, 'Nothing is missed.'))]
    return report_html.document(
        f'Evaluation: mAP {_number(results.map_voc07)}',
        _head(about, results) + ''.join(
            f'<h2>{title}</h2>\n{content}\n' for title, content in sections))


def _head(about, results):
    scores = [
        ('mAP, VOC07', _number(results.map_voc07)),
        ('mAP, VOC12', _number(results.map_voc12)),
        ('objects', sum(result.num_objects for result in results.classes)),
        ('detections', sum(
            result.num_detections for result in results.classes))]
    tiles = ''.join(f'<div><b>{value}</b>{name}</div>'
                    for name, value in scores)
    rows = ''.join(f'<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>'
                   for name, value in about.items())
    return (f'<h1>Evaluation report</h1>\n<div class="scores">{tiles}</div>\n'
            f'<dl>{rows}</dl>\n')


def _precisions(results, overview):
    rows = []
    for result in results.classes:
        f1, row = figures.best_f1(result)
        rows.append([
            result.name, _number(result.ap_voc07), _number(result.ap_voc12),
            str(result.num_objects), str(result.num_detections),
            _number(f1), '-' if row is None else f'{result.scores[row]:.2f}'])
    return (report_html.image(overview, 'png',
                              'Average precision of each class', 'overview')
            + '<p>F1 is the harmonic mean of precision and recall; the score '
            'where it is best is a good <code>--select_threshold</code> for '
            'detecting.</p>\n'
            + report_html.table(['class', 'AP VOC07', 'AP VOC12', 'objects',
                      'detections', 'best F1', 'at score'], rows))


def _curves(results, curves):
    return '<div class="grid">' + ''.join(
        report_html.image(
            curve, 'png', f'Precision and recall of {result.name}')
        for result, curve in zip(results.classes, curves, strict=True)
    ) + '</div>'


def _errors(results, counts, confusions, matching_threshold):
    kinds = {
        error_kinds.CLASS: 'fits an object of another class (overlap, IoU, '
        f'of at least {matching_threshold:g})',
        error_kinds.LOCALISATION: 'the class is right, the overlap only '
        f'{error_kinds.MIN_OVERLAP:g} to {matching_threshold:g}',
        error_kinds.DUPLICATE: 'fits an object that a more confident '
        'detection has found',
        error_kinds.BACKGROUND: 'fits none of this',
        'missed': 'an object that no counted detection finds'}
    names = [result.name for result in results.classes]
    parts = [
        '<p>Of each class its N most confident detections are counted, N '
        'being the number of its objects (difficult ones left out), so that '
        'correct and missed add up to N (Hoiem et al. 2012). The bars show '
        'what these detections are.</p>\n<ul class="key">',
        *(f'<li><i style="background:{color}"></i>{kind}</li>'
          for kind, color in _COLORS.items()),
        '<li><i style="background:#e4e7eb"></i>no detection</li></ul>\n',
        '<div class="bars">', *map(_bar, names, counts), '</div>\n<dl>',
        *(f'<dt>{kind}</dt><dd>{text}</dd>' for kind, text in kinds.items()),
        '</dl>\n', report_html.table(
            ['class', *counts[0]],
            [[name, *map(str, count.values())]
             for name, count in zip(names, counts, strict=True)],
            ['all', *(str(sum(count[column] for count in counts))
                      for column in counts[0])])]
    if confusions:
        parts += ['<p>Most often confused:</p>\n<ul>', *(
            f'<li>{html.escape(of)} taken for {html.escape(taken_for)}: '
            f'{number}</li>' for number, of, taken_for in confusions),
            '</ul>']
    return ''.join(parts)


def _bar(name, count):
    whole = count['objects'] or 1
    return f'<span>{html.escape(name)}</span><div class="bar">' + ''.join(
        f'<div style="background:{color};width:{100 * count[kind] / whole:g}%"'
        f' title="{kind}: {count[kind]}"></div>'
        for kind, color in _COLORS.items() if count[kind]) + '</div>'


def _pictures(pictures, if_none):
    if not pictures:
        return f'<p>{if_none}</p>'
    return (
        '<p>Green: found. Orange: missed. Red: a wrong detection with its '
        'score, what is wrong, and what the object is if it is of another '
        'class. Blue: difficult, not counted.</p>\n'
        '<div class="grid pictures">' + ''.join(
            '<figure>' + (
                '<p>The image cannot be decoded.</p>'
                if picture.jpeg is None else
                report_html.image(picture.jpeg, 'jpeg', picture.name)) +
            f'<figcaption>{html.escape(picture.name)} &middot; '
            f'{html.escape(picture.text)}</figcaption></figure>\n'
            for picture in pictures) + '</div>')


def _number(value):
    return '-' if math.isnan(value) else f'{value:.3f}'
