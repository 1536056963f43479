"""Scores a training on another split as it goes, and keeps the best weights.

At every n-th step the training is saved, and the checkpoint is scored by the
evaluation's own code, in the same process. metrics.csv has a row for each
score, and says what the best one is: a training that was killed goes on with
the same best, and stops at the same step.
"""
import csv
import gc
import io
import math
import os
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from common import files
from datasets import dataset_factory
from engine import checkpoints
from engine import models
from engine import thresholds
from engine.evaluation import evaluate
from engine.evaluation import options as evaluation_options
from engine.evaluation import results
from engine.training import graph
from engine.training import options

TABLE, PICTURE = 'metrics.csv', 'results.png'
# Of a row beside the metrics; losses are means over the steps since the last
# row, or since the training went on.
LOSSES = ('loss', 'localization', 'positives', 'negatives', 'regularization')
_COLUMNS = ('step', 'learning_rate', *LOSSES)


class Best(NamedTuple):
    """The first of the highest values of the headline metric."""
    metric: str
    value: float
    step: int
    num_later: int  # Scores after it, none of them better.

    def __str__(self):
        return f'{self.metric} {self.value:.4f} at step {self.step}'


class Validation:
    """Scores checkpoints of a training; see the module."""

    def __init__(self, data: options.Data, model: options.Model,
                 optimizer: options.Optimizer, run: options.Run,
                 training_set: slim.dataset.Dataset):
        """Reads what a training in run.train_dir scored before.

        Raises:
          ValueError: there is no such split, it has other classes, or
            metrics.csv is damaged.
        """
        self._run, self._model = run, model
        self._dataset = dataset_factory.get_dataset(
            data.dataset_name, run.eval_split_name, data.dataset_dir)
        if self._dataset.labels != training_set.labels:
            raise ValueError(
                f'--eval_split_name={run.eval_split_name}: its classes are '
                f'{", ".join(self._dataset.labels)}, those of '
                f'{data.dataset_split_name} are '
                f'{", ".join(training_set.labels)}; convert both alike.')
        self._options = (
            evaluation_options.Data(
                data.dataset_name, data.dataset_dir, run.eval_split_name,
                num_preprocessing_threads=data.num_preprocessing_threads),
            evaluation_options.Model(
                moving_average_decay=optimizer.moving_average_decay,
                preprocessing_name=data.preprocessing_name,
                compute_dtype=model.compute_dtype),
            evaluation_options.Detection(),
            evaluation_options.Run(
                gpu_memory_fraction=run.gpu_memory_fraction))
        self._rows = _read(os.path.join(run.train_dir, TABLE))
        self._sums, self._num_steps, self._rate = np.zeros(len(LOSSES)), 0, 0.

    def resume(self, prefix: str | None, step: int) -> str | None:
        """Forgets scores after `step`; scores `prefix` if it was missed.

        Returns the line of a score, None without one, or without a prefix.
        """
        self._rows = [row for row in self._rows if row['step'] <= step]
        if prefix is None or not self.is_due(step):
            return None
        return self._score(prefix, step)

    def add(self, values: graph.Step):
        """Takes the losses of a step, numbers, into the next row's means."""
        losses = values.losses
        self._sums += (values.total, losses.localisation, losses.positives,
                       losses.negatives, values.regularization)
        self._num_steps += 1
        self._rate = values.rate

    def is_due(self, step: int) -> bool:
        """Whether a checkpoint of a step is to be scored."""
        every = self._run.eval_every_n_steps
        last = self._rows[-1]['step'] if self._rows else 0
        return step // every > last // every

    def score(self, session: tf.Session, saver: tf.train.Saver,
              step: int) -> str:
        """Saves and scores; returns the line that says how good it is."""
        prefix = saver.save(
            session, os.path.join(self._run.train_dir, 'model.ckpt'),
            global_step=step, write_meta_graph=False)
        return self._score(prefix, step)

    def finish(self, prefix: str, step: int) -> str | None:
        """Scores the last checkpoint; returns its line.

        None if it was scored, or others have decided that it is the last.
        """
        if self.end is not None or (
                self._rows and self._rows[-1]['step'] == step):
            return None
        return self._score(prefix, step)

    @property
    def best(self) -> Best | None:
        """The best score so far, None before there is one."""
        if not self._rows:
            return None
        headline = self._headline
        values = [-math.inf if math.isnan(row[headline]) else row[headline]
                  for row in self._rows]
        place = int(np.argmax(values))
        if values[place] == -math.inf:
            return None
        return Best(headline, values[place], self._rows[place]['step'],
                    len(values) - 1 - place)

    @property
    def end(self) -> str | None:
        """Why the training ends here; None if it goes on."""
        patience, best = self._run.patience, self.best
        if patience is None or best is None or best.num_later < patience:
            return None
        return (f'No gain in {best.num_later} scores on '
                f'{self._run.eval_split_name}: the training ends at step '
                f'{self._rows[-1]["step"]} (--patience={patience}).')

    @property
    def best_prefix(self) -> str:
        """The checkpoint of the best weights."""
        return os.path.join(self._run.train_dir, checkpoints.paths.BEST)

    @property
    def _headline(self):
        return [name for name in self._rows[0] if name not in _COLUMNS][0]

    def _score(self, prefix, step):
        scored = evaluate.score(self._dataset, *self._options, prefix)
        gc.collect()  # The graph, with all weights, is a cycle.
        found = scored.results
        means = self._sums / self._num_steps if self._num_steps else (
            [math.nan] * len(LOSSES))
        row = {'step': step, 'learning_rate': float(self._rate) or math.nan,
               **dict(zip(LOSSES, map(float, means), strict=True)),
               **{results.mean_name(name, found): float(value)
                  for name, value in found.metrics.items()}}
        self._sums, self._num_steps = np.zeros(len(LOSSES)), 0
        before, folder = self.best, self._run.train_dir
        self._rows.append(row)
        best = self.best
        # Before the row: a training that is killed between scores again.
        if best is not None and (before is None or best.step == step):
            models.save_weights(
                prefix, self.best_prefix, checkpoints.restore.has_averages(
                    prefix), {'score': {
                        'metric': best.metric, 'value': best.value,
                        'dataset': self._dataset.name,
                        'split': self._dataset.split_name}})
            thresholds.write(self.best_prefix, {
                'checkpoint': self.best_prefix, 'step': best.step,
                'dataset': self._dataset.name,
                'split': self._dataset.split_name,
                **results.thresholds(found)})
        _write(os.path.join(folder, TABLE), self._rows)
        events = os.path.join(folder, f'eval_{self._dataset.split_name}')
        os.makedirs(events, exist_ok=True)
        results.write_scalars(events, found, step)
        # Not above: it imports matplotlib.
        from engine.training import curves
        files.write_whole(os.path.join(folder, PICTURE),
                          [curves.draw(
                              self._rows, LOSSES, best and best.step)])
        headline = self._headline
        return (f'step {step}: {headline} {row[headline]:.4f} on '
                f'{self._dataset.split_name}, best so far '
                f'{best or "not a number"}')


def _read(path):
    """Returns the rows of metrics.csv, none if it is not there."""
    try:
        with open(path, encoding='utf-8', newline='') as file:
            return [{name: int(value) if name == 'step' else float(value)
                     for name, value in row.items()}
                    for row in csv.DictReader(file, strict=True)]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, csv.Error) as error:
        raise ValueError(
            f'{path}: not the scores of a training ({error}); remove it to '
            'begin a new one.') from None


def _write(path, rows):
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[-1], lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    files.write_whole(path, [file.getvalue()])
