"""The curves and bars of evaluations, as PNGs.

Drawn without pyplot, which keeps figures in a global list and may ask for a
window. Class names are never read as mathematics: they may hold a $.
"""
import io
import math

import numpy as np
from matplotlib import axes as matplotlib_axes
from matplotlib import figure
from matplotlib import text

from common import fonts
from detection import average_precision

DOTS_PER_INCH = 150
MAX_NUMBERED = 24  # Classes, with background, whose matrix shows numbers.
BLUE, DARK, GREY, LIGHT = '#2f6fb0', '#1f2933', '#9aa5b1', '#e4e7eb'


def precision_recall(result: average_precision.ClassResult) -> bytes:
    """Returns the PNG of a class's precision-recall curve."""
    axes = new_axes(3.4, 3)
    # The margins are given: to compute them takes as long as the drawing.
    axes.figure.subplots_adjust(.15, .16, .96, .9)
    axes.set(xlim=(0, 1), ylim=(0, 1.03), xlabel='recall', ylabel='precision')
    axes.grid(color=LIGHT)
    title = _shortened(result.name)
    if result.num_objects:
        for name, value in list(result.metrics.items())[:1]:
            title += f'   {name.split("_")[0]} {value:.3f}'
        axes.plot(result.recall, result.precision, color=BLUE, linewidth=1.8)
    best = result.best
    if best is not None:
        point = recall, precision = best.recall, best.precision
        axes.plot(*point, 'o', color=DARK, markersize=5, clip_on=False)
        # Where the curve, which falls to the right, leaves room.
        is_high, is_corner = precision > .5, min(recall, precision) > .5
        axes.annotate(
            f'threshold {best.threshold:.2g}\nF1 {best.f1:.3f}', point,
            xytext=(-8 if is_corner else 8, -8 if is_high else 8),
            textcoords='offset points', color=DARK, fontsize=9,
            ha='right' if is_corner else 'left',
            va='top' if is_high else 'bottom')
    else:
        axes.text(.5, .5, 'nothing found' if result.num_objects
                  else 'no object to find', ha='center', color=GREY)
    axes.set_title(title, parse_math=False, fontsize=10, color=DARK)
    return png(axes)


def f1_by_threshold(results: average_precision.Results) -> bytes:
    """Returns the PNG of F1, precision and recall over the threshold."""
    def draw(result, values, **style):
        # What the detections above a threshold are worth.
        num = np.searchsorted(-result.scores, -thresholds)
        return axes.plot(thresholds, np.append(0, values)[num], **style)

    def f1_of(result):
        return average_precision.harmonic_mean(
            result.precision, result.recall)

    thresholds, pooled = np.linspace(0, 1, 401), results.pooled
    axes = new_axes(5, 3.2, 'constrained')
    for result in results.classes:
        if result.num_objects:
            classes, = draw(result, f1_of(result), color=GREY, linewidth=.7,
                            alpha=.6)
    classes.set_label('F1 of a class')
    draw(pooled, pooled.precision, color=DARK, linewidth=1.2, linestyle=':',
         label='precision')
    draw(pooled, pooled.recall, color=DARK, linewidth=1.2, linestyle='--',
         label='recall')
    draw(pooled, f1_of(pooled), color=BLUE, linewidth=2.2, label='F1')
    axes.plot(pooled.best.threshold, pooled.best.f1, 'o', color=BLUE,
              markersize=6)
    axes.set(xlim=(0, 1), ylim=(0, 1.03), xlabel='threshold')
    axes.grid(color=LIGHT)
    axes.legend(fontsize=9, edgecolor='white', loc='lower center')
    axes.set_title(
        f'F1 {pooled.best.f1:.3f} at {pooled.best.threshold:.9g}',
        fontsize=10, color=DARK, loc='left')
    return png(axes)


def confusion_matrix(matrix: np.ndarray, class_names: list[str]) -> bytes:
    """Returns the PNG of a matrix of error_kinds, its background last.

    A row's cells are as dark as their share of it.
    """
    matrix = np.roll(matrix, -1, (0, 1))
    total, num = matrix.sum(axis=1, keepdims=True), len(matrix)
    side = 1.6 + .42 * num if num <= MAX_NUMBERED else 3 + .16 * num
    axes = new_axes(side + .6, side, 'constrained')
    axes.imshow(matrix / np.maximum(total, 1), cmap='Blues', vmin=0, vmax=1)
    if num <= MAX_NUMBERED:
        for (row, column), value in np.ndenumerate(matrix):
            axes.text(column, row, value or '', ha='center', va='center',
                      fontsize=8, color='white' if value > total[row] / 2
                      else DARK)
    names = [_shortened(name, 16) for name in class_names]
    axes.set_xticks(range(num), [*names, 'not found'], rotation=90,
                    parse_math=False)
    axes.set_yticks(range(num), [*names, 'no object'], parse_math=False)
    axes.set(xlabel='found as', ylabel='object')
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    return png(axes)


def overview(results: average_precision.Results) -> bytes:
    """Returns the PNG of the first two metrics of all classes, best first."""
    def values(metric):
        return [result.metrics.get(metric, math.nan) for result in classes]

    headline, *others = list(results.metrics)[:2]
    classes = sorted(results.classes, key=lambda result: -np.nan_to_num(
        result.metrics.get(headline, math.nan), nan=-1))
    places = np.arange(len(classes))
    axes = new_axes(5, 1.1 + .27 * len(places), 'constrained')
    axes.barh(places, np.nan_to_num(values(headline)), color=BLUE, height=.7)
    for place, value in enumerate(values(headline)):
        axes.text(1.02, place, '-' if math.isnan(value) else f'{value:.3f}',
                  va='center', color=DARK, fontsize=9)
    for other in others:
        axes.plot(values(other), places, 'd', color=DARK, markersize=4)
    title, mean = 'no object to find', results.metrics[headline]
    if not math.isnan(mean):
        axes.axvline(mean, color=DARK, linestyle='--', linewidth=1)
        title = f'm{headline.split("_")[0]} ' + ', '.join(
            f'{value:.3f} ({name.split("_")[-1]}, {mark})'
            for (name, value), mark in zip(
                results.metrics.items(), ('bars and line', 'diamonds')))
    axes.set_title(title, fontsize=10, color=DARK, loc='left')
    axes.set(xlim=(0, 1.12), xticks=np.arange(0, 1.1, .2))
    axes.set_yticks(places, [_shortened(result.name) for result in classes],
                    parse_math=False)
    axes.set_ylim(len(places) - .4, -.6)
    axes.tick_params(axis='y', length=0)
    axes.grid(axis='x', color=LIGHT)
    return png(axes)


def new_axes(width: float, height: float,
             layout: str | None = None) -> matplotlib_axes.Axes:
    """Returns the axes of a new figure of a size in inches."""
    axes = figure.Figure(figsize=(width, height), layout=layout).add_subplot()
    style(axes)
    return axes


def style(axes: matplotlib_axes.Axes):
    """Gives axes the look of all figures."""
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['left', 'bottom']].set_color(GREY)
    axes.tick_params(labelsize=9, color=GREY)


def png(axes: matplotlib_axes.Axes) -> bytes:
    """Returns the figure of axes as a PNG."""
    for words in axes.figure.findobj(text.Text):
        families = fonts.families(words.get_text())
        if families:
            words.set_fontfamily([*words.get_fontfamily(), *families])
    buffer = io.BytesIO()
    axes.figure.savefig(buffer, format='png', dpi=DOTS_PER_INCH)
    return buffer.getvalue()


def _shortened(name, most=24):
    """Returns a name, or its first letters, as it can be drawn."""
    name = name if len(name) <= most else name[:most - 1] + '…'
    return ''.join(part for part, _ in fonts.runs(name))
