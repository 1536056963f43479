"""Kills trainings at random moments and lets them go on; nothing may be lost.

    python -m tests.hostile.kill_training --kills=20 --seed=0

One training runs through. The other one is killed (SIGKILL) again and again,
half of the times in the middle of a save, and started again. In the end both
must have printed the same losses, but for steps that were saved when a kill
came before their line, and have the same weights, to the last bit.
"""
import os
import pathlib
import random
import re
import signal
import subprocess

from tests import scripts
from tests.hostile import kills

LOSS = re.compile(r'^(step \d+: .*), learning rate', re.MULTILINE)
STEPS_PER_KILL = 4


def run(folder: pathlib.Path, num_kills: int, seed: int) -> str:
    """Kills as often as it is told; returns how often that was."""
    scripts.write_shapes(folder / 'voc', 5, size=60)
    scripts.write_records(folder / 'voc', folder, 'voc_2007_train')
    rng, num_steps = random.Random(seed), STEPS_PER_KILL * num_kills
    log = folder / 'log.txt'
    process = _start(folder, 'whole', num_steps, log)
    assert process.wait() == 0, log.read_text('utf-8')
    whole, printed, killed = set(_losses(log)), set(), []
    assert len(whole) == num_steps
    for number in range(num_kills + 1):
        process = _start(folder, 'killed', num_steps, log)
        if number < num_kills:
            _kill(process, folder / 'killed', log, number % 2 == 0, rng)
        status = process.wait()
        assert status in (0, -signal.SIGKILL), log.read_text('utf-8')
        printed.update(_losses(log))
        if status == 0:
            break
        killed.append(number % 2 == 0)
    assert printed <= whole, printed - whole
    # A process may be killed when a step is saved and not yet printed.
    assert len(whole - printed) <= len(killed), whole - printed
    name = f'model.ckpt-{num_steps}.data-00000-of-00001'
    assert (folder / 'killed' / name).read_bytes() == (
        folder / 'whole' / name).read_bytes()
    return f'{len(killed)} kills, {sum(killed)} of them in a save: no change'


def _start(folder, name, num_steps, log):
    """Starts a training that writes its lines to a log."""
    with open(log, 'w', encoding='utf-8') as file:
        return subprocess.Popen(scripts.arguments(
            f'train_ssd_network.py --train_dir={folder / name} '
            f'--dataset_dir={folder} --dataset_name=pascalvoc_2007 '
            '--model_name=ssd_300_vgg_quarter --batch_size=1 --random_seed=1 '
            f'--log_every_n_steps=1 --max_number_of_steps={num_steps} '
            f'--save_interval_secs={600 if name == "whole" else 1}'),
            stdout=file, stderr=subprocess.STDOUT)


def _kill(process, train_dir, log, is_in_save, rng):
    """Kills a training after a few steps, in a save or at any time."""
    num_steps = rng.randint(1, STEPS_PER_KILL - 1)
    kills.wait(
        lambda: process.poll() is None,
        lambda: len(_losses(log)) >= num_steps and (not is_in_save or any(
            'temp' in name for name in os.listdir(train_dir))),
        0 if is_in_save else rng.random())
    process.kill()


def _losses(log):
    """Returns the lines of steps in a log, without their rates."""
    return LOSS.findall(log.read_text('utf-8'))


if __name__ == '__main__':
    kills.main(run, __doc__.partition('\n')[0])
