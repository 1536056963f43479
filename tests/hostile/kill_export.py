"""Kills exports with SIGKILL at random moments; looks at what is left.

    python -m tests.hostile.kill_export --kills=20 --seed=0

Each export replaces the files of another one, with fewer detections. Half of
them are killed when they begin to replace files, the others at any time. Every
file that is left must be whole, and an export.json must be of the same export
as the files beside it. The next export removes what a killed one left.
"""
import json
import pathlib
import random
import shutil
import subprocess
import time

from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from engine import backends
from tests import scripts
from tests.hostile import kills

CHECKPOINT = scripts.ROOT / 'checkpoints' / 'ssd_300_vgg_quarter_shapes.ckpt'
NAMES = {'export.json', 'model.onnx', 'model.tflite'}
SECONDS = .002  # In which the files are replaced.


def run(folder: pathlib.Path, num_kills: int, seed: int) -> str:
    """Kills as often as it is told; returns what was left how often."""
    synthetic_shapes.write(folder / 'voc', 0, 2, 0)
    scripts.write_records(
        folder / 'voc', folder, 'shapes_test', drawing.CLASSES)
    scripts.run(folder, _command(folder, 'old', 100))
    start = time.monotonic()
    scripts.run(folder, _command(folder, 'left', 200))
    seconds = time.monotonic() - start
    left, rng, found = folder / 'left', random.Random(seed), []
    for number in range(num_kills):
        shutil.copytree(folder / 'old', left, dirs_exist_ok=True)
        _kill(folder, number % 2 == 0, rng, seconds)
        found.append(_look(left))
    scripts.run(folder, _command(folder, 'left', 200))
    assert {path.name for path in left.iterdir()} == NAMES
    assert _look(left) == 'the new'
    return f'{num_kills} kills: {found.count("the old")} times the old ' \
           f'files, {found.count("the new")} times the new ones, ' \
           f'{found.count("no export.json")} times no export.json'


def _command(folder, name, keep_top_k):
    return (f'export_ssd_network.py --checkpoint_path={CHECKPOINT} '
            f'--dataset_name=shapes --dataset_dir={folder} '
            f'--output_dir={folder / name} --formats=onnx,tflite '
            f'--keep_top_k={keep_top_k}')


def _kill(folder, is_replacing, rng, seconds):
    """Kills an export when it removes the earlier export.json, or before."""
    report = folder / 'left' / 'export.json'
    earlier = kills.identity(report)
    process = subprocess.Popen(
        scripts.arguments(_command(folder, 'left', 200)),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if is_replacing:
        kills.wait(lambda: process.poll() is None,
                   lambda: kills.identity(report) != earlier,
                   SECONDS * rng.random())
    else:
        kills.wait(lambda: process.poll() is None, lambda: True,
                   seconds * rng.random())
    process.kill()
    process.wait()


def _look(left):
    """Returns whose files are left, all of which must be whole."""
    names = {name for name in kills.contents(left) if not name.startswith('.')}
    assert names <= NAMES and NAMES - names <= {'export.json'}, names
    numbers = set()
    for name in names - {'export.json'}:
        with backends.Backend(str(left / name)) as backend:
            numbers.add(backend.about['keep_top_k'])
    if 'export.json' not in names:
        return 'no export.json'
    report = json.loads((left / 'export.json').read_text())
    assert numbers == {report['keep_top_k']}, numbers
    return 'the old' if numbers == {100} else 'the new'


if __name__ == '__main__':
    kills.main(run, __doc__.partition('\n')[0])
