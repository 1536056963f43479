"""Own data by flags alone: classes of its own, images without objects."""
import json

import pytest
import tensorflow.compat.v1 as tf

from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from tests import scripts

QUARTER = '--model_name=ssd_300_vgg_quarter --batch_size=2'
TRAIN = ('train_ssd_network.py --dataset_split_name=train '
         f'--dataset_dir=records --max_number_of_steps=2 {QUARTER} ')
EVALUATE = f'eval_ssd_network.py --dataset_dir=records {QUARTER} '


@pytest.fixture(scope='module')
def bccd(tmp_path_factory):
    """A folder with the records of BCCD, and what was printed."""
    if not scripts.BCCD.is_dir():
        pytest.skip(f'{scripts.BCCD} is not there')
    folder = tmp_path_factory.mktemp('bccd')
    reports = [scripts.run(
        folder, f'tf_convert_data.py --dataset_dir={scripts.BCCD} '
        f'--labels=RBC,WBC,Platelets --image_set={image_set} '
        f'--output_name=bccd_{split_name} --output_dir=records').stdout
        for image_set, split_name in (('trainval', 'train'), ('test', 'test'))]
    return folder, reports


def test_bccd_is_converted(bccd):
    folder, reports = bccd
    manifests = [json.loads(
        (folder / 'records' / f'bccd_{split_name}.json').read_text())
        for split_name in ('train', 'test')]
    assert [manifest['num_images'] for manifest in manifests] == [292, 72]
    assert sum(manifest['num_objects'] for manifest in manifests) == 4886
    for manifest in manifests:
        assert manifest['classes'] == ['RBC', 'WBC', 'Platelets']
    assert manifests[0]['repaired']['dropped_box_without_area']['count'] == 2
    assert manifests[1]['repaired'] == {}
    assert ('repaired: dropped_box_without_area: 2 in BloodImage_00338, '
            'BloodImage_00343') in reports[0]


def test_bccd_trains_and_is_scored(bccd):
    folder, _ = bccd
    scripts.run(folder, TRAIN + '--dataset_name=bccd --train_dir=train')
    process = scripts.run(
        folder, EVALUATE + '--dataset_name=bccd --checkpoint_path=train '
        '--eval_dir=eval --max_num_batches=2')
    assert 'Platelets' in process.stdout
    metrics = json.loads((folder / 'eval' / 'metrics.json').read_text())
    assert list(metrics['classes']) == ['RBC', 'WBC', 'Platelets']
    assert metrics['num_images'] == 4


@pytest.fixture(scope='module')
def empty(tmp_path_factory):
    """A training on some images with and some without objects."""
    folder = tmp_path_factory.mktemp('empty')
    synthetic_shapes.write(folder / 'shapes', 2, 0, size=60)
    synthetic_shapes.write(folder / 'both', 2, 2, size=60)
    scripts.remove_objects(folder / 'both')
    for name in ('JPEGImages', 'Annotations'):
        for path in (folder / 'shapes' / name).iterdir():
            path.rename(folder / 'both' / name / f'with_{path.name}')
    scripts.run(
        folder, 'tf_convert_data.py --dataset_dir=both '
        f'--labels={",".join(drawing.CLASSES)} '
        '--output_name=both_train --output_dir=records')
    for output_name, labels in (('both_test', drawing.CLASSES),
                                ('cats_test', ('cat',))):
        scripts.write_records(
            folder / 'both', folder / 'records', output_name, labels=labels,
            image_set='test')
    scripts.run(
        folder, TRAIN + '--dataset_name=both --train_dir=train '
        '--log_every_n_steps=1')
    return folder


def test_images_without_objects_are_converted(empty):
    records = empty / 'records'
    manifest = json.loads((records / 'both_train.json').read_text())
    assert manifest['num_images'] == 6
    assert manifest['num_objects'] > 0
    manifest = json.loads((records / 'both_test.json').read_text())
    assert (manifest['num_images'], manifest['num_objects']) == (2, 0)


def test_split_without_any_object_is_scored(empty):
    process = scripts.run(
        empty, EVALUATE + '--dataset_name=both --dataset_split_name=test '
        '--checkpoint_path=train --eval_dir=eval')
    assert 'There is no object to find: nothing to score.' in process.stdout
    metrics = json.loads((empty / 'eval' / 'metrics.json').read_text())
    assert metrics['mAP_VOC07'] is None
    assert metrics['num_images'] == 2


def evaluate_here(folder, monkeypatch, **changes):
    """Evaluates without another process, which would take seconds more."""
    monkeypatch.chdir(folder)
    scripts.evaluate(**{
        'dataset_name': 'both', 'dataset_dir': 'records',
        'checkpoint_path': 'train', 'eval_dir': 'eval_here', **changes})


def test_images_with_and_without_objects_are_scored(empty, monkeypatch):
    evaluate_here(empty, monkeypatch, dataset_split_name='train')
    metrics = json.loads((empty / 'eval_here' / 'metrics.json').read_text())
    assert 0 <= metrics['mAP_VOC07'] <= 1
    assert metrics['num_images'] == 6


@pytest.mark.parametrize('changes, message', [
    ({'num_classes': 5},
     '--num_classes=5: the data set both has 5 classes, 6 with background'),
    ({'dataset_name': 'cats'},
     'its 5 classes are not the 1 of the data set; only in the data: cat'),
    ({'checkpoint_path': 'partial.ckpt'},
     'partial.ckpt: does not fit the network: .* is missing'),
    ({'checkpoint_path': 'missing.ckpt'}, 'missing.ckpt: no such checkpoint'),
    ({'model_name': 'ssd_300_vgg'}, 'the checkpoint is a ssd_300_vgg_quarter'),
    ({'anchors': 'voc'}, '--anchors=voc: the checkpoint was made with'),
    ({'moving_average_decay': 0.9}, 'ExponentialMovingAverage is missing'),
])
def test_what_does_not_fit_is_not_scored(
        empty, monkeypatch, changes, message):
    with tf.Graph().as_default():
        tf.get_variable('ssd_300_vgg/conv1/conv1_1/biases', [64])
        scripts.save_graph(empty / 'partial.ckpt')
    with pytest.raises(ValueError, match=message):
        evaluate_here(empty, monkeypatch, **changes)


def test_errors_are_one_line(empty):
    assert (
        "train: holds another training: optimizer was 'momentum', now 'adam'"
    ) in scripts.fails(empty, TRAIN + '--dataset_name=both '
                       '--train_dir=train --optimizer=adam')
    assert 'missing.ckpt: no such checkpoint' in scripts.fails(
        empty, EVALUATE + '--dataset_name=both --checkpoint_path=missing.ckpt')
    assert "'surplus' is not a flag" in scripts.fails(
        empty, 'eval_ssd_network.py surplus')
    process = scripts.run(empty, TRAIN + '--batch_size=0', status=1)
    assert 'Traceback' not in process.stderr
    assert '--batch_size=0' in process.stderr
