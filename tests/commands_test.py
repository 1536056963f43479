"""The commands of the original, as they are written in its README.

Only batches and numbers of steps are smaller. Everything is in one folder, in
which they are run. What others of its trainings and evaluations do is tested
elsewhere: here their flags are read.
"""
import json
import shutil

import pytest
import tensorflow.compat.v1 as tf

from datasets.voc import pascalvoc
from engine import checkpoints
from tests import caffe_files
from tests import scripts

# The scopes of its fine-tuning from VGG-16.
NEW_SCOPES = ','.join(
    f'ssd_300_vgg/{scope}' for scope in (
        'conv6', 'conv7', 'block8', 'block9', 'block10', 'block11',
        'block4_box', 'block7_box', 'block8_box', 'block9_box',
        'block10_box', 'block11_box'))
TRAIN = (
    'train_ssd_network.py --dataset_dir=./tfrecords '
    '--dataset_split_name=train --model_name=ssd_300_vgg '
    '--save_summaries_secs=60 --save_interval_secs=600 '
    '--weight_decay=0.0005 --optimizer=adam --batch_size=1 '
    '--max_number_of_steps=1 ')
EVALUATE = (
    'eval_ssd_network.py --dataset_dir=./tfrecords '
    '--dataset_name=pascalvoc_2007 --dataset_split_name=test '
    '--model_name=ssd_300_vgg --batch_size=1 ')
PUBLISHED = './checkpoints/VGG_VOC0712_SSD_300x300_ft_iter_120000.ckpt'


@pytest.fixture(scope='module', autouse=True)
def folder(tmp_path_factory):
    """VOC's folders, converted, and the published checkpoints, in small."""
    folder = tmp_path_factory.mktemp('original')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv('TF_ENABLE_ONEDNN_OPTS', '1')  # As the script sets it.
        scripts.write_shapes('VOC2007/test', 3)
        for split in 'train', 'test':
            scripts.call(
                'tf_convert_data.py --dataset_name=pascalvoc '
                f'--dataset_dir=./VOC2007/test/ --output_name=voc_2007_{split} '
                '--output_dir=./tfrecords')
        (folder / 'checkpoints').mkdir()
        scripts.save_network(PUBLISHED, write_version=tf.train.SaverDef.V1)
        scripts.save_vgg_16('./checkpoints/vgg_16.ckpt')
        yield folder
    shutil.rmtree(folder)  # Gigabytes, which pytest would keep.


def test_conversion(folder):
    records = folder / 'tfrecords'
    manifest = json.loads((records / 'voc_2007_train.json').read_text())
    assert manifest['num_images'] == 3
    assert manifest['classes'] == list(pascalvoc.LABELS)
    assert (records / 'voc_2007_train_000.tfrecord').exists()


def test_evaluation_of_a_published_checkpoint(folder, capsys):
    scripts.call(EVALUATE + f'--eval_dir=./logs/ --max_num_batches=500 '
                 f'--checkpoint_path={PUBLISHED}')
    assert 'aeroplane' in capsys.readouterr().out
    metrics = json.loads((folder / 'logs' / 'metrics.json').read_text())
    assert PUBLISHED.endswith(metrics['checkpoint'].rpartition('/')[2])
    assert metrics['num_images'] == 3
    assert list(metrics['classes']) == list(pascalvoc.LABELS)
    assert 0 <= metrics['mAP_VOC07'] <= 1
    assert (folder / 'logs' / 'comp4_det_test_dog.txt').exists()


def test_training_from_vgg_16(capsys):
    scripts.call(
        TRAIN + '--train_dir=./log/ --dataset_name=pascalvoc_2007 '
        '--checkpoint_path=./checkpoints/vgg_16.ckpt '
        '--checkpoint_model_scope=vgg_16 '
        f'--checkpoint_exclude_scopes={NEW_SCOPES} '
        f'--trainable_scopes={NEW_SCOPES} '
        '--learning_rate=0.001 --learning_rate_decay_factor=0.94')
    # 13 convolutions of 2 variables.
    assert '26 of 71 variables restored' in capsys.readouterr().out
    before = checkpoints.reader.open_reader('./checkpoints/vgg_16.ckpt')
    after = checkpoints.reader.open_reader('./log/model.ckpt-1')
    name = 'conv1/conv1_1/weights'
    # Restored, and not among the --trainable_scopes.
    assert (before.get_tensor(f'vgg_16/{name}')
            == after.get_tensor(f'ssd_300_vgg/{name}')).all()
    assert not after.has_tensor(f'ssd_300_vgg/{name}/Adam')
    assert after.has_tensor('ssd_300_vgg/conv6/weights/Adam')
    metadata = checkpoints.metadata.read('./log/model.ckpt-1')
    assert metadata['model_name'] == 'ssd_300_vgg'
    assert metadata['classes'] == list(pascalvoc.LABELS)
    assert metadata['anchor_sizes'][0] == [21, 45]


def test_conversion_from_caffe():
    caffe_files.write('ssd.caffemodel', caffe_files.layers(
        caffe_files.prototxt(300, width=.25)))
    scripts.call(
        'caffe_to_tensorflow.py --model_name=ssd_300_vgg_quarter '
        '--num_classes=21 --caffemodel_path=ssd.caffemodel')
    assert checkpoints.metadata.read('ssd.ckpt')['anchor_sizes'][0] == [30, 60]


@pytest.mark.parametrize('command, expected', [
    (TRAIN + '--train_dir=./logs/ --dataset_name=pascalvoc_2012 '
     '--checkpoint_path=./checkpoints/ssd_300_vgg.ckpt --learning_rate=0.001',
     {'dataset_name': 'pascalvoc_2012', 'optimizer': 'adam',
      'save_summaries_secs': 60, 'weight_decay': .0005}),
    (TRAIN + '--train_dir=./log_finetune/ --dataset_name=pascalvoc_2007 '
     '--checkpoint_path=./log/model.ckpt-N --checkpoint_model_scope=vgg_16 '
     '--learning_rate=0.00001 --learning_rate_decay_factor=0.94',
     {'checkpoint_model_scope': 'vgg_16', 'learning_rate': .00001}),
    (TRAIN + '--labels_offset=0 --train_image_size=300', {}),
    (EVALUATE + '--eval_dir=./logs/eval --checkpoint_path=./logs '
     '--wait_for_checkpoints=True --max_num_batches=500',
     {'wait_for_checkpoints': True, 'eval_dir': './logs/eval'})])
def test_flags(command, expected):
    got = {name: value for group in scripts.parse(command)
           for name, value in group._asdict().items()}
    assert got == {**got, **expected}
