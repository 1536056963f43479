import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim

from datasets import dataset_factory
from datasets import records
from datasets import tfrecords


def write_records(
        folder, name, num_records, labels=None, index=0, **manifest):
    """Writes a file of records and, if there are labels, its manifest."""
    with tf.Graph().as_default(), tf.Session() as session:
        encoded = session.run(tf.io.encode_png(np.zeros((2, 3, 3), np.uint8)))
    file_name = records.shard_name(name, index)
    with tf.io.TFRecordWriter(str(folder / file_name)) as writer:
        for i in range(num_records):
            writer.write(tfrecords.encode_example(tfrecords.Sample(
                encoded, b'PNG', f'{index}_{i}.png', 2, 3, [[0, 0, 1, 1]],
                [1], ['a'], [0], [0])))
    if labels is not None:
        (folder / f'{name}.json').write_text(json.dumps({
            'format_version': 1, 'num_images': num_records,
            'classes': labels, 'files': [{
                'name': file_name, 'num_records': num_records,
                'sha256': 'of earlier versions',
                'bytes': (folder / file_name).stat().st_size}], **manifest}))


def get(folder, name='toy', split_name='train'):
    return dataset_factory.get_dataset(name, split_name, str(folder))


def test_records_that_describe_themselves_need_no_code(tmp_path):
    write_records(tmp_path, 'toy_train', 3, ['a', 'b'])
    write_records(tmp_path, 'toy_train_more', 1, ['c'])
    dataset = get(tmp_path)
    assert [path[-20:] for path in dataset.data_sources] == [
        'toy_train_000.tfrecord'[-20:]]
    assert (dataset.num_samples, dataset.num_classes) == (3, 2)
    assert dataset.labels == ('a', 'b')
    assert dataset.category_ids == (1, 2)
    assert dataset.labels_to_names == {0: 'background', 1: 'a', 2: 'b'}
    assert (dataset.name, dataset.split_name) == ('toy', 'train')
    assert get(tmp_path, 'toy_train', 'more').labels == ('c',)


@pytest.mark.parametrize('category_ids, expected', [
    ({'b': 0, 'a': 7}, (7, 0)), ({'a': 7}, (1, 2)),
    ({'a': 'x', 'b': 'y'}, (1, 2)), ({}, (1, 2))])
def test_ids_of_cocos_categories_are_known(tmp_path, category_ids, expected):
    write_records(tmp_path, 'toy_train', 1, ['a', 'b'],
                  category_ids=category_ids)
    assert get(tmp_path).category_ids == expected


def test_records_of_the_original_are_counted(tmp_path):
    write_records(tmp_path, 'voc_2007_test', 2)
    write_records(tmp_path, 'voc_2007_test', 3, index=1)
    write_records(tmp_path, 'voc_2007_test', 1, index=1000)
    dataset = get(tmp_path, 'pascalvoc_2007', 'test')
    assert (dataset.num_samples, dataset.num_classes) == (6, 20)
    assert dataset.labels_to_names[20] == 'tvmonitor'
    assert dataset.data_sources[-1].endswith('_1000.tfrecord')


def test_0712_is_both_and_needs_both(tmp_path):
    write_records(tmp_path, 'voc_2007_train', 2)
    with pytest.raises(ValueError, match=(
            r'No file .*voc_2012_train_\*.tfrecord; in that folder there is: '
            '--dataset_name=pascalvoc_2007 --dataset_split_name=train')):
        get(tmp_path, 'pascalvoc_0712')
    write_records(tmp_path, 'voc_2012_train', 3)
    assert get(tmp_path, 'pascalvoc_0712').num_samples == 5


def test_parts_with_other_classes_are_an_error(tmp_path):
    write_records(tmp_path, 'voc_2007_train', 1, ['a', 'b'])
    write_records(tmp_path, 'voc_2012_train', 1, ['b', 'a'])
    with pytest.raises(ValueError, match=(
            'classes of the parts differ: voc_2007_train has a, b; '
            'voc_2012_train has b, a')):
        get(tmp_path, 'pascalvoc_0712')


def test_a_slim_data_provider_reads_the_dataset(tmp_path):
    write_records(tmp_path, 'toy_train', 2, ['a'])
    with tf.Graph().as_default():
        provider = slim.dataset_data_provider.DatasetDataProvider(
            get(tmp_path), num_readers=1, shuffle=False)
        items = provider.get(['image', 'shape', 'object/label',
                              'object/bbox', 'filename'])
        with tf.Session() as session, slim.queues.QueueRunners(session):
            image, shape, labels, bboxes, name = session.run(items)
    assert image.shape == tuple(shape) == (2, 3, 3)
    assert labels.tolist() == [1]
    assert bboxes.tolist() == [[0, 0, 1, 1]]
    assert name == b'0_0.png'


def test_which_splits_there_are(tmp_path):
    for name in ('toy_train_000.tfrecord', 'voc_2007_test_000.tfrecord',
                 'voc_2012_test_000.tfrecord', 'voc_2007_val_000.tfrecord',
                 'cells_dev.record'):
        (tmp_path / name).touch()

    def has(*names):
        return dataset_factory.has_split(*names, str(tmp_path))

    assert has('toy', 'train') and not has('toy', 'val')
    assert has('pascalvoc_0712', 'test') and not has('pascalvoc_0712', 'val')
    assert has('cells', 'dev')


def test_says_what_is_there_instead(tmp_path):
    with pytest.raises(ValueError, match='nowhere is not a folder'):
        get(tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='there is: no .tfrecord file'):
        get(tmp_path)
    write_records(tmp_path, 'pascalvoc_2007_train', 1)
    with pytest.raises(ValueError, match=(
            'pascalvoc_2007_train .no --dataset_name reads it; the form is')):
        get(tmp_path)


def test_what_is_empty_is_an_error(tmp_path):
    write_records(tmp_path, 'toy_train', 0, ['a'])
    with pytest.raises(ValueError, match="split 'train'.* is empty"):
        get(tmp_path)


@pytest.mark.parametrize('content, message', [
    ('{', 'is not a manifest'),
    ('[]', 'is not a manifest'),
    ('{"format_version": 1}', 'is not a manifest of records .KeyError'),
    ('{"format_version": 2, "files": [], "classes": [], "num_images": 0}',
     'format_version 2, this program reads 1'),
    ('{"format_version": 1, "files": [], "classes": ["a"], "num_images": 0}',
     'toy_train_000.tfrecord missing, too many or of another size'),
    ('{"format_version": 1, "files": [], "classes": [1], "num_images": 0}',
     'is not a manifest'),
    ('{"format_version": 1, "files": [], "classes": ["a"], "num_images": "1"}',
     "num_images is '1'"),
])
def test_bad_manifests_are_an_error(tmp_path, content, message):
    write_records(tmp_path, 'toy_train', 1)
    (tmp_path / 'toy_train.json').write_text(content)
    with pytest.raises(ValueError, match=message):
        get(tmp_path)


@pytest.mark.parametrize('change', [
    lambda content: content[:-1], lambda content: content + b'more',
    lambda content: b'not a record at all'])
def test_files_cut_short_are_an_error(tmp_path, change):
    write_records(tmp_path, 'voc_2007_test', 2)
    path = tmp_path / 'voc_2007_test_000.tfrecord'
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match='is not a whole TFRecord file'):
        get(tmp_path, 'pascalvoc_2007', 'test')
