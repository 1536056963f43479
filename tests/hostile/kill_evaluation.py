"""Kills evaluations while they write; looks at the results that are left.

    python -m tests.hostile.kill_evaluation --kills=20 --seed=0

Each evaluation replaces the results of another one, with fewer detections, and
is killed (SIGKILL) within two seconds of its first change. Every file that is
left must be one of the two evaluations', to the last byte, and a metrics.json
must be of the same one as the detections beside it.
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
SECONDS = 2  # In which an evaluation of few images writes its results.


def run(folder: pathlib.Path, num_kills: int, seed: int) -> str:
    """Kills as often as it is told; returns what was left how often."""
    synthetic_shapes.write(folder / 'voc', 0, 8, 0)
    scripts.write_records(
        folder / 'voc', folder, 'shapes_test', drawing.CLASSES)
    for name, threshold in (('old', .5), ('new', .01)):
        scripts.run(folder, _command(folder, name, threshold))
    old, new = (kills.contents(folder / name) for name in ('old', 'new'))
    left, rng = folder / 'left', random.Random(seed)
    for _ in range(num_kills):
        shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(folder / 'old', left)
        _kill(_command(folder, 'left', .01), left / 'metrics.json',
              SECONDS * rng.random() ** 3)
        found = kills.contents(left)
        for name, content in found.items():
            assert content in (old.get(name), new.get(name)), name
        if 'metrics.json' in found:
            one = old if found['metrics.json'] == old['metrics.json'] else new
            for name in one:
                assert not name.startswith(('comp4_', 'detections')) or (
                    found.get(name) == one[name]), name
    return f'{num_kills} kills: all files whole, of one evaluation'


def _command(folder, name, threshold):
    return ('eval_ssd_network.py --dataset_name=shapes '
            f'--dataset_dir={folder} --checkpoint_path={CHECKPOINT} '
            f'--eval_dir={folder / name} --select_threshold={threshold}')


def _kill(command, metrics, seconds):
    """Kills an evaluation some seconds after its first change of results."""
    earlier = kills.identity(metrics)
    process = subprocess.Popen(
        scripts.arguments(command), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    kills.wait(lambda: process.poll() is None,
               lambda: kills.identity(metrics) != earlier, seconds)
    process.kill()
    process.wait()


if __name__ == '__main__':
    kills.main(run, __doc__.partition('\n')[0])
