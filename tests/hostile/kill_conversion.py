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
    _start(folder, 'old', drawing.CLASSES[::-1]).join()
    _start(folder, 'new').join()
    old, new = (kills.contents(folder / name) for name in ('old', 'new'))
    assert len(old) == NUM_FILES + 1 and old != new
    left, rng, num_refused = folder / 'left', random.Random(seed), 0
    for number in range(num_kills):
        shutil.copytree(folder / 'old', left, dirs_exist_ok=True)
        _kill(folder, number % 2 == 0, rng)
        try:
            dataset_factory.get_dataset('toy', 'train', str(left))
        except ValueError as error:
            assert '\n' not in str(error), error
            num_refused += 1
        else:
            assert kills.contents(left) in (old, new)
    _start(folder, 'left').join()
    assert kills.contents(left) == new
    assert not list(left.glob(f'*{files.PARTIAL}*'))
    return f'{num_kills} kills: {num_refused} times refused, else whole'


def _start(folder, output_name, labels=drawing.CLASSES):
    """Starts a process that converts with the classes in some order."""
    # TensorFlow is imported once; its sessions are the children's alone.
    process = multiprocessing.get_context('fork').Process(
        target=scripts.write_records,
        args=(folder / 'voc', folder / output_name, NAME, labels))
    process.start()
    return process


def _kill(folder, is_at_the_end, rng):
    """Kills a conversion when the manifest changes, or before."""
    left, num_files = folder / 'left', rng.randint(1, NUM_FILES)
    manifest = left / f'{NAME}.json'
    earlier = kills.identity(manifest)
    process = _start(folder, 'left')
    kills.wait(process.is_alive, lambda: (
        kills.identity(manifest) != earlier if is_at_the_end
        # pathlib's glob does not bear that the folder vanishes.
        else len(glob.glob(f'{left}/*{files.PARTIAL}*/*')) >= num_files),
        SECONDS * rng.random())
    process.kill()
    process.join()


if __name__ == '__main__':
    kills.main(run, __doc__.partition('\n')[0])
