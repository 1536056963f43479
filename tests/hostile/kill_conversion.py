"""Kills conversions with SIGKILL at random moments; looks at what is left.

    python -m tests.hostile.kill_conversion --kills=100 --seed=1

Each conversion replaces records of the same images with the classes in
another order, so that the files have the same sizes. Half of them are killed
when the manifest changes, the others while they write. What is left must be
the files of one conversion, to the last byte, or be refused.
"""
import glob
import multiprocessing
import pathlib
import random
import shutil

from common import files
from datasets import conversion
from datasets import dataset_factory
from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from tests import scripts
from tests.hostile import kills

NAME = 'toy_train'
NUM_FILES, SAMPLES_PER_FILE = 30, 2  # Many files: much to be interrupted.
SECONDS = .002  # In which the files are replaced.


def run(folder: pathlib.Path, num_kills: int, seed: int) -> str:
    """Kills as often as it is told; returns what was left how often."""
    conversion.SAMPLES_PER_FILE = SAMPLES_PER_FILE
    synthetic_shapes.write(
        folder / 'voc', NUM_FILES * SAMPLES_PER_FILE, 0, size=64)
    for name in ('old', 'new'):
        _start(folder, name, name).join()
    old, new = (kills.contents(folder / name) for name in ('old', 'new'))
    assert len(old) == NUM_FILES + 1 and old.keys() == new.keys() != old
    left, rng, num_refused = folder / 'left', random.Random(seed), 0
    for number in range(num_kills):
        shutil.copytree(folder / 'old', left, dirs_exist_ok=True)
        process = _start(folder, 'left', 'new')
        kills.wait(process.is_alive, _moment(left, number % 2, rng),
                   SECONDS * rng.random())
        process.kill()
        process.join()
        try:
            dataset_factory.get_dataset('toy', 'train', str(left))
        except ValueError as error:
            assert '\n' not in str(error), error
            num_refused += 1
        else:
            assert kills.contents(left) in (old, new)
    _start(folder, 'left', 'new').join()
    assert kills.contents(left) == new
    assert not list(left.glob(f'*{files.PARTIAL}*'))
    return (f'{num_kills} kills: {num_kills - num_refused} times whole '
            f'records, {num_refused} times refused')


def _start(folder, output_name, order):
    """Starts a process that converts with the old or the new order."""
    labels = drawing.CLASSES[::1 if order == 'old' else -1]
    # TensorFlow is imported once; its sessions are the children's alone.
    process = multiprocessing.get_context('fork').Process(
        target=scripts.write_records,
        args=(folder / 'voc', folder / output_name, NAME, labels))
    process.start()
    return process


def _moment(folder, is_manifest_s, rng):
    """Returns a function that tells whether a moment has come."""
    manifest, num_files = folder / f'{NAME}.json', rng.randint(1, NUM_FILES)
    earlier = manifest.stat().st_ino
    if is_manifest_s:
        return lambda: manifest.stat().st_ino != earlier
    return lambda: _num_partials(folder) >= num_files


def _num_partials(folder):
    return len(glob.glob(f'{folder}/*{files.PARTIAL}*/*'))


if __name__ == '__main__':
    kills.main(run, __doc__.partition('\n')[0])
