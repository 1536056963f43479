"""Own data by flags alone: classes of its own, images without objects."""
import json

from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from tests import scripts

QUARTER = {'model_name': 'ssd_300_vgg_quarter', 'batch_size': 2}


def evaluate(folder, split_name):
    """Scores what was trained; returns the content of metrics.json."""
    eval_dir = folder / f'eval_{split_name}'
    scripts.evaluate(
        dataset_name='own', dataset_split_name=split_name,
        dataset_dir=str(folder), checkpoint_path=str(folder / 'logs'),
        eval_dir=str(eval_dir), **QUARTER)
    return json.loads((eval_dir / 'metrics.json').read_text())


def test_images_without_objects_are_trained_on_and_scored(tmp_path, capsys):
    voc = tmp_path / 'voc'
    synthetic_shapes.write(tmp_path / 'shapes', 2, 0, size=60)
    synthetic_shapes.write(voc, 2, 2, size=60)
    scripts.remove_objects(voc)
    for name in ('JPEGImages', 'Annotations'):
        for path in (tmp_path / 'shapes' / name).iterdir():
            path.rename(voc / name / f'with_{path.name}')
    manifest = scripts.write_records(
        voc, tmp_path, 'own_train', drawing.CLASSES)
    assert manifest['num_images'] == 6 and manifest['num_objects'] > 0
    manifest = scripts.write_records(
        voc, tmp_path, 'own_test', drawing.CLASSES, image_set='test')
    assert (manifest['num_images'], manifest['num_objects']) == (2, 0)
    scripts.train(
        dataset_name='own', dataset_dir=str(tmp_path),
        train_dir=str(tmp_path / 'logs'), max_number_of_steps=2, **QUARTER)
    metrics = evaluate(tmp_path, 'train')
    assert 0 <= metrics['mAP_VOC07'] <= 1 and metrics['num_images'] == 6
    assert list(metrics['classes']) == list(drawing.CLASSES)
    capsys.readouterr()
    metrics = evaluate(tmp_path, 'test')
    assert ('There is no object to find: nothing to score.'
            in capsys.readouterr().out)
    assert metrics['mAP_VOC07'] is None and metrics['num_images'] == 2
