"""Reads checkpoints that are damaged in every way: none may do harm.

    python -m tests.hostile.fuzz_checkpoints --cases=1000 --seed=0

Prints per kind of damage how many checkpoints were read, refused by an error
that names the file, and failed: by any other error, by the end of the
process, by more than 20 seconds, or, where TensorFlow's sums should have
noticed, by other values than were saved. Exit status 1 if any failed.
"""
import argparse
import collections
import contextlib
import functools
import io
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile

from engine import checkpoints
from engine import cli
from engine import models
from tests.hostile import checkpoint_damage

SECONDS_PER_CASE = 20
KINDS = ('metadata', *checkpoint_damage.KINDS)
OUTCOMES = ('read', 'refused', 'failed')


def run_case(kind, number, seed, whole, folder):
    """Damages a copy of a checkpoint and reads it as the scripts do.

    Args:
      kind: of KINDS.
      number: of the case.
      seed: of all cases.
      whole: folder that checkpoint_damage.save wrote.
      folder: to work in, made anew.

    Returns:
      One of OUTCOMES, and what the error says or None.
    """
    random_case = random.Random(f'{seed} {kind} {number}')
    if kind == 'metadata':
        content = checkpoint_damage.damaged_metadata(random_case)
        return _outcome(lambda: _use(content), checkpoints.metadata.NAME)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(pathlib.Path(whole, kind), folder)
    checkpoint_damage.KINDS[kind](pathlib.Path(folder), random_case)
    expected = _expected(pathlib.Path(whole, kind))
    # Entries are damaged with sums that fit: they have other values.
    return _outcome(
        lambda: read(folder) == expected or kind == 'entries', str(folder))


def _use(metadata):
    """Makes the network that metadata, bytes, describes."""
    metadata = checkpoints.metadata.parse(metadata)
    models.make_network(None, metadata['classes'], metadata)
    return True


@functools.cache
def _expected(folder):
    return read(folder)


def _outcome(function, file_name):
    """Returns one of OUTCOMES, and what the error says or None."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            is_same = function()
    except (ValueError, OSError) as error:
        text = cli.describe(error)
        is_named = file_name in text and '\n' not in text
        return ('refused' if is_named else 'failed'), text
    except Exception as error:  # What a user would report.
        return 'failed', repr(error)
    return ('read', None) if is_same else (
        'failed', 'other values than were saved')


def read(folder):
    """Returns all that a folder's checkpoint holds, by name, as text."""
    prefix = checkpoints.paths.find(str(folder))
    checkpoints.metadata.read(prefix)
    checkpoints.reader.global_step(prefix)
    reader = checkpoints.reader.open_reader(prefix)
    values = {name: checkpoints.reader.read(reader, prefix, name)
              for name in reader.get_variable_to_shape_map()}
    return {name: repr(value) for name, value in values.items()}


def work(folder, kinds, cases, seed, first):
    """Runs cases from a first on, in turn of their kinds; prints each."""
    # The default action of the signal ends the process, even within C++.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for index in range(first, cases * len(kinds)):
        number, place = divmod(index, len(kinds))
        kind = kinds[place]
        signal.alarm(SECONDS_PER_CASE)
        outcome, text = run_case(
            kind, number, seed, os.path.join(folder, 'whole'),
            os.path.join(folder, 'damaged'))
        print(index, kind, outcome, '' if outcome == 'refused' else text,
              flush=True)
    signal.alarm(0)


def run(folder, kinds, cases, seed):
    """Runs the worker, again after each case that ended it.

    Returns:
      collections.Counter of (kind, outcome).
    """
    counts = collections.Counter()
    done = 0
    while done < cases * len(kinds):
        worker = subprocess.Popen(
            [sys.executable, '-m', 'tests.hostile.fuzz_checkpoints',
             f'--cases={cases}', f'--seed={seed}', f'--first={done}',
             f'--folder={folder}', '--kinds', *kinds], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for line in worker.stdout:
            index, kind, outcome, text = line.rstrip('\n').split(' ', 3)
            done = int(index) + 1
            counts[kind, outcome] += 1
            if outcome == 'failed':
                print(f'{kind}, case {done // len(kinds)}: {text}')
        if worker.wait() != 0:
            kind = kinds[done % len(kinds)]
            counts[kind, 'failed'] += 1
            print(f'{kind}, case {done // len(kinds)}: ended the process: '
                  f'{worker.returncode}')
            done += 1
    return counts


def main():
    """Runs what the command line says, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kinds', nargs='+', default=KINDS, choices=KINDS)
    parser.add_argument('--cases', type=int, default=1000, help='per kind')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--first', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--folder', help=argparse.SUPPRESS)
    values = parser.parse_args()
    if values.first is not None:
        work(values.folder, values.kinds, values.cases, values.seed,
             values.first)
        return
    with tempfile.TemporaryDirectory() as folder:
        checkpoint_damage.save(pathlib.Path(folder, 'whole'))
        counts = run(folder, values.kinds, values.cases, values.seed)
    print('| damaged | cases | read | refused | failed |')
    print('|---|---|---|---|---|')
    for kind in values.kinds:
        row = [counts[kind, outcome] for outcome in OUTCOMES]
        print(f'| {kind} | {sum(row)} | {" | ".join(map(str, row))} |')
    sys.exit(any(counts[kind, 'failed'] for kind in values.kinds))


if __name__ == '__main__':
    main()
