"""Kills trainings that score themselves; best and end must stay the same.

    python -m tests.hostile.kill_validation --kills=20 --seed=0

One training runs until it ends without gain. The other one is killed
(SIGKILL) at random moments, half of the times in the middle of a save or
while a score is written, and started again until it ends too. Both must have
the same scores at the same steps, the same best weights, to the last bit, and
the same end.
"""
import csv
import os
import pathlib
import random
import re
import signal
import subprocess
import sys

from common import files
from datasets.shapes import drawing
from engine import checkpoints
from engine.training import validation
from tests import scripts
from tests.hostile import kills

STEP = re.compile(r'^step \d+: loss', re.MULTILINE)
END = re.compile(r'^No gain in .*$', re.MULTILINE)
MAX_STEPS_BEFORE_KILL = 8
MAX_SECONDS_BEFORE_KILL = 1.


def run(folder: pathlib.Path, num_kills: int, seed: int) -> str:
    """Kills as often as it is told; returns how often that was."""
    for split, num in ('train', 8), ('val', 4):
        scripts.synthetic_shapes.write(folder / split, num, 0, size=64)
        scripts.write_records(folder / split, folder, f'toy_{split}',
                              labels=drawing.CLASSES)
    return compare(folder, num_kills, seed, [
        sys.executable, '-m', 'tests.train_small_trunk', '--dataset_name=toy',
        f'--dataset_dir={folder}', '--model_name=ssd_64_small',
        '--batch_size=4', '--preprocessing_name=resize_only',
        '--optimizer=adam', '--learning_rate=0.01', '--warmup_steps=0',
        '--learning_rate_decay_type=fixed', '--moving_average_decay=0.9',
        '--random_seed=1', '--log_every_n_steps=1', '--save_interval_secs=1',
        '--eval_split_name=val', '--eval_every_n_steps=5',
        f'--patience={max(3, num_kills)}'])


def compare(folder: pathlib.Path, num_kills: int, seed: int,
            command: list[str]) -> str:
    """Does it with a command that trains, but for its --train_dir."""
    rng, log = random.Random(seed), folder / 'log.txt'
    process = _start(command, folder / 'whole', log)
    assert process.wait() == 0, log.read_text('utf-8')
    end, killed = END.findall(log.read_text('utf-8')), []
    for number in range(num_kills + 1):
        process = _start(command, folder / 'killed', log)
        if number < num_kills:
            _kill(process, folder / 'killed', log, number % 2 == 0, rng)
        status = process.wait()
        assert status in (0, -signal.SIGKILL), log.read_text('utf-8')
        if status == 0:
            break
        killed.append(number % 2 == 0)
    assert end == END.findall(log.read_text('utf-8')) and len(end) == 1, end
    whole, other = (_scores(folder / name) for name in ('whole', 'killed'))
    assert whole == other, (whole, other)
    name = f'{checkpoints.paths.BEST}.data-00000-of-00001'
    assert (folder / 'killed' / name).read_bytes() == (
        folder / 'whole' / name).read_bytes()
    step = checkpoints.reader.global_step(
        str(folder / 'whole' / checkpoints.paths.BEST))
    # The headline is the first of the metrics.
    values = {step: float(row[0]) for step, row in whole.items()}
    assert values[step] == max(values.values())
    return (f'{len(killed)} kills, {sum(killed)} of them in a save or a '
            f'score: no change; best {values[step]:.4f} at step {step}. '
            f'{end[0]}')


def _start(command: list[str], train_dir: pathlib.Path,
           log: pathlib.Path) -> subprocess.Popen:
    """Starts a training that writes its lines to a log."""
    with open(log, 'w', encoding='utf-8') as file:
        return subprocess.Popen(
            [*command, f'--train_dir={train_dir}'], cwd=scripts.ROOT,
            stdout=file, stderr=subprocess.STDOUT)


def _kill(process, train_dir, log, is_in_save, rng: random.Random):
    """Kills a training after a few steps, in a save or at any time."""
    num_steps = rng.randint(1, MAX_STEPS_BEFORE_KILL)

    def is_writing():
        return any('temp' in name or files.PARTIAL in name
                   for name in os.listdir(train_dir))

    kills.wait(
        lambda: process.poll() is None,
        lambda: len(STEP.findall(log.read_text('utf-8'))) >= num_steps and (
            not is_in_save or is_writing()),
        0 if is_in_save else rng.uniform(0, MAX_SECONDS_BEFORE_KILL))
    process.kill()


def _scores(train_dir):
    """Returns {step: metrics}; a row's losses begin anew after a kill."""
    with open(train_dir / validation.TABLE, encoding='utf-8') as file:
        return {int(row['step']): [
            value for name, value in row.items()
            if name not in ('step', 'learning_rate', *validation.LOSSES)]
            for row in csv.DictReader(file)}


if __name__ == '__main__':
    kills.main(run, __doc__.partition('\n')[0])
