"""A short form of tests.hostile.fuzz_inputs, and of what it is to notice."""
import os
import subprocess
import sys

import pytest

from tests import scripts
from tests.hostile import fuzz_inputs
from tests.hostile import input_readers


def test_damaged_files_are_read_or_refused(tmp_path):
    """In a process of its own: it limits its memory."""
    process = subprocess.run(
        [sys.executable, '-m', 'tests.hostile.fuzz_inputs', '--cases=60',
         '--seed=7', f'--output_dir={tmp_path}'],
        cwd=scripts.ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    header, *rows = process.stdout.splitlines()
    assert header.split()[:5] == ['kind', 'cases', 'read', 'refused', 'failed']
    assert [row.split()[0] for row in rows] == list(fuzz_inputs.KINDS)
    for row in rows:
        cases, read, refused, failed = map(int, row.split()[1:5])
        assert cases == read + refused == 60 and failed == 0
        assert refused
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize('error, outcome', [
    (None, fuzz_inputs.READ),
    (ValueError('{}: line 1 is wrong.'), fuzz_inputs.REFUSED),
    (ValueError('line 1 is wrong.'), fuzz_inputs.FAILED),
    (OSError('{}:\nwrong.'), fuzz_inputs.FAILED),
    (KeyError('{}'), fuzz_inputs.FAILED),
    (MemoryError(), fuzz_inputs.FAILED)])
def test_what_is_a_failure(tmp_path, monkeypatch, error, outcome):
    def read(self):
        if error is not None:
            raise type(error)(*(text.format(self.path) for text in error.args))

    monkeypatch.setattr(input_readers.Labels, 'read', read)
    monkeypatch.setattr(fuzz_inputs, '_limit_memory', lambda: None)
    (tmp_path / 'kept').mkdir()
    (_, found, _, _), = fuzz_inputs.run(
        'labels', 1, 0, tmp_path / 'work', tmp_path / 'kept')
    assert found == outcome
    assert len(list((tmp_path / 'kept').iterdir())) == (
        outcome == fuzz_inputs.FAILED)
