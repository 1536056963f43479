"""Own data by flags alone: classes of its own, images without objects."""
import json

import pytest

from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from tests import scripts

QUARTER = {'model_name': 'ssd_300_vgg_quarter', 'batch_size': 2}


def train(folder, name):
    """Trains two steps on the records of <name>_train."""
    scripts.train(
        dataset_name=name, dataset_dir=str(folder), train_dir=str(
            folder / 'logs'), max_number_of_steps=2, **QUARTER)


def evaluate(folder, name, split_name, **changes):
    """Scores what was trained; returns the content of metrics.json."""
    eval_dir = folder / f'eval_{split_name}'
    scripts.evaluate(
        dataset_name=name, dataset_split_name=split_name,
        dataset_dir=str(folder), checkpoint_path=str(folder / 'logs'),
        eval_dir=str(eval_dir), **QUARTER, **changes)
    return json.loads((eval_dir / 'metrics.json').read_text())


def test_bccd_trains_and_is_scored(tmp_path):
    if not scripts.BCCD.is_dir():
        pytest.skip(f'{scripts.BCCD} is not there')
    classes = ['RBC', 'WBC', 'Platelets']
    for split_name, image_set in (('train', 'trainval'), ('test', 'test')):
        scripts.write_records(scripts.BCCD, tmp_path, f'bccd_{split_name}',
                              classes, image_set)
    train(tmp_path, 'bccd')
    metrics = evaluate(tmp_path, 'bccd', 'test', max_num_batches=2)
    assert list(metrics['classes']) == classes
    assert metrics['num_images'] == 4


def test_images_without_objects_are_trained_on_and_scored(tmp_path, capsys):
    voc = tmp_path / 'voc'
    synthetic_shapes.write(tmp_path / 'shapes', 2, 0, size=60)
    synthetic_shapes.write(voc, 2, 2, size=60)
    scripts.remove_objects(voc)
    for name in ('JPEGImages', 'Annotations'):
        for path in (tmp_path / 'shapes' / name).iterdir():
            path.rename(voc / name / f'with_{path.name}')
    manifest = scripts.write_records(
        voc, tmp_path, 'both_train', drawing.CLASSES)
    assert manifest['num_images'] == 6 and manifest['num_objects'] > 0
    manifest = scripts.write_records(
        voc, tmp_path, 'both_test', drawing.CLASSES, image_set='test')
    assert (manifest['num_images'], manifest['num_objects']) == (2, 0)
    train(tmp_path, 'both')
    metrics = evaluate(tmp_path, 'both', 'train')
    assert 0 <= metrics['mAP_VOC07'] <= 1 and metrics['num_images'] == 6
    capsys.readouterr()
    metrics = evaluate(tmp_path, 'both', 'test')
    assert ('There is no object to find: nothing to score.'
            in capsys.readouterr().out)
    assert metrics['mAP_VOC07'] is None and metrics['num_images'] == 2
