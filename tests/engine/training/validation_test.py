"""A training that scores itself: keeps the best weights, ends by itself."""
import csv
import math
import shutil

import numpy as np
import pytest

from datasets.shapes import drawing
from engine import checkpoints
from engine import thresholds
from engine.training import log
from engine.training import options
from engine.training import validation
from nets import nets_factory
from tests import scripts
from tests import small_trunk

NAME = small_trunk.SSDNet.name
NUM_STEPS, EVERY = 50, 20  # The last score is at the end.


@pytest.fixture(scope='module', autouse=True)
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets_factory.networks_map, NAME, small_trunk.SSDNet)
        yield


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('validation')
    for split, num in ('train', 8), ('val', 4):
        scripts.synthetic_shapes.write(folder / split, num, 0, size=64)
        scripts.write_records(folder / split, folder, f'toy_{split}',
                              labels=drawing.CLASSES)
    return folder


@pytest.fixture(scope='module')
def run(data):
    def run(train_dir, num_steps=NUM_STEPS, **changes):
        scripts.train(**{
            'dataset_name': 'toy', 'dataset_dir': str(data),
            'model_name': NAME, 'train_dir': str(train_dir), 'batch_size': 4,
            'random_seed': 1, 'preprocessing_name': 'resize_only',
            'optimizer': 'adam', 'learning_rate': .01, 'warmup_steps': 0,
            'learning_rate_decay_type': 'fixed', 'moving_average_decay': .9,
            'max_number_of_steps': num_steps, 'eval_split_name': 'val',
            'eval_every_n_steps': EVERY, **changes})
    return run


@pytest.fixture(scope='module')
def trained(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp('trained')
    run(folder)
    return folder


def rows(folder):
    with open(folder / validation.TABLE, encoding='utf-8') as file:
        return [{name: float(value) for name, value in row.items()}
                for row in csv.DictReader(file)]


def test_best_is_the_first_highest_row_and_its_weights(trained, data):
    table = rows(trained)
    assert [row['step'] for row in table] == [20, 40, 50]
    headline = list(table[0])[7]
    values = [row[headline] for row in table]
    assert values[-1] > 0  # It learns the images by heart.
    best = values.index(max(values))
    prefix = str(trained / checkpoints.paths.BEST)
    assert checkpoints.reader.global_step(prefix) == table[best]['step']
    metadata = checkpoints.metadata.read(prefix)
    assert metadata['score'] == {
        'metric': headline, 'value': values[best], 'dataset': 'toy',
        'split': 'val'}
    # It is what was scored, the averages, and nothing of the optimiser.
    reader = checkpoints.reader.open_reader(prefix)
    names = reader.get_variable_to_shape_map()
    assert not [name for name in names if 'Adam' in name or 'Average' in name]
    threshold = thresholds.read('best', prefix)
    found = scripts.evaluate(
        dataset_name='toy', dataset_dir=str(data), dataset_split_name='val',
        checkpoint_path=prefix, eval_dir=str(trained / 'eval'), report=False)
    assert found.metrics[headline.removeprefix('m')] == values[best]
    assert found.pooled.best.threshold == pytest.approx(threshold, abs=1e-5)
    assert (trained / validation.PICTURE).read_bytes()[1:4] == b'PNG'
    for row in table:
        np.testing.assert_allclose(
            row['loss'], row['localization'] + row['positives']
            + row['negatives'] + row['regularization'], rtol=1e-5)


def test_the_scripts_take_the_best_and_say_so(trained, data, tmp_path, capsys):
    evaluation = {
        'dataset_name': 'toy', 'dataset_dir': str(data), 'report': False,
        'dataset_split_name': 'val', 'checkpoint_path': str(trained),
        'eval_dir': str(tmp_path / 'eval'), 'metrics': ['voc']}
    table = rows(trained)
    best = max(table, key=lambda row: row['mAP_VOC07'])
    for which, row in (None, best), ('latest', table[-1]):
        found = scripts.evaluate(**evaluation, which=which)
        line = capsys.readouterr().out.splitlines()[0]
        assert f': step {row["step"]:.0f}' in line
        assert ('by mAP_VOC07, ' in line) == (which is None)
        if which is None:
            assert found.metrics['AP_VOC07'] == row['mAP_VOC07']
    scripts.call(f'detect_ssd_network.py --checkpoint_path={trained} '
                 f'--input={data}/val/JPEGImages --output_dir={tmp_path}')
    output = capsys.readouterr().out
    assert f'{trained}/best.ckpt: step {best["step"]:.0f}, the best' in output
    with pytest.raises(ValueError, match='--which=best: --wait_for_checkpoin'):
        scripts.evaluate(
            **evaluation, which='best', wait_for_checkpoints=True)


def test_a_training_that_was_killed_has_the_same_best(trained, run, tmp_path):
    """After step 40 was saved, while its score was written."""
    folder = tmp_path / 'run'
    shutil.copytree(trained, folder)
    for path in folder.glob('model.ckpt-50.*'):
        path.unlink()
    table = folder / validation.TABLE
    table.write_text('\n'.join(table.read_text().splitlines()[:2]) + '\n')
    for path in folder.glob(f'{checkpoints.paths.BEST}.*'):
        path.write_bytes(b'half')
    run(folder)
    # What was not computed again, the losses and the rate, it does not know.
    names = [name for name in rows(trained)[0] if 'm' in name]
    for row, expected in zip(rows(folder), rows(trained), strict=True):
        np.testing.assert_equal(
            [row[name] for name in names], [expected[name] for name in names])
    name = f'{NAME}/block0/weights'
    for prefix in checkpoints.paths.BEST, 'model.ckpt-50':
        first, second = (checkpoints.reader.read_or_none(
            str(path / prefix), name) for path in (trained, folder))
        np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-6)


def test_ends_without_gain_and_stays_ended(run, tmp_path, capsys):
    changes = {'learning_rate': 1e-12, 'eval_every_n_steps': 3, 'patience': 1}
    run(tmp_path, **changes)
    *values, last = [row['mAP_VOC07'] for row in rows(tmp_path)]
    assert last <= values[-1] and values == sorted(set(values))
    step = 3 * len(values) + 3
    reason = (f'No gain in 1 scores on val: the training ends at step {step} '
              '(--patience=1).')
    output = capsys.readouterr().out
    assert reason in output and f'at step {step - 3}' in output
    assert checkpoints.reader.global_step(
        str(tmp_path / checkpoints.paths.BEST)) == step - 3
    run(tmp_path, **changes)
    output = capsys.readouterr().out
    assert reason in output and 'loss' not in output
    assert '--dataset_split_name=val ' in output  # There is no test.


def test_what_cannot_be_scored_is_refused_before_a_step(
        run, data, tmp_path, capsys):
    with pytest.raises(ValueError, match='toy_dev_'):
        run(tmp_path / 'a', eval_split_name='dev')
    scripts.write_records(data / 'val', data, 'toy_other',
                          labels=(*drawing.CLASSES, 'cat'))
    with pytest.raises(ValueError, match='--eval_split_name=other: its class'):
        run(tmp_path / 'b', eval_split_name='other')
    (tmp_path / 'c').mkdir()
    (tmp_path / 'c' / validation.TABLE).write_text('step,loss\n1\n')
    with pytest.raises(ValueError, match='metrics.csv: not the scores of a'):
        run(tmp_path / 'c')
    assert 'step 1' not in capsys.readouterr().out


@pytest.mark.parametrize('seconds, text', [
    (0, '0 s'), (99.4, '99 s'), (100, '2 min'), (5999, '1 h 40 min'),
    (12000, '3 h 20 min')])
def test_durations(seconds, text):
    assert log.duration(seconds) == text


def test_nothing_to_find_is_no_best(tmp_path):
    row = {'step': 1, 'learning_rate': .1, 'loss': 1., 'mAP': math.nan}
    scored = object.__new__(validation.Validation)
    scored._rows = [row]
    assert scored.best is None
    scored._rows = [row, {**row, 'step': 2, 'mAP': .5}, {**row, 'step': 3}]
    assert scored.best[1:] == (.5, 2, 1)
    scored._run = options.Run(eval_every_n_steps=2)
    assert scored.resume(None, 2) is None  # The row of a later one is gone.
    assert scored.best[1:] == (.5, 2, 0)
