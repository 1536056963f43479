"""Draws mAP over the steps of trainings, from their evaluations' scalars.

    python -m benchmarks.learning_curves --output=curves.png \
        'from nothing=logs/eval' 'two stages=logs/eval,logs_finetune/eval'

A curve is NAME=FOLDER, an eval_dir of eval_ssd_network.py; each evaluation in
it is a point. Where a training goes on in another train_dir, whose steps
begin at 0 again, FOLDER is both eval_dirs with a comma between.
"""
import argparse
import glob
import os
import sys
from collections.abc import Sequence

import tensorflow.compat.v1 as tf

from common import files
from engine.evaluation import figures

TAG = 'AP_VOC07/mAP'


def main(arguments: Sequence[str] | None = None):
    """Draws; ends with a line that says why it could not."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--output', required=True, help='PNG to write')
    parser.add_argument('curves', nargs='+', metavar='NAME=FOLDER[,FOLDER]')
    options = parser.parse_args(arguments)
    try:
        curves = dict(map(_curve, options.curves))
        if len(curves) < len(options.curves):
            raise ValueError('Two curves have the same NAME; give each its '
                             'own, and the folders of one after a comma.')
        files.write_whole(options.output, [draw(curves)])
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    for name, points in curves.items():
        print(f'{name}: ' + ', '.join(
            f'{value:.3f} ({step})' for step, value in points))
    print(f'Picture: {options.output}')


def _curve(argument):
    name, is_there, folders = argument.partition('=')
    if not is_there:
        raise ValueError(
            f'{argument!r} is no NAME=FOLDER; give a curve its name.')
    points = []
    for folder in folders.split(','):
        start = points[-1][0] if points else 0
        points += [(start + step, value) for step, value in read(folder)]
    return name, points


def read(folder: str) -> list[tuple[int, float]]:
    """Returns [(step, mAP)] of an eval_dir, by step; the latest of each.

    Raises:
      ValueError: if there is none.
    """
    values = {}
    for path in sorted(glob.glob(
            os.path.join(glob.escape(folder), 'events.out.tfevents.*'))):
        for event in tf.train.summary_iterator(path):
            for value in event.summary.value:
                if value.tag == TAG:
                    values[event.step] = value.simple_value
    if not values:
        raise ValueError(f'{folder}: no evaluation with {TAG} is in there; '
                         'give the --eval_dir of eval_ssd_network.py.')
    return sorted(values.items())


def draw(curves: dict[str, list[tuple[int, float]]]) -> bytes:
    """Returns the PNG of trainings by name: their steps and VOC07's mAP."""
    axes = figures.new_axes(6, 3.2 + .2 * len(curves), 'constrained')
    for name, points in curves.items():
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, marker='o', markersize=3.5, linewidth=1.8,
                  label=f'{name}: {values[-1]:.3f}')
    axes.set(xlabel='steps', ylabel='mAP (VOC07)', ylim=(0, 1.03))
    axes.set_xlim(left=0)
    axes.grid(color=figures.LIGHT)
    axes.figure.legend(loc='outside upper left', fontsize=9, frameon=False)
    return figures.png(axes)


if __name__ == '__main__':
    main()
