"""A second run in a train_dir goes on; what would spoil it is refused."""
import json
import re
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.training import train
from nets import nets_factory
from nets import ssd_vgg_300
from tests import scripts


class NarrowNet(ssd_vgg_300.SSDNet):
    """SSD300 with a 32nd of the channels: a step takes a moment."""
    name = 'narrow'
    default_params = ssd_vgg_300.SSDNet.default_params._replace(
        depth_multiplier=1 / 32)


@pytest.fixture(scope='module')
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp('records')
    scripts.write_shapes(folder / 'voc', 4, size=60)
    scripts.write_records(folder / 'voc', folder, 'voc_2007_train')
    scripts.write_records(folder / 'voc', folder, 'toy_train')
    scripts.write_shapes(folder / 'empty', 3, size=60)
    scripts.remove_objects(folder / 'empty')
    scripts.write_records(folder / 'empty', folder, 'empty_train')
    return folder


@pytest.fixture(autouse=True)
def narrow_network(monkeypatch):
    monkeypatch.setitem(nets_factory.networks_map, 'narrow', NarrowNet)


def run(records, train_dir, num_steps, **changes):
    flags = {
        'dataset_name': 'pascalvoc_2007', 'dataset_dir': str(records),
        'model_name': 'narrow', 'preprocessing_name': 'ssd_300_vgg',
        'train_dir': str(train_dir), 'batch_size': 2, 'random_seed': 3,
        'max_number_of_steps': num_steps, 'log_every_n_steps': 1}
    scripts.train(**{**flags, **changes})


def tensors(prefix):
    reader = checkpoints.reader.open_reader(str(prefix))
    return {name: reader.get_tensor(name)
            for name in reader.get_variable_to_shape_map()}


def test_second_run_goes_on_as_if_never_stopped(records, tmp_path, capsys):
    run(records, tmp_path / 'whole', 3)
    run(records, tmp_path / 'parts', 2)
    capsys.readouterr()
    # A folder that was moved is the same training.
    (tmp_path / 'parts').rename(tmp_path / 'moved')
    run(records, tmp_path / 'moved', 3)
    output = capsys.readouterr().out
    assert 'model.ckpt-2: training goes on from step 2.' in output
    assert 'step 3: loss' in output and 'step 1: loss' not in output
    whole = tensors(tmp_path / 'whole' / 'model.ckpt-3')
    parts = tensors(tmp_path / 'moved' / 'model.ckpt-3')
    assert set(parts) == set(whole)
    assert 'narrow/conv1/conv1_1/weights/Momentum' in parts
    for name, value in whole.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(
                parts[name], value, rtol=1e-6, atol=1e-6, err_msg=name)
        else:
            assert parts[name] == value, name


@pytest.fixture(scope='module')
def train_dir(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp('train')
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets_factory.networks_map, 'narrow', NarrowNet)
        run(records, folder, 1)
    return folder


@pytest.mark.parametrize('changes, message', [
    ({'optimizer': 'adam'}, "optimizer was 'momentum', now 'adam'"),
    ({'model_name': 'ssd_300_vgg_quarter'},
     "model_name was 'narrow', now 'ssd_300_vgg_quarter'"),
    ({'dataset_name': 'toy'},
     "dataset_name was 'pascalvoc_2007', now 'toy'"),
    ({'anchors': 'voc'}, r'made with anchors of \(\(21, 45\)'),
])
def test_another_training_is_refused(records, train_dir, changes, message):
    with pytest.raises(ValueError, match=message):
        run(records, train_dir, 2, **changes)
    assert checkpoints.paths.find(str(train_dir)).endswith('ckpt-1')


def test_another_training_is_refused_without_its_file(
        records, train_dir, monkeypatch):
    path = train_dir / 'training_config.json'
    content = path.read_text()
    path.unlink()
    with pytest.raises(ValueError, match=(
            'ckpt-1: does not fit the network: .*Adam is missing')):
        run(records, train_dir, 2, optimizer='adam')
    path.write_text(content)


def test_another_learning_rate_is_taken(
        records, train_dir, tmp_path, capsys):
    # A copy: other tests go on from these weights, which this rate spoils.
    folder = shutil.copytree(train_dir, tmp_path / 'train')
    run(records, folder, 2, learning_rate=0.5, warmup_steps=0)
    assert 'learning rate 0.5' in capsys.readouterr().out
    config = json.loads((folder / 'training_config.json').read_text())
    assert config['flags']['learning_rate'] == 0.5


def test_a_run_without_a_seed_keeps_the_one_that_it_drew(records, tmp_path):
    seeds = []
    for num_steps in 1, 2:
        run(records, tmp_path, num_steps, random_seed=None)
        config = json.loads((tmp_path / 'training_config.json').read_text())
        seeds.append(config['flags']['random_seed'])
    assert isinstance(seeds[0], int) and seeds[0] == seeds[1]


def test_checkpoints_every_few_steps(records, tmp_path):
    run(records, tmp_path, 5, save_interval_steps=2)
    assert sorted(int(path.stem.rpartition('-')[2])
                  for path in tmp_path.glob('*.index')) == [0, 2, 4, 5]


def test_more_clones_than_there_are_gpus(records, tmp_path):
    with pytest.raises(ValueError, match=(
            '--num_clones=9: TensorFlow sees . GPUs here; give as many at '
            'the most, or --clone_on_cpu')):
        run(records, tmp_path, 1, num_clones=9)
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_to_do(records, train_dir, capsys):
    run(records, train_dir, 1)
    assert 'there is nothing to do until --max_number_of_steps=1' in (
        capsys.readouterr().out)


def test_divergence_is_explained(records, tmp_path):
    with pytest.raises(ValueError, match=(
            r'not finite at step 2: loss nan, learning rate 1e\+30, images '
            r'00000.\.jpg, .* of which 71 of 71 are not finite: '
            r'narrow/conv1/conv1_1/weights nan, .* The last finite checkpoint '
            r'is .*model.ckpt-0\. .*--learning_rate=1e\+30')):
        run(records, tmp_path, 9, learning_rate=1e30, warmup_steps=0)
    assert checkpoints.paths.find(str(tmp_path)).endswith('ckpt-0')


def test_batch_without_objects_has_a_finite_loss(records, tmp_path, capsys):
    run(records, tmp_path, 1, dataset_name='empty')
    assert '(localization 0.0000, positives 0.0000, negatives 0.0000, reg' in (
        capsys.readouterr().out)


@pytest.mark.parametrize('changes, message', [
    ({'num_classes': 3}, '--num_classes=3: .* has 20 classes, 21 with'),
    ({'model_name': 'ssd_301'}, '--model_name=ssd_301: unknown network'),
    ({'optimizer': 'adamw'}, '--optimizer=adamw: unknown; known: adadelta'),
    ({'dataset_name': 'pascalvoc_2012'}, 'No file .*voc_2012_train'),
    ({'dataset_split_name': 'val'}, '--dataset_split_name=train'),
    ({'preprocessing_name': 'none'}, '--preprocessing_name=none: unknown'),
    ({'checkpoint_path': 'a.ckpt'}, 'a.ckpt: no such checkpoint'),
    ({'learning_rate_decay_type': 'cosine'}, 'decay_type=cosine: unknown'),
    ({'trainable_scopes': ['narrow/conv9']}, "'narrow/conv9' holds no"),
])
def test_wrong_flags(records, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        run(records, tmp_path, 1, **changes)
    assert not list(tmp_path.glob('model.ckpt*'))


def test_fine_tuning_for_other_classes(
        records, train_dir, tmp_path, capsys):
    labels = ('aeroplane', 'bicycle', 'bird', 'boat', 'bottle')
    scripts.write_records(
        records / 'voc', tmp_path, 'five_train', labels=labels)
    run(tmp_path, tmp_path / 'train', 1, dataset_name='five',
        checkpoint_path=str(train_dir))
    output = capsys.readouterr().out
    # Six layers' weights and biases of classes.
    assert '59 of 71 variables restored' in output
    assert 'is [24], in the checkpoint [84]' in output
    prefix = checkpoints.paths.find(str(tmp_path / 'train'))
    assert checkpoints.metadata.read(prefix)['classes'] == list(labels)


def test_moving_averages_are_saved(records, tmp_path):
    run(records, tmp_path, 1, moving_average_decay=0.9)
    assert ('narrow/conv1/conv1_1/weights/ExponentialMovingAverage'
            in tensors(tmp_path / 'model.ckpt-1'))


def test_steps_that_are_not_finite_are_skipped(records, tmp_path):
    with pytest.raises(ValueError, match='at step 11, 10 times in a row'):
        run(records, tmp_path, 20, learning_rate=1e30, warmup_steps=0,
            on_nonfinite='skip')


def test_accumulated_steps_count_as_one(records, tmp_path, capsys):
    run(records, tmp_path / 'parts', 2, batch_size=1, accumulate_steps=2)
    run(records, tmp_path / 'whole', 2)
    output = capsys.readouterr().out
    lines = [line.partition(', learning rate')[0]
             for line in output.splitlines() if line.startswith('step ')]
    # Those of both trainings.
    assert len(lines) == 4 and lines[:2] == lines[2:]
    loss, *parts = map(float, re.findall(r'\d+\.\d{4}', lines[0]))
    assert len(parts) == 4 and sum(parts) == pytest.approx(loss, abs=3e-4)
    assert re.search(r' images/s, \d+\.\d% of the time waiting', output)
    assert re.search(r'Memory: up to \d+\.\d\d GiB of the process\.', output)
    tags = [value.tag for path in (tmp_path / 'whole').glob('events*')
            for event in tf.train.summary_iterator(str(path))
            for value in event.summary.value]
    assert 'share_of_time_waiting_for_data' in tags


def test_training_goes_on_in_another_precision(records, train_dir, tmp_path):
    folder = shutil.copytree(train_dir, tmp_path / 'train')
    run(records, folder, 2, compute_dtype='float16')
    after = tensors(folder / 'model.ckpt-2')
    assert after['global_step'] == 2
    assert after['narrow/conv1/conv1_1/weights'].dtype == np.float32
    assert set(after) == set(tensors(folder / 'model.ckpt-1'))


def test_records_that_vanish_are_named(records, tmp_path, monkeypatch):
    folder = shutil.copytree(records, tmp_path / 'records')
    path = folder / 'voc_2007_train_000.tfrecord'
    monkeypatch.setattr(
        train, '_run_steps', removing(path, train._run_steps))
    with pytest.raises(OSError, match=(
            f'^{path}; No such file or directory. The last whole checkpoint '
            f'is {tmp_path}/train/model.ckpt-0.$')):
        run(folder, tmp_path / 'train', 10 ** 6)


def removing(path, function):
    """Returns a function that removes a file before it does its work."""
    def remove_and_call(*arguments):
        path.unlink()
        return function(*arguments)

    return remove_and_call


def test_save_that_fails_leaves_the_last_checkpoint(
        records, train_dir, tmp_path):
    folder = shutil.copytree(train_dir, tmp_path / 'train')
    # In the place of the next checkpoint.
    (folder / 'model.ckpt-2.data-00000-of-00001' / 'a').mkdir(parents=True)
    with pytest.raises(OSError, match=(
            f'{folder}: cannot be written: .*model.ckpt-2.* The '
            'last whole checkpoint is .*model.ckpt-1')):
        run(records, folder, 2)
    assert checkpoints.paths.find(str(folder)).endswith('model.ckpt-1')
