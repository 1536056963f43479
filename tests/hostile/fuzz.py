"""Feeds damaged files to what reads them: each is read or refused in a line.

    python -m tests.hostile.fuzz --kinds index data --cases=600 --seed=1

A case fails by any exception but ValueError and OSError, by a message of many
lines or without the file's name, by values of a checkpoint that were not
saved, by more than 5 seconds of processor time or 1 GB, and by the end of the
process, which a minute brings. A case depends on its kind, the seed and its
number alone: --kinds KIND --first=NUMBER --cases=1 --folder=FOLDER repeats
it, and leaves its file in FOLDER. The exit status is 1 if any failed.
"""
import argparse
import collections
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import psutil

from common import tables
from engine import cli
from tests.hostile import damage
from tests.hostile import readers

KINDS = tuple(readers.READERS)
OUTCOMES = READ, REFUSED, FAILED = 'read', 'refused', 'failed'
MAX_SECONDS, SECONDS_TO_KILL, MAX_BYTES = 5, 60, 2 ** 30
MAX_SHOWN = 5  # Failures of a kind.


def outcome(reader: readers.Reader) -> tuple[str, str, float]:
    """Reads; returns one of OUTCOMES, the message, and processor seconds."""
    # Of the processor: others may hold up a case for as long as they like.
    start, found, message = time.process_time(), READ, ''
    try:
        reader.read()
    except (ValueError, OSError) as error:
        found, message = REFUSED, cli.describe(error)
        if '\n' in message or str(reader.named) not in message:
            found = FAILED
    except Exception as error:  # What a user would report.
        found, message = FAILED, f'{type(error).__name__}: {error}'
    seconds = time.process_time() - start
    if seconds > MAX_SECONDS:
        found, message = FAILED, f'{seconds:.1f} seconds; {message}'
    return found, message, seconds


def work(cases: list[tuple[str, int]], seed: int, folder: pathlib.Path):
    """Runs (kind, number) of cases; prints of each a line of JSON."""
    made = {}
    for kind in dict(cases):
        shutil.rmtree(folder / kind, ignore_errors=True)
        (folder / kind).mkdir(parents=True)
        made[kind] = readers.READERS[kind](folder / kind)
    _limit_memory()
    for kind, number in cases:
        rng, reader = random.Random(f'{kind} {seed} {number}'), made[kind]
        content = damage.damaged(rng.choice(reader.examples), reader.ways, rng)
        reader.path.unlink(missing_ok=True)
        if content is not None:
            reader.path.write_bytes(content)
        signal.alarm(SECONDS_TO_KILL)
        print(json.dumps(outcome(reader)), flush=True)
        signal.alarm(0)


def run(options: argparse.Namespace, folder: str) -> Iterator[tuple]:
    """Has a process work, a new one after each case that ended it.

    Yields:
      kind and number of a case, one of OUTCOMES, the message, and seconds.
    """
    done, cases = 0, _cases(options)
    log = pathlib.Path(folder, 'stderr.txt')
    log.parent.mkdir(exist_ok=True)
    while done < len(cases):
        with open(log, 'wb') as stderr, subprocess.Popen(
                [sys.executable, '-m', 'tests.hostile.fuzz', *sys.argv[1:],
                 f'--folder={folder}', f'--worker={done}'],
                stdout=subprocess.PIPE, stderr=stderr) as worker:
            for line in worker.stdout:
                yield *cases[done], *json.loads(line)
                done += 1
        text = log.read_text('utf-8', 'replace')
        if worker.returncode > 0:
            sys.exit(text)
        if worker.returncode < 0:
            name = signal.Signals(-worker.returncode).name
            yield *cases[done], FAILED, f'{name}: {text[-200:]}', 0
            done += 1


def main():
    """Runs the cases; prints how many were read, refused, and the slowest."""
    options = _options()
    if options.worker is not None:
        return work(_cases(options)[options.worker:], options.seed,
                    pathlib.Path(options.folder))
    counts, slowest = collections.Counter(), collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for kind, number, found, message, seconds in run(
                options, options.folder or folder):
            counts[kind, found] += 1
            slowest[kind] = max(slowest[kind], seconds)
            if found == FAILED and counts[kind, FAILED] <= MAX_SHOWN:
                print(f'{kind}, case {number}: {message!r}', flush=True)
    print('\n'.join(tables.lines([('kind', *OUTCOMES, 'seconds'), *(
        (kind, *(counts[kind, name] for name in OUTCOMES),
         f'{slowest[kind]:.2f}') for kind in options.kinds)])))
    sys.exit(any(counts[kind, FAILED] for kind in options.kinds))


def _cases(options):
    """Returns (kind, number) of all cases, the kinds in turn."""
    return [(kind, number) for number in range(
        options.first, options.first + options.cases)
        for kind in options.kinds]


def _limit_memory():
    """Makes a case that takes more than MAX_BYTES end in a MemoryError."""
    process = psutil.Process()
    most = process.memory_info().vms + MAX_BYTES
    process.rlimit(psutil.RLIMIT_AS, (most, most))


def _options():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=KINDS)
    parser.add_argument('--cases', type=int, default=1000)  # Of each kind.
    for name, default in (('first', 0), ('seed', 1), ('worker', None)):
        parser.add_argument(f'--{name}', type=int, default=default)
    parser.add_argument('--folder')
    return parser.parse_args()


if __name__ == '__main__':
    main()
