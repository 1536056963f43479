"""The curves and bars of evaluations, as PNGs.

Drawn without pyplot, which keeps figures in a global list and may ask for a
window. Class names are never read as mathematics: they may hold a $.
"""
import io
import math
import warnings

import numpy as np
from matplotlib import axes as matplotlib_axes
from matplotlib import figure

from detection import average_precision

DOTS_PER_INCH = 150
BLUE, DARK, GREY, LIGHT = '#2f6fb0', '#1f2933', '#9aa5b1', '#e4e7eb'


def best_f1(result: average_precision.ClassResult) -> tuple[float, int | None]:
    """Returns the best F1 of a class's curve and its row, or NaN and None."""
    total = result.precision + result.recall
    f1 = np.divide(2 * result.precision * result.recall, total,
                   out=np.zeros_like(total), where=total > 0)
    if not result.num_objects or not f1.any():
        return math.nan, None
    row = int(np.argmax(f1))
    return float(f1[row]), row


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
    f1, row = best_f1(result)
    if row is not None:
        point = recall, precision = result.recall[row], result.precision[row]
        axes.plot(*point, 'o', color=DARK, markersize=5, clip_on=False)
        # Where the curve, which falls to the right, leaves room.
        is_high, is_corner = precision > .5, min(recall, precision) > .5
        axes.annotate(
            f'score {result.scores[row]:.2f}\nF1 {f1:.2f}', point,
            xytext=(-8 if is_corner else 8, -8 if is_high else 8),
            textcoords='offset points', color=DARK, fontsize=9,
            ha='right' if is_corner else 'left',
            va='top' if is_high else 'bottom')
    else:
        axes.text(.5, .5, 'nothing found' if result.num_objects
                  else 'no object to find', ha='center', color=GREY)
    axes.set_title(title, parse_math=False, fontsize=10, color=DARK)
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
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['left', 'bottom']].set_color(GREY)
    axes.tick_params(labelsize=9, color=GREY)
    return axes


def png(axes: matplotlib_axes.Axes) -> bytes:
    """Returns the figure of axes as a PNG."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A class's name in a script that matplotlib's font lacks is drawn as
        # boxes; the page itself has the name.
        warnings.filterwarnings('ignore', message='Glyph')
        axes.figure.savefig(buffer, format='png', dpi=DOTS_PER_INCH)
    return buffer.getvalue()


def _shortened(name, most=24):
    return name if len(name) <= most else name[:most - 1] + '…'
