"""The commands of the original, as they are written in its README.

Only batches and numbers of steps are smaller. Everything is in one folder,
in which the commands are run one after the other.
"""
import json
import shutil
import signal
import subprocess

import pytest
import tensorflow.compat.v1 as tf

from datasets.voc import pascalvoc
from engine import checkpoints
from engine import cli
from tests import scripts

# The scopes of its fine-tuning from VGG-16.
NEW_SCOPES = ','.join(
    f'ssd_300_vgg/{scope}' for scope in (
        'conv6', 'conv7', 'block8', 'block9', 'block10', 'block11',
        'block4_box', 'block7_box', 'block8_box', 'block9_box',
        'block10_box', 'block11_box'))
SMALL = ' --batch_size=1 --max_number_of_steps=2'
EVALUATE = (
    'eval_ssd_network.py --dataset_dir=./tfrecords '
    '--dataset_name=pascalvoc_2007 --dataset_split_name=test '
    '--model_name=ssd_300_vgg --batch_size=1 ')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The VOC's folders and the published checkpoints, in small."""
    folder = tmp_path_factory.mktemp('original')
    for name in ('VOC2007/trainval', 'VOC2007/test', 'VOC2012'):
        scripts.write_shapes(folder / name, 3)
    (folder / 'checkpoints').mkdir()
    for name, write_version in (
            ('ssd_300_vgg.ckpt', tf.train.SaverDef.V2),
            ('VGG_VOC0712_SSD_300x300_ft_iter_120000.ckpt',
             tf.train.SaverDef.V1)):
        scripts.save_network(
            folder / 'checkpoints' / name, write_version=write_version)
    scripts.save_vgg_16(folder / 'checkpoints' / 'vgg_16.ckpt')
    yield folder
    # Gigabytes, which pytest would keep.
    shutil.rmtree(folder)


@pytest.fixture(scope='module')
def converted(folder):
    """The first command, then the same for the other records."""
    process = scripts.run(
        folder, 'tf_convert_data.py --dataset_name=pascalvoc '
        '--dataset_dir=./VOC2007/test/ --output_name=voc_2007_train '
        '--output_dir=./tfrecords')
    scripts.write_records(
        folder / 'VOC2007' / 'test', folder / 'tfrecords', 'voc_2007_test')
    scripts.write_records(
        folder / 'VOC2012', folder / 'tfrecords', 'voc_2012_train')
    return process


@pytest.fixture(scope='module')
def trained(folder, converted):
    return scripts.run(
        folder, 'train_ssd_network.py --train_dir=./logs/ '
        '--dataset_dir=./tfrecords --dataset_name=pascalvoc_2012 '
        '--dataset_split_name=train --model_name=ssd_300_vgg '
        '--checkpoint_path=./checkpoints/ssd_300_vgg.ckpt '
        '--save_summaries_secs=60 --save_interval_secs=600 '
        '--weight_decay=0.0005 --optimizer=adam --learning_rate=0.001'
        + SMALL)


@pytest.fixture(scope='module')
def trained_from_vgg(folder, converted):
    return scripts.run(
        folder, 'train_ssd_network.py --train_dir=./log/ '
        '--dataset_dir=./tfrecords --dataset_name=pascalvoc_2007 '
        '--dataset_split_name=train --model_name=ssd_300_vgg '
        '--checkpoint_path=./checkpoints/vgg_16.ckpt '
        '--checkpoint_model_scope=vgg_16 '
        f'--checkpoint_exclude_scopes={NEW_SCOPES} '
        f'--trainable_scopes={NEW_SCOPES} '
        '--save_summaries_secs=60 --save_interval_secs=600 '
        '--weight_decay=0.0005 --optimizer=adam --learning_rate=0.001 '
        '--learning_rate_decay_factor=0.94' + SMALL)


def test_conversion(folder, converted):
    manifest = json.loads(
        (folder / 'tfrecords' / 'voc_2007_train.json').read_text())
    assert manifest['num_images'] == 3
    assert manifest['classes'] == list(pascalvoc.LABELS)
    assert (folder / 'tfrecords' / 'voc_2007_train_000.tfrecord').exists()
    assert '--dataset_name=pascalvoc_2007' in converted.stdout


def test_training_from_a_detector(folder, trained):
    assert '71 of 71 variables restored' in trained.stdout
    prefix = checkpoints.paths.find(str(folder / 'logs'))
    assert prefix.endswith('model.ckpt-2')
    metadata = checkpoints.metadata.read(prefix)
    assert metadata['model_name'] == 'ssd_300_vgg'
    assert metadata['classes'] == list(pascalvoc.LABELS)
    assert metadata['anchor_sizes'][0] == [21, 45]
    reader = checkpoints.reader.open_reader(prefix)
    assert reader.has_tensor('ssd_300_vgg/conv1/conv1_1/weights/Adam')


def test_evaluation_of_a_published_checkpoint(folder, converted):
    name = 'VGG_VOC0712_SSD_300x300_ft_iter_120000.ckpt'
    process = scripts.run(
        folder, EVALUATE + '--eval_dir=./logs/ '
        f'--checkpoint_path=./checkpoints/{name}')
    assert 'aeroplane' in process.stdout
    metrics = json.loads((folder / 'logs' / 'metrics.json').read_text())
    assert metrics['checkpoint'].endswith(name)
    assert metrics['num_images'] == 3
    assert list(metrics['classes']) == list(pascalvoc.LABELS)
    assert 0 <= metrics['mAP_VOC07'] <= 1
    assert (folder / 'logs' / 'comp4_det_test_dog.txt').exists()


def test_evaluation_beside_a_training(folder, trained):
    process = subprocess.Popen(
        scripts.arguments(
            EVALUATE + '--eval_dir=./logs/eval --checkpoint_path=./logs '
            '--wait_for_checkpoints=True --max_num_batches=500'),
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and what they start, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith('Results: '):
                break
        assert process.poll() is None, 'it goes on waiting'
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=scripts.SECONDS_TO_END)
    finally:
        process.kill()
    assert any(line.startswith('mAP') for line in lines), errors
    assert process.returncode == cli.INTERRUPTED, errors
    assert 'Traceback' not in errors
    metrics = json.loads(
        (folder / 'logs' / 'eval' / 'metrics.json').read_text())
    assert metrics['step'] == 2


def test_training_from_vgg_16(folder, trained_from_vgg):
    # 13 convolutions of 2 variables.
    assert '26 of 71 variables restored' in trained_from_vgg.stdout
    assert 'ssd_300_vgg/conv6/weights' in trained_from_vgg.stdout
    assert 'Warning' not in trained_from_vgg.stderr
    before = checkpoints.reader.open_reader(
        str(folder / 'checkpoints' / 'vgg_16.ckpt'))
    after = checkpoints.reader.open_reader(str(folder / 'log' / 'model.ckpt-2'))
    name = 'conv1/conv1_1/weights'
    # Restored, and not among the --trainable_scopes.
    assert (before.get_tensor(f'vgg_16/{name}')
            == after.get_tensor(f'ssd_300_vgg/{name}')).all()
    assert not after.has_tensor(f'ssd_300_vgg/{name}/Adam')
    assert after.has_tensor('ssd_300_vgg/conv6/weights/Adam')
    assert after.get_tensor('ssd_300_vgg/conv6/weights').shape == (
        3, 3, 512, 1024)


def test_fine_tuning_with_a_scope_that_is_not_there(
        folder, trained_from_vgg):
    process = scripts.run(
        folder, 'train_ssd_network.py --train_dir=./log_finetune/ '
        '--dataset_dir=./tfrecords --dataset_name=pascalvoc_2007 '
        '--dataset_split_name=train --model_name=ssd_300_vgg '
        '--checkpoint_path=./log/model.ckpt-2 '
        '--checkpoint_model_scope=vgg_16 '
        '--save_summaries_secs=60 --save_interval_secs=600 '
        '--weight_decay=0.0005 --optimizer=adam --learning_rate=0.00001 '
        '--learning_rate_decay_factor=0.94' + SMALL)
    assert '71 of 71 variables restored' in process.stdout
    assert '--checkpoint_model_scope=vgg_16' in process.stderr
    assert 'its own, ssd_300_vgg, is used' in process.stderr
    assert (folder / 'log_finetune' / 'model.ckpt-2.index').exists()
