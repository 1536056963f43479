"""The chain learns: a few images of shapes, by heart."""
import pytest

from datasets.shapes import synthetic_shapes
from tests import scripts
from tests import small_trunk


@pytest.mark.parametrize('model_name, classes, num_images, rate, num_steps', [
    (small_trunk.SSDNet.name, ['circle'], 4, .01, 60),
    ('ssd_300_vgg_quarter', ['circle', 'square', 'triangle'], 2, .001, 45)])
def test_few_images_are_learnt_by_heart(
        model_name, classes, num_images, rate, num_steps, tmp_path):
    # A seed by which no object covers so much of another of its class that
    # one of the two is suppressed, however well they are learnt.
    synthetic_shapes.write(
        tmp_path / 'voc', num_images, 0, seed=7, classes=classes)
    scripts.write_records(
        tmp_path / 'voc', tmp_path, 'toy_train', labels=classes)
    same = {'dataset_name': 'toy', 'dataset_split_name': 'train',
            'dataset_dir': str(tmp_path), 'model_name': model_name,
            'preprocessing_name': 'resize_only'}
    scripts.train(
        train_dir=str(tmp_path / 'train'), **same, optimizer='adam',
        learning_rate=rate, warmup_steps=10, batch_size=num_images,
        learning_rate_decay_type='fixed', weight_decay=0.,
        max_number_of_steps=num_steps, random_seed=1)
    results = scripts.evaluate(
        eval_dir=str(tmp_path / 'eval'), report=False,
        checkpoint_path=str(tmp_path / 'train'), **same)
    assert next(iter(results.metrics.values())) > 0.95
