"""What a training chooses that is told nothing of its schedule."""
import json

import numpy as np
import pytest

from datasets import dataset_factory
from datasets.shapes import drawing
from engine.training import defaults
from tests import recipes_test
from tests import scripts
from tests import small_trunk

NAME = small_trunk.SSDNet.name
ORIGINAL = ('train_ssd_network.py --dataset_name=pascalvoc_2007 '
            '--dataset_dir=tfrecords --train_dir=logs ')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """A folder with 8 images to train on, and 4 of another split."""
    folder = tmp_path_factory.mktemp('data')
    for split, num in ('train', 8), ('val', 4):
        scripts.synthetic_shapes.write(folder / split, num, 0, size=64)
        scripts.write_records(folder / split, folder, f'toy_{split}',
                              labels=drawing.CLASSES)
    return folder


@pytest.fixture(scope='module')
def settle(data):
    def settle(is_resumed=False, config=None, **changes):
        groups, choices = defaults.settle(
            scripts.chosen(scripts.train_ssd_network.GROUPS[:-1], {
                'dataset_name': 'toy', 'dataset_dir': str(data), **changes}),
            dataset_factory.get_dataset('toy', 'train', str(data)), None,
            is_resumed, config)
        values = {name: value for group in groups
                  for name, value in group._asdict().items()}
        chosen = {choice.name: choice.value for choice in choices}
        assert chosen == {name: values[name] for name in chosen}
        return values, chosen
    return settle


def test_all_is_chosen_for_a_training_that_is_told_nothing(settle):
    _, chosen = settle(batch_size='4', model_name=NAME)
    assert chosen == {
        # 2,000 steps of 4 are more than 100 epochs of 8 images.
        'optimizer': 'adam', 'max_number_of_steps': 2000,
        'learning_rate': .0001, 'learning_rate_decay_type': 'polynomial',
        'num_epochs_per_decay': 1000., 'end_learning_rate': .000001,
        'warmup_steps': 100, 'moving_average_decay': .99,
        'eval_split_name': 'val', 'eval_every_n_steps': 50, 'patience': 10}


def test_the_rest_of_what_is_given_stays(settle):
    given = {'batch_size': 1, 'moving_average_decay': .5, 'patience': 2,
             'anchors': 'coco', 'clip_gradient_norm': 9.}
    values, chosen = settle(**given, model_name='ssd_300_vgg_quarter')
    assert values == {**values, **given}
    assert not set(chosen) & set(given)
    assert chosen['learning_rate'] == .0005
    assert settle(batch_size=1, eval_split_name='')[0][
        'eval_split_name'] is None
    # A score of the 8 images is not to take more than a tenth of the time.
    assert settle(batch_size=1, eval_split_name='train')[1][
        'eval_every_n_steps'] == 50


@pytest.mark.parametrize('smallest, expected', [(30, 'voc'), (21, None)])
def test_anchors_are_the_preset_that_fits(
        settle, monkeypatch, smallest, expected):
    monkeypatch.setattr(
        defaults.anchors, 'best_overlaps', lambda bboxes, _, __, sizes, *___: (
            np.full(len(bboxes), .6 if sizes[0][0] == smallest else .4)))
    _, chosen = settle(batch_size=1, model_name='ssd_300_vgg')
    assert chosen.get('anchors') == expected


@pytest.mark.parametrize('told', [
    {'max_number_of_steps': 9}, {'optimizer': 'momentum'}, {'momentum': .5},
    {'learning_rate': .001}, {'warmup_steps': 500}, {'ps_hosts': ['a:1']},
    {'decay_boundaries': ['1', '2']}, {'is_resumed': True}])
def test_one_that_is_told_has_the_ordinary_values(settle, told):
    values, chosen = settle(**told)
    assert chosen == {}
    assert values == {**values, **{
        'optimizer': 'momentum', 'learning_rate': .001, 'batch_size': 32,
        'learning_rate_decay_type': 'exponential', 'eval_split_name': None,
        'learning_rate_decay_factor': .94, 'num_epochs_per_decay': 2.,
        'warmup_steps': 500, 'eval_every_n_steps': 500,
        'moving_average_decay': None, 'anchors': None,
        **{name: value for name, value in told.items()
           if name != 'is_resumed'}}}


@pytest.mark.parametrize('command', [
    *(ORIGINAL + f'--flagfile={path}' for path in recipes_test.RECIPES),
    ORIGINAL + '--optimizer=adam --learning_rate=0.001',
    ORIGINAL + '--learning_rate_decay_factor=0.94'])
def test_nothing_is_chosen_for_recipes_and_the_original(command):
    *groups, _ = scripts.parse(command)
    settled, choices = defaults.settle(groups, None, None, False, None)
    assert choices == []
    # What a recipe leaves out was ordinary before it was written.
    assert settled == defaults.ordinary(groups)


def test_a_training_that_goes_on_has_the_same(settle):
    config = {'chosen': {'batch_size': 3, 'optimizer': 'adam',
                         'end_learning_rate': .5, 'anchors': 'voc'}}
    values, chosen = settle(is_resumed=True, config=config)
    assert chosen == config['chosen'] and values['warmup_steps'] == 500
    values, chosen = settle(is_resumed=True, config=config, batch_size=5,
                            max_number_of_steps=7, anchors='coco')
    assert chosen == {'optimizer': 'adam', 'end_learning_rate': .5}
    assert (values['batch_size'], values['anchors']) == (5, 'coco')
    # It is not measured again.
    assert settle(is_resumed=True, config=config, batch_size='auto')[1] == (
        config['chosen'])


@pytest.mark.parametrize('given, message', [
    ({'batch_size': 'many'}, '--batch_size=many: neither a number from 1 on'),
    ({'batch_size': '0'}, '--batch_size=0: neither'),
    ({'batch_size': -1, 'optimizer': 'sgd'}, '--batch_size=-1: neither'),
    ({'batch_size': 'auto', 'ps_hosts': ['a:1']}, '--batch_size=auto: is for'),
    ({'patience': 3, 'optimizer': 'sgd'}, '--patience=3: needs a split'),
    ({'batch_size': 1, 'eval_split_name': 'dev'}, 'No file .*toy_dev_')])
def test_what_cannot_be_is_refused(settle, given, message):
    with pytest.raises(ValueError, match=message):
        settle(**given)


def test_it_trains_says_what_was_chosen_and_goes_on(
        data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(defaults, 'MIN_STEPS', 4)
    monkeypatch.setattr(defaults, 'NUM_EPOCHS', 1)
    flags = {'dataset_name': 'toy', 'dataset_dir': str(data), 'batch_size': 4,
             'model_name': NAME, 'train_dir': str(tmp_path),
             'log_every_n_steps': 1}
    scripts.train(**flags)
    output = capsys.readouterr().out
    assert output.startswith('Chosen, as it was not given:\n  --optimizer=ad')
    assert '\n  --num_epochs_per_decay=2.0     ' in output
    assert (f'\n{NAME} on 8 images of toy train: 4 steps of 4 images, 2 '
            f'epochs, or until 10 scores bring no gain. In {tmp_path}: a '
            'checkpoint every 10 min; every 4 steps a score on val, in '
            'metrics.csv and results.png, and the best averages of the '
            'weights in best.ckpt.\n') in output
    assert (tmp_path / 'best.ckpt.index').exists()
    config = json.loads((tmp_path / 'training_config.json').read_text())
    scripts.train(**flags, max_number_of_steps=5)
    output = capsys.readouterr().out
    assert output.startswith('Chosen when it began: --optimizer=adam --learn')
    assert 'step 5: loss ' in output and ', learning rate 1e-06' in output
    again = json.loads((tmp_path / 'training_config.json').read_text())
    assert again['flags'].pop('max_number_of_steps') == 5
    assert config['flags'].pop('max_number_of_steps') == 4
    assert again == config
