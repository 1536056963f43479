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
    assert header == ['kind', 'read', 'refused', 'failed', 'seconds']
    assert [row[0] for row in rows] == list(fuzz.KINDS)
    for kind, read, refused, failed, _ in rows:
        assert int(read) + int(refused) == 60 and failed == '0'
        # The newest whole checkpoint is taken for what a state does not name.
        assert (refused > '0') == (kind != 'state')


@pytest.mark.parametrize('error, seconds, found', [
    (None, 5, fuzz.READ),
    (None, 5.5, fuzz.FAILED),
    (ValueError('a.txt: line 1 is wrong.'), 5, fuzz.REFUSED),
    (ValueError('line 1 is wrong.'), 5, fuzz.FAILED),
    (OSError('a.txt:\nwrong.'), 5, fuzz.FAILED),
    (AssertionError('a.txt: not what was saved'), 5, fuzz.FAILED),
    (MemoryError('a.txt'), 5, fuzz.FAILED)])
def test_what_is_a_failure(monkeypatch, error, seconds, found):
    def read():
        if error is not None:
            raise error

    clock = iter([10, 10 + seconds])
    monkeypatch.setattr(time, 'process_time', lambda: next(clock))
    assert fuzz.outcome(
        types.SimpleNamespace(named='a.txt', read=read))[0] == found


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
        ('a', 6, fuzz.FAILED, 'SIGSEGV: ', 0),
        ('a', 7, fuzz.READ, '', 0)]
