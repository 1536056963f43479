"""The chain learns: a few images of shapes, by heart."""
import pytest

from datasets.shapes import synthetic_shapes
from nets import nets_factory
from tests import scripts
from tests import small_trunk

CLASSES = ('circle', 'square', 'triangle')
VGG = 'ssd_300_vgg_quarter'
SMALL = small_trunk.SSDNet.name


@pytest.mark.parametrize('model_name, num_classes, num_steps', [
    (SMALL, 1, 100), (SMALL, 2, 100), (VGG, 3, 120)])
def test_few_images_are_learnt_by_heart(
        model_name, num_classes, num_steps, tmp_path, monkeypatch):
    monkeypatch.setitem(
        nets_factory.networks_map, SMALL, small_trunk.SSDNet)
    classes = CLASSES[:num_classes]
    # A seed by which no object covers so much of another of its class that
    # one of the two is suppressed, however well they are learnt.
    synthetic_shapes.write(
        tmp_path / 'voc', 4, 0, seed=7, classes=classes)
    scripts.write_records(
        tmp_path / 'voc', tmp_path, 'toy_train', labels=classes)
    same = {'dataset_name': 'toy', 'dataset_split_name': 'train',
            'dataset_dir': str(tmp_path), 'model_name': model_name,
            'preprocessing_name': 'resize_only'}
    scripts.train(
        train_dir=str(tmp_path / 'train'), **same, optimizer='adam',
        learning_rate=.001 if model_name == VGG else .01, warmup_steps=10,
        learning_rate_decay_type='fixed', weight_decay=0., batch_size=4,
        max_number_of_steps=num_steps, random_seed=1)
    results = scripts.evaluate(
        eval_dir=str(tmp_path / 'eval'), report=False,
        checkpoint_path=str(tmp_path / 'train'), **same)
    assert next(iter(results.metrics.values())) > 0.95
