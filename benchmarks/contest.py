"""Times contestants against each other, each in a process of its own.

They take turns, a run each in every round, so that whatever else the machine
does strikes all of them alike; only ratios within a contest mean something.
"""
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

# Threads of some engines go on spinning after a run.
SECONDS_BETWEEN_RUNS = 0.2


class Measurement(NamedTuple):
    """A contestant's runs."""
    spec: dict  # What was run.
    seconds: list[float]  # Of each run, as the next ones.
    cpu_seconds: list[float]
    waited: list[float | None]  # Seconds for data; None if not known.
    num_images: int | None  # Of a run.
    flops: int | None  # Of a run; None if not counted.
    peak_bytes: int | None  # The process' largest memory.
    fault: str | None  # Why it did not run.


def compete(specs: Sequence[dict], num_rounds: int, max_seconds: float,
            together: bool = True) -> list[Measurement]:
    """Measures contestants.

    Args:
      specs: dicts for benchmarks.worker.
      num_rounds: runs of each.
      max_seconds: after this no round begins, but the first.
      together: whether all are in memory at the same time and take turns.

    Returns:
      Of each spec, in their order.
    """
    if not together:
        return [measurement for spec in specs for measurement
                in compete([spec], num_rounds, max_seconds / len(specs))]
    players = [_Player(spec) for spec in specs]
    start = time.monotonic()
    for number in range(num_rounds):
        if number and time.monotonic() - start > max_seconds:
            break
        for player in players:
            player.run()
    return [player.finish() for player in players]


def images_per_second(measurement: Measurement) -> float:
    """Returns the median rate."""
    return measurement.num_images / statistics.median(measurement.seconds)


def spread(measurement: Measurement) -> float:
    """Returns half the range of the runs' seconds, relative to the median."""
    seconds = measurement.seconds
    return (max(seconds) - min(seconds)) / 2 / statistics.median(seconds)


class _Player:
    """A worker process and what it reported."""

    def __init__(self, spec):
        self._spec = spec
        self._seconds, self._cpu_seconds, self._waited = [], [], []
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'benchmarks.worker', json.dumps(spec)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **spec['environment']})
        self._ready = self._answer()
        self._fault = self._ready.get('fault')

    def run(self):
        if self._fault is not None:
            return
        time.sleep(SECONDS_BETWEEN_RUNS)
        self._process.stdin.write('run\n')
        self._process.stdin.flush()
        answer = self._answer()
        self._fault = answer.get('fault')
        if self._fault is None:
            self._seconds.append(answer['seconds'])
            self._cpu_seconds.append(answer['cpu_seconds'])
            self._waited.append(answer['waited'])

    def finish(self):
        peak_bytes = None
        if self._fault is None:
            self._process.stdin.close()
            peak_bytes = self._answer().get('peak_bytes')
        self._process.stdout.close()
        self._process.wait()
        return Measurement(
            self._spec, self._seconds, self._cpu_seconds, self._waited,
            self._ready.get('num_images'), self._ready.get('flops'),
            peak_bytes, self._fault)

    def _answer(self):
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        return {'fault': f'ended with status {self._process.wait()}'}
