"""The training's script as a user meets it: signals, a taken folder."""
import os
import resource
import signal
import subprocess
import threading

import pytest

from engine import checkpoints
from engine import cli
from tests import scripts

COMMAND = ('train_ssd_network.py --dataset_dir=. --train_dir=train '
           '--dataset_name=pascalvoc_2007 --model_name=ssd_300_vgg_quarter '
           '--batch_size=1 --log_every_n_steps=1 ')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('records')
    scripts.write_shapes(folder / 'voc', 2, size=60)
    scripts.write_records(folder / 'voc', folder, 'voc_2007_train')
    return folder


def start_until(folder, command, stream, beginning):
    """Starts a training; returns it when it has written such a line."""
    process = subprocess.Popen(
        scripts.arguments(command), cwd=folder, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    timer = threading.Timer(scripts.SECONDS_TO_END, process.kill)
    timer.start()
    for line in getattr(process, stream):
        if line.startswith(beginning):
            timer.cancel()
            return process
    raise AssertionError(process.communicate())


def test_sigterm_saves_and_a_taken_folder_is_refused(folder):
    process = start_until(folder, COMMAND, 'stdout', 'step 1: loss ')
    try:
        line = scripts.fails(folder, COMMAND)
        assert f'train: process {process.pid} on ' in line
        assert 'is training there.' in line
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=scripts.SECONDS_TO_END)
    finally:
        process.kill()
    assert process.returncode == cli.TERMINATED, errors
    assert 'Traceback' not in errors
    prefix = checkpoints.paths.find(str(folder / 'train'))
    assert checkpoints.reader.global_step(prefix) >= 1
    assert output.endswith(
        f'Saved train/{os.path.basename(prefix)}. The same command goes on '
        'from there.\n')


def test_end_that_cannot_be_saved_is_an_error(folder):
    command = COMMAND.replace('train_dir=train', 'train_dir=full')
    process = start_until(
        folder, command + '--max_number_of_steps=4', 'stdout',
        'step 1: loss ')
    try:
        # As little as a full disk would leave.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        _, errors = process.communicate(timeout=scripts.SECONDS_TO_END)
    finally:
        process.kill()
    assert process.returncode == 1
    assert 'Traceback' not in errors
    assert 'could not be saved' in errors or 'cannot be written' in errors
    prefix = checkpoints.paths.find(str(folder / 'full'))
    assert checkpoints.reader.global_step(prefix) == 0
    assert os.path.basename(prefix) in errors


def test_sigterm_before_the_first_step(folder):
    process = start_until(
        folder, COMMAND + '--train_dir=other', 'stderr', 'No --checkpoint')
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=scripts.SECONDS_TO_END)
    assert process.returncode == cli.TERMINATED, errors
    assert 'Traceback' not in errors


def test_flags_of_several_machines_that_do_not_fit(folder):
    line = scripts.fails(folder, COMMAND + '--job_name=worker')
    assert '--job_name=worker: needs --ps_hosts and --worker_hosts' in line
