"""Feeds damaged files to what reads them: each is read or refused in a line.

    python -m tests.hostile.fuzz --kinds index data --cases=600 --seed=1

A case fails by any exception but ValueError and OSError, by a message of many
lines or without the file's name, by values of a checkpoint other than those
that were saved, by more than 5 seconds of processor time or 1 GB, and by the
end of the process, which a case of more than a minute is. The exit status is
1 if any failed. A case depends on its kind, the seed and its number alone:
--kinds KIND --first=NUMBER --cases=1 --folder=FOLDER repeats it, and leaves
its file in FOLDER.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from engine import cli
from tests.hostile import damage
from tests.hostile import readers

KINDS = tuple(readers.READERS)
OUTCOMES = READ, REFUSED, FAILED = 'read', 'refused', 'failed'
MAX_SECONDS, SECONDS_TO_KILL = 5, 60
MAX_BYTES = 2 ** 30


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
    with contextlib.ExitStack() as stack:
        made = {}
        for kind in dict(cases):
            shutil.rmtree(folder / kind, ignore_errors=True)
            (folder / kind).mkdir(parents=True)
            made[kind] = stack.enter_context(
                readers.READERS[kind](folder / kind))
        _limit_memory()
        for kind, number in cases:
            rng, reader = random.Random(f'{kind} {seed} {number}'), made[kind]
            content = damage.damaged(
                rng.choice(reader.examples), reader.ways, rng)
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
        if worker.returncode > 0:
            sys.exit(log.read_text('utf-8', 'replace'))
        if worker.returncode < 0:
            name = signal.Signals(-worker.returncode).name
            last = log.read_text('utf-8', 'replace').splitlines()[-1:]
            yield *cases[done], FAILED, f'ended by {name}: {last}', 0
            done += 1


def main():
    """Runs the cases, prints a table."""
    options = _options()
    if options.worker is not None:
        work(_cases(options)[options.worker:], options.seed,
             pathlib.Path(options.folder))
        return
    counts, slowest = collections.Counter(), collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for kind, number, found, message, seconds in run(
                options, options.folder or folder):
            counts[kind, found] += 1
            slowest[kind] = max(slowest[kind], seconds)
            if found == FAILED:
                print(f'{kind}, case {number}: {message!r}', flush=True)
    print(f'{"kind":12}' + ''.join(
        f'{name:>9}' for name in ('cases', *OUTCOMES, 'slowest')))
    for kind in options.kinds:
        numbers = ''.join(f'{counts[kind, name]:9}' for name in OUTCOMES)
        print(f'{kind:12}{options.cases:9}{numbers}{slowest[kind]:9.2f}')
    sys.exit(any(counts[kind, FAILED] for kind in options.kinds))


def _cases(options):
    """Returns (kind, number) of all cases, the kinds in turn."""
    return [(kind, number) for number in range(
        options.first, options.first + options.cases)
        for kind in options.kinds]


def _limit_memory():
    """Makes a case that takes more than MAX_BYTES end in a MemoryError."""
    pages = int(pathlib.Path('/proc/self/statm').read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (
        pages * os.sysconf('SC_PAGE_SIZE') + MAX_BYTES, hard))


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n')[0])
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=KINDS)
    parser.add_argument('--cases', type=int, default=1000,
                        help='of each kind')
    parser.add_argument('--first', type=int, default=0,
                        help='number of the first case')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--folder', help='to work in; else a temporary one')
    parser.add_argument('--worker', type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == '__main__':
    main()
