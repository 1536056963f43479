"""Feeds damaged files to what reads them: each is read or refused in a line.

    python -m tests.hostile.fuzz_inputs --kind=all --cases=1000 --seed=1

A case fails if it ends in another exception than ValueError or OSError, in a
message of many lines or without the file's name, or if it takes more than 5
seconds of processor time or 1 GB. What failed is kept in --output_dir, and the
exit status is 1. The last case's file is there too if the process itself is
ended, as it is by a case that takes more than a minute of processor time.
"""
import argparse
import collections
import pathlib
import random
import resource
import shutil
import signal
import tempfile
import time

from tests.hostile import input_damage
from tests.hostile import input_readers

KINDS = tuple(input_readers.READERS)
MAX_SECONDS, SECONDS_TO_KILL = 5, 60
MAX_BYTES = 2 ** 30
READ, REFUSED, FAILED = 'read', 'refused', 'failed'


def main():
    """Runs the cases, prints a table."""
    options = _options()
    kinds = KINDS if options.kind == 'all' else [options.kind]
    pathlib.Path(options.output_dir).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = [_run_kind(kind, options, pathlib.Path(folder, kind))
                for kind in kinds]
    print(f'{"kind":12}{"cases":>9}{READ:>9}{REFUSED:>9}{FAILED:>9}'
          f'{"seconds":>9}{"slowest":>9}')
    for kind, counts, seconds, slowest in rows:
        numbers = (f'{counts[outcome]:9}' for outcome
                   in (READ, REFUSED, FAILED))
        print(f'{kind:12}{counts.total():9}{"".join(numbers)}{seconds:9.0f}'
              f'{slowest:9.2f}')
    raise SystemExit(any(counts[FAILED] for _, counts, _, _ in rows))


def _run_kind(kind, options, folder):
    """Returns the kind, Counter of outcomes, seconds in all, the slowest."""
    start, counts, slowest = time.monotonic(), collections.Counter(), 0
    for number, outcome, fault, seconds in run(
            kind, options.cases, options.seed, folder, options.output_dir):
        counts[outcome] += 1
        slowest = max(slowest, seconds)
        if outcome == FAILED:
            print(f'{kind}, seed {options.seed}, case {number}: {fault!r}',
                  flush=True)
    return kind, counts, time.monotonic() - start, slowest


def run(kind, num_cases, seed, folder, output_dir):
    """Yields the outcome of each case.

    Args:
      kind: of KINDS.
      num_cases: how many.
      seed: of the damage; a case depends on it and on its number alone.
      folder: for what the cases need; new.
      output_dir: folder for what failed.

    Yields:
      number of the case, READ, REFUSED or FAILED, the message, and seconds.
    """
    folder.mkdir(parents=True)
    with input_readers.READERS[kind](folder) as reader:
        wholes = [path.read_bytes() for path in reader.examples]
        _limit_memory()
        for number in range(num_cases):
            generator = random.Random(f'{kind} {seed} {number}')
            content = input_damage.damaged(kind, wholes, generator)
            kept = pathlib.Path(
                output_dir, f'{kind}_{seed}_{number}{reader.path.suffix}')
            kept.write_bytes(content)
            shutil.copyfile(kept, reader.path)
            signal.setitimer(signal.ITIMER_PROF, SECONDS_TO_KILL)
            outcome, fault, seconds = _outcome(reader)
            signal.setitimer(signal.ITIMER_PROF, 0)
            if outcome != FAILED:
                kept.unlink()
            yield number, outcome, fault, seconds


def _outcome(reader):
    # Of the processor: others may hold up a case for as long as they like.
    start, outcome, fault = time.process_time(), READ, ''
    try:
        reader.read()
    except (ValueError, OSError) as error:
        outcome, fault = REFUSED, str(error)
        if len(fault.splitlines()) != 1 or str(reader.named) not in fault:
            outcome = FAILED
    except Exception as error:
        outcome, fault = FAILED, f'{type(error).__name__}: {error}'
    seconds = time.process_time() - start
    if seconds > MAX_SECONDS:
        outcome, fault = FAILED, f'{seconds:.1f} seconds; {fault}'
    return outcome, fault, seconds


def _limit_memory():
    """Makes a case that takes more than MAX_BYTES end in a MemoryError."""
    pages = int(pathlib.Path('/proc/self/statm').read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (
        pages * resource.getpagesize() + MAX_BYTES, hard))


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n')[0])
    parser.add_argument('--kind', choices=[*KINDS, 'all'], default='all')
    parser.add_argument('--cases', type=int, default=1000,
                        help='of each kind')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--output_dir', default='fuzz',
                        help='keeps the files of cases that failed')
    return parser.parse_args()


if __name__ == '__main__':
    main()
