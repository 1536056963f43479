"""Weights without the optimiser's state."""
import pytest

from engine import checkpoints
from engine.exporting import weights
from tests import detector_files
from tests import scripts


def test_variables_step_and_metadata_are_kept_and_slots_are_not(tmp_path):
    scripts.synthetic_shapes.write(tmp_path / 'voc', 2, 0)
    scripts.write_records(
        tmp_path / 'voc', tmp_path, 'toy_train',
        labels=scripts.drawing.CLASSES)
    scripts.train(dataset_name='toy', dataset_dir=str(tmp_path),
        train_dir=str(tmp_path / 'train'), batch_size=1, warmup_steps=0,
        model_name='ssd_300_vgg_quarter', max_number_of_steps=1)
    exported = str(tmp_path / 'weights.ckpt')
    weights.export(str(tmp_path / 'train'), exported)
    before = checkpoints.reader.open_reader(
        str(tmp_path / 'train/model.ckpt-1'))
    after = checkpoints.reader.open_reader(exported)
    names = set(after.get_variable_to_shape_map())
    assert names == {name for name in before.get_variable_to_shape_map()
                     if not name.endswith('/Momentum')}
    assert all((before.get_tensor(name) == after.get_tensor(name)).all()
               for name in names if name.endswith(('weights', 'biases')))
    assert checkpoints.reader.global_step(exported) == 1
    assert (checkpoints.metadata.read(exported)['model_name']
            == 'ssd_300_vgg_quarter')


def test_a_checkpoint_without_metadata_is_refused(tmp_path):
    path = detector_files.save(tmp_path / 'other.ckpt', with_metadata=False)
    with pytest.raises(ValueError, match='has no ssd_metadata'):
        weights.export(path, str(tmp_path / 'weights.ckpt'))
