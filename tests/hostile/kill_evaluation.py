"""Kills evaluations while they write; looks at the results that are left.

    python -m tests.hostile.kill_evaluation --kills=20 --seed=0

Each evaluation replaces the results of another one, with fewer detections, and
is killed (SIGKILL) within two seconds of its first change. Every file that is
left must be one of the two evaluations', to the last byte, and a metrics.json
must be of the same one as the devkit's files beside it.
"""
import pathlib
import random
import shutil
import subprocess

from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from tests import scripts
from tests.hostile import kills

CHECKPOINT = scripts.ROOT / 'checkpoints' / 'ssd_300_vgg_quarter_shapes.ckpt'
NUM_IMAGES = 8
SECONDS = 2  # In which an evaluation of few images writes its results.


def run(folder: pathlib.Path, num_kills: int, seed: int) -> str:
    """Kills as often as it is told; returns what was left how often."""
    synthetic_shapes.write(folder / 'voc', 0, NUM_IMAGES, 0)
    scripts.write_records(
        folder / 'voc', folder, 'shapes_test', drawing.CLASSES)
    for name, threshold in (('old', .5), ('new', .01)):
        scripts.run(folder, _command(folder, name, threshold))
    old, new = (kills.contents(folder / name) for name in ('old', 'new'))
    left, rng, num_with = folder / 'left', random.Random(seed), 0
    for _ in range(num_kills):
        shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(folder / 'old', left)
        _kill(_command(folder, 'left', .01), left / 'metrics.json',
              SECONDS * rng.random() ** 3)
        found = kills.contents(left)
        for name, content in found.items():
            assert content in (old.get(name), new.get(name)), name
        if 'metrics.json' in found:
            num_with += 1
            one = old if found['metrics.json'] == old['metrics.json'] else new
            names = {name for name in one if name.startswith('comp4_')}
            assert names and all(found[name] == one[name] for name in names)
    return (f'{num_kills} kills: all files whole, {num_with} times with a '
            'metrics.json that fits')


def _command(folder, name, threshold):
    return ('eval_ssd_network.py --dataset_name=shapes '
            f'--dataset_dir={folder} --checkpoint_path={CHECKPOINT} '
            f'--eval_dir={folder / name} --select_threshold={threshold}')


def _kill(command, metrics, seconds):
    """Kills an evaluation some seconds after its first change of results."""
    earlier = metrics.stat().st_mtime_ns
    process = subprocess.Popen(
        scripts.arguments(command), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    kills.wait(
        lambda: process.poll() is None,
        lambda: not metrics.exists()
        or metrics.stat().st_mtime_ns != earlier, seconds)
    process.kill()
    process.wait()


if __name__ == '__main__':
    kills.main(run, __doc__.partition('\n')[0])
