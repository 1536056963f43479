"""The picture of a training: losses, learning rate and scores over steps.

It is narrow, with large letters, to be read on a phone too.
"""
from collections.abc import Sequence

from matplotlib import figure

from engine.evaluation import figures

# As many curves can be told apart; metrics.csv has all metrics.
COLORS = figures.DARK, figures.BLUE, '#c2571a', '#2b8a5a', '#8a5ab0'


def draw(rows: Sequence[dict[str, float]], losses: Sequence[str],
         best_step: int | None) -> bytes:
    """Returns a PNG.

    Args:
      rows: of metrics.csv: step, learning_rate, losses, metrics; at least
        one.
      losses: the names of the losses among them, the whole first.
      best_step: of the best score, None without one.
    """
    metrics = [name for name in rows[0] if name not in (
        'step', 'learning_rate', *losses)][:len(COLORS)]
    drawing = figure.Figure(figsize=(5, 8.5), layout='constrained')
    for axes, title, names in zip(
            drawing.subplots(3, sharex=True, height_ratios=(3, 3, 1)),
            ('scores', 'losses', 'learning rate'),
            (metrics, losses, ('learning_rate',)), strict=True):
        figures.style(axes)
        axes.set_title(title, fontsize=11, color=figures.DARK, loc='left')
        axes.grid(color=figures.LIGHT)
        for index, name in enumerate(names):
            # One row alone is a point, which no line would show.
            axes.plot([row['step'] for row in rows],
                      [row[name] for row in rows], 'o-', markersize=3,
                      linewidth=2 - (index > 0),
                      color=COLORS[index], label=name)
        if len(names) > 1:
            axes.legend(fontsize=9, frameon=False, loc='upper center', ncols=2,
                        bbox_to_anchor=(.5, -.04))
        if best_step is not None:
            axes.axvline(best_step, color=figures.DARK, linestyle='--',
                         linewidth=1)
        axes.set_ylim(bottom=0)
    axes.set_xlabel('step; the line is at the best' if best_step is not None
                    else 'step', fontsize=10, color=figures.DARK)
    return figures.png(axes)
