"""A second run in a train_dir goes on; what would spoil it is refused."""
import contextlib
import json
import os
import re
import shutil
import signal
from unittest import mock

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine import cli
from engine.training import graph
from engine.training import options
from engine.training import saver
from engine.training import train
from tests import scripts
from tests import small_trunk
from tests import train_small_trunk

NAME = small_trunk.SSDNet.name
WEIGHTS = f'{NAME}/block0/weights'
AVERAGE = checkpoints.restore.AVERAGE


@pytest.fixture(scope='module')
def run(flags):
    def run(train_dir, num_steps, **changes):
        scripts.train(**{**flags, 'train_dir': str(train_dir),
                         'max_number_of_steps': num_steps, **changes})
    return run


def tensors(prefix):
    reader = checkpoints.reader.open_reader(str(prefix))
    return {name: reader.get_tensor(name)
            for name in reader.get_variable_to_shape_map()}


def test_second_run_goes_on_as_if_never_stopped(run, tmp_path, capsys):
    changes = {'moving_average_decay': .9, 'warmup_steps': 0}
    run(tmp_path / 'whole', 3, **changes)
    run(tmp_path / 'parts', 2, **changes)
    capsys.readouterr()
    # A folder that was moved is the same training.
    (tmp_path / 'parts').rename(tmp_path / 'moved')
    run(tmp_path / 'moved', 3, **changes)
    output = capsys.readouterr().out
    assert 'model.ckpt-2: training goes on from step 2.' in output
    assert 'step 3: loss' in output and 'step 1: loss' not in output
    whole = tensors(tmp_path / 'whole' / 'model.ckpt-3')
    parts = tensors(tmp_path / 'moved' / 'model.ckpt-3')
    assert {f'{WEIGHTS}/Momentum', f'{WEIGHTS}{AVERAGE}'} < set(parts)
    for name in set(whole) - {checkpoints.metadata.NAME}:
        np.testing.assert_allclose(
            parts[name], whole[name], rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.fixture(scope='module')
def first(run, small_network, tmp_path_factory):
    """A train_dir at step 2, of a seed that was drawn, with what was said."""
    folder = tmp_path_factory.mktemp('first')
    with (open(folder / 'output.txt', 'w', encoding='utf-8') as file,
          contextlib.redirect_stdout(file)):
        run(folder, 2, random_seed=None, batch_size=1, accumulate_steps=2)
    return folder


@pytest.fixture
def train_dir(first, tmp_path):
    """A copy of it."""
    return shutil.copytree(first, tmp_path / 'train')


def test_what_a_training_says_of_itself(first):
    output = (first / 'output.txt').read_text('utf-8')
    lines = [line for line in output.splitlines() if line.startswith('step ')]
    assert len(lines) == 2  # Of two batches each.
    for line in lines:
        loss, *parts = map(float, re.findall(r'\d+\.\d{4}', line))
        assert len(parts) == 4 and sum(parts) == pytest.approx(loss, abs=3e-4)
    assert re.search(r' images/s, \d+\.\d% of the time waiting', lines[1])
    assert re.search(r'Memory: up to \d+\.\d\d GiB of the process\.', output)
    tags = [value.tag for path in first.glob('events*')
            for event in tf.train.summary_iterator(str(path))
            for value in event.summary.value]
    assert {'share_of_time_waiting_for_data', 'losses/regularization',
            'batch/image/0'} < set(tags)


@pytest.mark.parametrize('changes, message', [
    ({'optimizer': 'adam'}, "optimizer was 'momentum', now 'adam'"),
    ({'model_name': 'ssd_300_vgg_quarter'},
     f"model_name was '{NAME}', now 'ssd_300_vgg_quarter'"),
    ({'dataset_name': 'empty'}, "dataset_name was 'toy', now 'empty'")])
def test_another_training_is_refused(run, first, changes, message, capsys):
    with pytest.raises(ValueError, match=message):
        run(first, 3, **changes)
    run(first, 2)
    assert 'there is nothing to do until --max_number_of_steps=2' in (
        capsys.readouterr().out)


def test_another_training_is_refused_without_its_file(run, train_dir):
    (train_dir / 'training_config.json').unlink()
    with pytest.raises(ValueError, match=(
            'ckpt-2: does not fit the network: .*Adam is missing')):
        run(train_dir, 3, optimizer='adam')


def test_rate_and_precision_may_change_and_the_seed_is_kept(run, train_dir):
    path = train_dir / 'training_config.json'
    seed = json.loads(path.read_text())['flags']['random_seed']
    run(train_dir, 3, learning_rate=.5, compute_dtype='bfloat16',
        random_seed=None)
    flags = json.loads(path.read_text())['flags']
    assert isinstance(seed, int)
    assert (flags['learning_rate'], flags['random_seed']) == (.5, seed)
    # Also by a worker that is not the chief.
    worker = options.Run(str(train_dir), task=1)
    groups = train._configure(
        [None, options.Model(), None, None, worker], None, None,
        json.loads(path.read_text()), [])
    assert groups[-1].random_seed == seed
    assert tensors(train_dir / 'model.ckpt-3')[WEIGHTS].dtype == np.float32


def test_empty_images_and_checkpoints_every_few_steps(run, tmp_path, capsys):
    run(tmp_path, 3, save_interval_steps=2, dataset_name='empty')
    assert '(localization 0.0000, positives 0.0000, negatives 0.0000, reg' in (
        capsys.readouterr().out)
    assert sorted(int(path.stem.rpartition('-')[2])
                  for path in tmp_path.glob('*.index')) == [0, 2, 3]


def test_divergence_is_explained(run, tmp_path):
    with pytest.raises(ValueError, match=(
            r'not finite at step 11, 10 times in a row: loss (inf|nan), '
            r'learning rate 1e\+30, images 00000.\.jpg, .*; gradient '
            rf'norms, of which \d+ of 39 are not finite: {NAME}/\S+ \S+, .* '
            r'The last whole checkpoint is .*model.ckpt-0\. Usual causes: '
            r'.*--learning_rate=1e\+30')):
        run(tmp_path, 20, learning_rate=1e30, warmup_steps=0,
            learning_rate_decay_type='fixed', on_nonfinite='skip')


def test_fine_tuning_for_other_classes(run, first, tmp_path, capsys):
    run(tmp_path, 1, dataset_name='two', checkpoint_path=str(first))
    output = capsys.readouterr().out
    # Three layers' weights and biases of classes.
    assert '51 of 57 variables restored' in output
    assert 'is [12], in the checkpoint [24]' in output
    metadata = checkpoints.metadata.read(str(tmp_path / 'model.ckpt-1'))
    assert metadata['classes'] == ['circle', 'square']


def test_records_that_vanish_are_named(run, records, tmp_path, monkeypatch):
    folder = shutil.copytree(records, tmp_path / 'records')
    path = folder / 'toy_train_000.tfrecord'
    run_steps = train._run_steps
    monkeypatch.setattr(train, '_run_steps', lambda *arguments: (
        path.unlink() or run_steps(*arguments)))
    with pytest.raises(OSError, match=(
            f'^{path}; No such file or directory. The last whole checkpoint '
            f'is {tmp_path}/train/model.ckpt-0.$')):
        run(tmp_path / 'train', 10 ** 6, dataset_dir=str(folder))


def test_save_that_fails_leaves_the_last_checkpoint(run, train_dir):
    # In the place of the next checkpoint.
    (train_dir / 'model.ckpt-3.data-00000-of-00001' / 'a').mkdir(parents=True)
    with pytest.raises(OSError, match=(
            f'{train_dir}: cannot be written: .*model.ckpt-3.* The '
            'last whole checkpoint is .*model.ckpt-2')):
        run(train_dir, 3)


def test_end_that_was_not_saved_is_an_error(run, train_dir, monkeypatch):
    monkeypatch.setattr(
        saver.Saver, 'save', lambda *args, **kwargs: None)
    with pytest.raises(OSError, match=(
            f'{train_dir}: step 3 could not be saved; is the disk full.* The '
            'last whole checkpoint is .*model.ckpt-2')):
        run(train_dir, 3)


def test_interrupt_before_the_first_step(run, train_dir, monkeypatch, capsys):
    monkeypatch.setattr(
        graph, 'build', mock.Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(train_dir, 3)
    assert capsys.readouterr().err == (
        f'Interrupted; the last checkpoint is {train_dir}/model.ckpt-2.\n')


def test_sigterm_saves_and_a_taken_folder_is_refused(
        run, flags, tmp_path, capsys):
    folder = str(tmp_path / 'train')
    process = train_small_trunk.start(
        tmp_path, 'step 1: loss ', **flags, train_dir='train')
    try:
        with pytest.raises(ValueError, match=(
                f'{folder}: process {process.pid} on .* is training there')):
            run(folder, 1)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=scripts.SECONDS_TO_END)
    finally:
        process.kill()
    assert process.returncode == cli.TERMINATED, output
    assert 'Traceback' not in output
    prefix = checkpoints.paths.find(folder)
    assert (f'Saved train/{os.path.basename(prefix)}. The same command goes '
            'on from there.\n') in output
    run(folder, 1)  # The folder is free again.
    assert f'{prefix}: is at step ' in capsys.readouterr().out
