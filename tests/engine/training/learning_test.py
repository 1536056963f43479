"""The chain learns: a few images of shapes, by heart."""
import json

import pytest

from datasets.shapes import synthetic_shapes
from tests import scripts

CLASSES = ('circle', 'square', 'triangle')


@pytest.mark.parametrize('num_classes', [1, 2, 3])
def test_few_images_are_learnt_by_heart(num_classes, tmp_path):
    classes = CLASSES[:num_classes]
    # A seed by which no object covers so much of another of its class that
    # one of the two is suppressed, however well they are learnt.
    synthetic_shapes.write(
        tmp_path / 'voc', 4, 0, seed=7, classes=classes)
    scripts.write_records(
        tmp_path / 'voc', tmp_path, 'toy_train', labels=classes)
    same = {'dataset_name': 'toy', 'dataset_split_name': 'train',
            'dataset_dir': str(tmp_path),
            'model_name': 'ssd_300_vgg_quarter',
            'preprocessing_name': 'resize_only'}
    scripts.train(train_dir=str(tmp_path / 'train'), **same,
        optimizer='adam', learning_rate=0.001, warmup_steps=10,
        learning_rate_decay_type='fixed', weight_decay=0.,
        batch_size=4, max_number_of_steps=120, random_seed=1)
    scripts.evaluate(eval_dir=str(tmp_path / 'eval'),
                     checkpoint_path=str(tmp_path / 'train'), **same)
    metrics = json.loads((tmp_path / 'eval' / 'metrics.json').read_text())
    assert metrics['mAP_VOC07'] > 0.95
