"""--freeze_batch_norm: when it is on, and what it keeps."""
import json

import numpy as np
import pytest

from engine import checkpoints
from tests import scripts
from tests import small_trunk

NAME = small_trunk.SSDNet.name
NORM = f'{NAME}/block1/depthwise/BatchNorm/'
FROZEN = ('Batch norm keeps its means and variances (--freeze_batch_norm); '
          'batches have 2 images.')


@pytest.fixture(scope='module')
def start(tmp_path_factory):
    """A checkpoint of random weights, with statistics of 0 and 1."""
    path = str(tmp_path_factory.mktemp('start') / 'start.ckpt')
    scripts.save_network(path, small_trunk.SSDNet(
        small_trunk.SSDNet.default_params._replace(num_classes=6)))
    return path


def train(flags, folder, num_steps, **changes):
    scripts.train(**{
        **flags, 'train_dir': str(folder), 'max_number_of_steps': num_steps,
        'learning_rate': .01, 'warmup_steps': 0, **changes})


def moved(folder, before, after):
    """Returns which of a layer's norm a checkpoint has other than another."""
    first, second = (checkpoints.reader.open_reader(str(path))
                     for path in (before, folder / f'model.ckpt-{after}'))
    return {name for name in ('moving_mean', 'moving_variance', 'gamma', 'beta')
            if (first.get_tensor(NORM + name)
                != second.get_tensor(NORM + name)).any()}


def test_small_batches_from_a_checkpoint_keep_its_statistics(
        flags, start, tmp_path, capsys):
    train(flags, tmp_path, 1, checkpoint_path=start)
    assert capsys.readouterr().out.splitlines().count(FROZEN) == 1
    assert moved(tmp_path, start, 1) == {'gamma', 'beta'}
    # A resumed training is the same, though it has no --checkpoint_path.
    train(flags, tmp_path, 2)
    assert FROZEN in capsys.readouterr().out
    assert moved(tmp_path, start, 2) == {'gamma', 'beta'}
    config = json.loads((tmp_path / 'training_config.json').read_text())
    assert config['flags']['freeze_batch_norm'] is True


def test_lower_precision_moves_them_alike(flags, tmp_path):
    stored = {}
    for dtype in 'float32', 'float16', 'bfloat16':
        train(flags, tmp_path / dtype, 1, compute_dtype=dtype)
        stored[dtype] = checkpoints.reader.open_reader(
            str(tmp_path / dtype / 'model.ckpt-1'))
    names = [name for name in stored['float32'].get_variable_to_shape_map()
             if name.rpartition('/')[2] in ('moving_mean', 'moving_variance')]
    assert len(names) == 2 * 9
    for dtype, tolerance in ('float16', .01), ('bfloat16', .05):
        for name in names:
            expected = stored['float32'].get_tensor(name)
            np.testing.assert_allclose(
                stored[dtype].get_tensor(name), expected,
                atol=tolerance * np.abs(expected).max())


def test_batches_of_16_move_them(flags, start, tmp_path, capsys):
    train(flags, tmp_path, 1, checkpoint_path=start, batch_size=16)
    assert 'keeps its means' not in capsys.readouterr().out
    assert len(moved(tmp_path, start, 1)) == 4


def test_without_a_checkpoint_there_is_nothing_to_keep(flags, tmp_path):
    with pytest.raises(ValueError, match=(
            '^--freeze_batch_norm: keeps .* give --checkpoint_path')):
        train(flags, tmp_path, 1, freeze_batch_norm=True)
