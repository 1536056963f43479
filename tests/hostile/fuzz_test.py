"""A short form of fuzz.py, and what it is to notice."""
import argparse
import subprocess
import sys
import time
import types

import pytest

from tests import scripts
from tests.hostile import fuzz


def test_damaged_files_are_read_or_refused():
    process = subprocess.run(
        [sys.executable, '-m', 'tests.hostile.fuzz', '--cases=60', '--seed=7'],
        cwd=scripts.ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    header, *rows = (line.split() for line in process.stdout.splitlines())
    assert header[:5] == ['kind', 'cases', 'read', 'refused', 'failed']
    assert [row[0] for row in rows] == list(fuzz.KINDS)
    for kind, *numbers in rows:
        cases, read, refused, failed = map(int, numbers[:4])
        assert (cases, failed) == (60, 0) and read + refused == 60
        # The newest whole checkpoint is taken for what a state does not name.
        assert (refused > 0) == (kind != 'state')


@pytest.mark.parametrize('error, found', [
    (None, fuzz.READ),
    (ValueError('a.txt: line 1 is wrong.'), fuzz.REFUSED),
    (ValueError('line 1 is wrong.'), fuzz.FAILED),
    (OSError('a.txt:\nwrong.'), fuzz.FAILED),
    (KeyError('a.txt'), fuzz.FAILED),
    (AssertionError('not what was saved'), fuzz.FAILED),
    (MemoryError(), fuzz.FAILED)])
def test_what_is_a_failure(error, found):
    def read():
        if error is not None:
            raise error

    assert fuzz.outcome(
        types.SimpleNamespace(named='a.txt', read=read))[0] == found


def test_what_takes_long_is_a_failure(monkeypatch):
    clock = iter([0, 5.5])
    monkeypatch.setattr(time, 'process_time', lambda: next(clock))
    assert fuzz.outcome(types.SimpleNamespace(
        named='', read=lambda: None))[:2] == (fuzz.FAILED, '5.5 seconds; ')


def test_what_ends_the_process_is_a_failure(tmp_path, monkeypatch):
    worker = tmp_path / 'worker'
    worker.write_text(
        '#!/bin/sh\n'
        """echo '["read", "", 0]'\n"""
        'case "$*" in *--worker=0) kill -SEGV $$;; esac\n')
    worker.chmod(0o700)
    monkeypatch.setattr(sys, 'executable', str(worker))
    options = argparse.Namespace(kinds=['a'], cases=3, first=5)
    assert list(fuzz.run(options, str(tmp_path))) == [
        ('a', 5, fuzz.READ, '', 0),
        ('a', 6, fuzz.FAILED, 'ended by SIGSEGV: []', 0),
        ('a', 7, fuzz.READ, '', 0)]
