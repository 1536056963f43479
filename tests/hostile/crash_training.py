"""Kills trainings at random moments and lets them go on; nothing may be lost.

    python -m tests.crash_training --num_kills=20 --random_seed=0

One training runs through. The other one is killed (SIGKILL) again and again,
half of the times in the middle of a save, and started again. In the end both
must have printed the same losses, but for steps that were saved when a kill
came before their line, and have the same weights, to the last bit.
"""
import argparse
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time

import numpy as np

from engine import checkpoints
from tests import scripts

LOSS = re.compile(r'^(step \d+: .*), learning rate', re.MULTILINE)


def command(folder, train_dir, num_steps, save_interval_secs):
    """Returns the command line of a small training."""
    return scripts.arguments(
        f'train_ssd_network.py --train_dir={train_dir} --dataset_dir={folder} '
        '--dataset_name=pascalvoc_2007 --model_name=ssd_300_vgg_quarter '
        '--batch_size=1 --random_seed=1 --log_every_n_steps=1 '
        f'--save_interval_secs={save_interval_secs} '
        f'--max_number_of_steps={num_steps}')


def losses(outputs):
    """Returns {line of a step: None} of the outputs of processes."""
    return {line: None for output in outputs
            for line in LOSS.findall(output)}


def start(arguments, log):
    """Starts a training that writes its lines to a file."""
    with open(log, 'w', encoding='utf-8') as file:
        return subprocess.Popen(
            arguments, stdout=file, stderr=subprocess.STDOUT)


def kill(process, log, train_dir, rng, is_in_save):
    """Kills a training after its next steps; returns whether it still ran."""
    num_steps = rng.randint(1, 3)
    delay = rng.random()
    while process.poll() is None:
        if len(LOSS.findall(log.read_text('utf-8'))) >= num_steps:
            if not is_in_save:
                time.sleep(delay)
                break
            if any('temp' in name for name in os.listdir(train_dir)):
                break
        time.sleep(.0005)
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def compare(prefix, other_prefix):
    """Asserts that two checkpoints have the same values, to the last bit."""
    readers = [checkpoints.reader.open_reader(str(path))
               for path in (prefix, other_prefix)]
    shapes = [reader.get_variable_to_shape_map() for reader in readers]
    assert shapes[0] == shapes[1]
    for name in shapes[0]:
        values, others = (reader.get_tensor(name) for reader in readers)
        assert np.array_equal(values, others), name


def run(folder, num_kills, num_steps, seed):
    """Returns how often a training was killed, and how often in a save.

    Args:
      folder: pathlib.Path, of the records and for the trainings.
      num_kills: how often at most; a training that ends ends it all.
      num_steps: steps of the trainings.
      seed: of the moments.
    """
    rng = random.Random(seed)
    logs = [folder / 'whole.log']
    assert start(command(folder, folder / 'whole', num_steps, 600),
                 logs[0]).wait() == 0, logs[0].read_text('utf-8')
    whole = losses([logs[0].read_text('utf-8')])
    assert len(whole) == num_steps
    killed, outputs = [], []
    for number in range(num_kills + 1):
        log = folder / f'killed_{number}.log'
        process = start(
            command(folder, folder / 'killed', num_steps, 1), log)
        is_in_save = number % 2 == 0
        if number < num_kills and kill(
                process, log, folder / 'killed', rng, is_in_save):
            killed.append(is_in_save)
        assert process.wait() in (0, -signal.SIGKILL), log.read_text('utf-8')
        outputs.append(log.read_text('utf-8'))
        if process.returncode == 0:
            break
    printed = set(losses(outputs))
    assert printed <= set(whole), sorted(printed - set(whole))
    # A process may be killed when a step is saved and not yet printed.
    assert len(whole) - len(printed) <= len(killed), sorted(
        set(whole) - printed)
    name = f'model.ckpt-{num_steps}'
    compare(folder / 'whole' / name, folder / 'killed' / name)
    return len(killed), sum(killed)


def main():
    """Makes records and prints the count."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--num_kills', type=int, default=20)
    parser.add_argument('--random_seed', type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_records(folder)
        num_kills, num_in_saves = run(
            folder, arguments.num_kills, 4 * arguments.num_kills,
            arguments.random_seed)
    print(f'{num_kills} kills, {num_in_saves} of them in a save: the same '
          'losses and weights as without.')


def write_records(folder):
    """Writes a few images to train on."""
    scripts.write_shapes(folder / 'voc', 5, size=60)
    scripts.write_records(folder / 'voc', folder, 'voc_2007_train')


if __name__ == '__main__':
    main()
