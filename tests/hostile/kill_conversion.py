"""Kills conversions with SIGKILL at random moments; looks at what is left.

    python -m tests.hostile.kill_conversion --times=100 --seed=1

A process converts the same images over and over, with the classes now in one
order and now in the other, so that records of the same sizes replace each
other. After each kill the records must be those of one conversion to the last
byte, or be refused; those that are neither are wrong. The exit status is 1 if
there were any, or if a conversion after it all does not succeed.
"""
import argparse
import collections
import itertools
import multiprocessing
import os
import pathlib
import random
import shutil
import tempfile
import time

from datasets import conversion
from datasets import dataset_factory
from datasets import manifests
from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from datasets.voc import folders

NAME = 'toy_train'
NUM_IMAGES, SAMPLES_PER_FILE = 60, 2  # Many files: much to be interrupted.
WHOLE, REFUSED, WRONG = 'whole', 'refused', 'wrong'
ORDERS = tuple(drawing.CLASSES), tuple(drawing.CLASSES[::-1])
# Most of a conversion is reading; this many of the kills are aimed at the end.
SHARE_AT_END = .7


def main():
    """Kills, counts, prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--times', type=int, default=100)
    parser.add_argument('--seed', type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = kill_many(folder, options.times, options.seed)
    print(', '.join(f'{counts[state]} {state}'
                    for state in (WHOLE, REFUSED, WRONG)), end=' ')
    print(f'of {options.times} conversions that were killed')
    raise SystemExit(counts[WRONG] > 0)


def kill_many(folder, times, seed):
    """Returns a Counter of what was left after each kill.

    Args:
      folder: to work in.
      times: number of kills.
      seed: of their moments.
    """
    conversion.SAMPLES_PER_FILE = SAMPLES_PER_FILE
    voc, records = (os.path.join(folder, name) for name in ('voc', 'records'))
    synthetic_shapes.write(voc, NUM_IMAGES, 0, size=64)
    generator, counts = random.Random(seed), collections.Counter()
    # TensorFlow is imported once; its sessions are the children's alone.
    context = multiprocessing.get_context('fork')
    for _ in range(times):
        shutil.rmtree(records, ignore_errors=True)
        process = context.Process(target=_convert_on_and_on,
                                  args=(voc, records))
        process.start()
        _wait_for_a_manifest(records)
        delay = generator.random()
        if generator.random() < SHARE_AT_END:
            _wait_for_partials(records)
            delay *= .1
        time.sleep(delay)
        process.kill()
        process.join()
        counts[state(records)] += 1
        os.makedirs(records, exist_ok=True)
    process = context.Process(target=_convert, args=(voc, records, ORDERS[0]))
    process.start()
    process.join()
    left = [path.name for path in pathlib.Path(records).glob('*.partial')]
    if process.exitcode or left or state(records) != WHOLE:
        raise SystemExit(f'The conversion after the kills: {left}')
    return counts


def state(records):
    """Returns WHOLE, REFUSED or WRONG of the records in a folder."""
    try:
        dataset_factory.get_dataset('toy', 'train', records)
    except ValueError as error:
        return REFUSED if len(str(error).splitlines()) == 1 else WRONG
    paths = records.shards(records)[NAME]
    manifest = records.read_manifest(records, NAME, paths)
    described = [
        manifests.describe_file(path, os.path.basename(path),
                                records.count_records(path))
        for path in paths]
    return WHOLE if described == manifest['files'] else WRONG


def _convert(voc, records, labels):
    conversion.convert(
        [folders.Part(voc, None, NAME)], records, labels)


def _convert_on_and_on(voc, records):
    for labels in itertools.cycle(ORDERS):
        _convert(voc, records, labels)


def _wait_for_a_manifest(records):
    """Waits for the end of the first conversion."""
    while not os.path.exists(records.manifest_path(records, NAME)):
        time.sleep(.001)


def _wait_for_partials(records):
    """Waits until the last file of the next conversion has been begun."""
    last = records.shard_name(NAME, NUM_IMAGES // SAMPLES_PER_FILE - 1)
    while not os.path.exists(os.path.join(records, last + '.partial')):
        time.sleep(.0002)


if __name__ == '__main__':
    main()
