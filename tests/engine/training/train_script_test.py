"""The training's script as a user meets it: a signal, a taken folder."""
import os
import signal

import pytest

from engine import checkpoints
from engine import cli
from engine.training import train_dir
from tests import scripts
from tests import train_small_trunk


def test_sigterm_saves_and_a_taken_folder_is_refused(flags, tmp_path):
    folder = str(tmp_path / 'train')
    process = train_small_trunk.start(
        tmp_path, 'step 1: loss ', **flags, train_dir='train')
    try:
        with pytest.raises(ValueError, match=(
                f'{folder}: process {process.pid} on .* is training there')):
            scripts.train(**flags, train_dir=folder)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=scripts.SECONDS_TO_END)
    finally:
        process.kill()
    assert process.returncode == cli.TERMINATED, output
    assert 'Traceback' not in output
    prefix = checkpoints.paths.find(folder)
    assert checkpoints.reader.global_step(prefix) >= 1
    assert (f'Saved train/{os.path.basename(prefix)}. The same command goes '
            'on from there.\n') in output
    with train_dir.locked(folder):  # It was given back.
        assert (tmp_path / 'train' / 'train.owner').read_text().startswith(
            f'process {os.getpid()} ')
