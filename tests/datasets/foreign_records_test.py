"""Records of the TF Object Detection API, of HiKapok and of the original."""
import gzip
import itertools

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from datasets import data_provider
from datasets import dataset_factory
from datasets import records
from datasets import tfrecords
from engine import checkpoints
from nets import nets_factory
from tests import scripts
from tests import small_trunk

BBOX = [[.1, .2, .5, .6], [.5, 0., 1., .25]]  # ymin, xmin, ymax, xmax.
ENCODED = cv2.imencode('.jpg', np.full((20, 40, 3), 90, np.uint8))[1].tobytes()
MAP = "item {{ id: {} name: 'cat' }} item {{ id: {} name: 'dog' }}"


def example(labels=(2, 1), names=('dog', 'cat'), is_api=True, **changes):
    """Returns an Example with two objects, as other programs write it."""
    label, text = (('class/label', 'class/text') if is_api
                   else ('bbox/label', 'bbox/label_text'))
    sides = zip('ymin xmin ymax xmax'.split(), zip(*BBOX[:len(labels)]))
    features = {
        'image/height': [20], 'image/width': [40], 'image/format': [b'jpeg'],
        'image/encoded': [ENCODED], 'image/filename': [b'a.jpg'],
        **{f'image/object/bbox/{side}': values for side, values in sides},
        f'image/object/{label}': list(labels),
        f'image/object/{text}': [name.encode() for name in names],
        **({} if is_api else {'image/shape': [20, 40, 3],
                              'image/channels': [3]}), **changes}
    kinds = {bytes: 'bytes_list', int: 'int64_list', float: 'float_list'}
    result = tf.train.Example()
    for key, values in features.items():
        for value in values or ():
            getattr(result.features.feature[key],
                    kinds[type(value)]).value.append(value)
    return result.SerializeToString()


def write(folder, *examples, file_name='train.record', label_map=None):
    folder.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / file_name)) as writer:
        for one in examples:
            writer.write(one)
    if label_map is not None:
        (folder / 'label_map.pbtxt').write_text(label_map)
    return str(folder / file_name)


def get(folder, name='any', split_name='train'):
    return dataset_factory.get_dataset(name, split_name, str(folder))


@pytest.mark.parametrize('is_api', [True, False])
def test_decoders_give_the_same_items(is_api):
    flags = {True: {'image/object/difficult': [0, 1],
                    'image/object/truncated': [1, 0]},
             False: {'image/object/bbox/difficult': [0, 1],
                     'image/object/bbox/truncated': [1, 0]}}[is_api]
    for changes, difficult, truncated in (({}, [0, 0], [0, 0]),
                                          (flags, [0, 1], [1, 0])):
        record = example(is_api=is_api, **changes)
        decoder = tfrecords.decoder(tfrecords.schema_of(record))
        names = sorted(tfrecords.ITEMS_TO_DESCRIPTIONS)
        with tf.Graph().as_default(), tf.Session() as session:
            items = dict(zip(names, session.run(
                decoder.decode(tf.constant(record), names)), strict=True))
        sample = tfrecords.decode_example(record)
        assert items['image'].shape == tuple(items['shape']) == (20, 40, 3)
        assert (sample.height, sample.width) == (20, 40)
        for bboxes in (items['object/bbox'], sample.bboxes):
            np.testing.assert_allclose(bboxes, BBOX, atol=1e-6)
        for key, found, expected in (
                ('label', sample.labels, [2, 1]),
                ('difficult', sample.difficult, difficult),
                ('truncated', sample.truncated, truncated),
                ('is_crowd', sample.is_crowd, [0, 0])):
            assert items[f'object/{key}'].tolist() == found.tolist() == expected
        for area in (items['object/area'], sample.area):
            np.testing.assert_allclose(area, [128, 100], rtol=1e-5)
        assert sample.names == ['dog', 'cat']


@pytest.mark.parametrize('chosen, others, name', [
    (['train.record'], [], 'any'),
    (['train.tfrecord'], ['val.tfrecord', 'train.json'], 'any'),
    (['pets_train.record-00000-of-00002', 'pets_train.record-00001-of-00002'],
     ['pets_val.record-00000-of-00001'], 'pets'),
    (['train-00000-of-00002', 'train-00001-of-00002'], [], 'hikapok'),
    (['b_train.record'], ['a_train.record'], 'b'),
    (['x-train-00000-of-00001.tfrecord'], ['model.data-00000-of-00001'], 'y'),
    # Renamed to what the original reads.
    (['voc_2007_train_000.tfrecord'], [], 'pascalvoc_2007')])
def test_files_are_found_by_their_own_names(tmp_path, chosen, others, name):
    for file_name in (*chosen, *others):
        write(tmp_path, example(), file_name=file_name)
    dataset = get(tmp_path, name)
    assert [path.rpartition('/')[2] for path in dataset.data_sources] == chosen
    assert (dataset.num_samples, dataset.labels) == (
        len(chosen), ('cat', 'dog'))
    note, = dataset.notes
    assert 'TF Object Detection API; classes (the names beside' in note


def test_a_folder_may_be_called_as_the_split(tmp_path):
    write(tmp_path / 'valid', example(), file_name='Fish.tfrecord')
    assert get(tmp_path / 'valid', split_name='valid').num_samples == 1
    with pytest.raises(ValueError, match=(
            r'No file .*any_train_\*.*there is: Fish.tfrecord')):
        get(tmp_path / 'valid')


def test_classes_of_a_map_are_all_of_it(tmp_path):
    write(tmp_path, example([2], ['dog']), example([], []),
          label_map=MAP.format(1, 2))
    dataset = get(tmp_path)
    assert dataset.labels == ('cat', 'dog')
    assert 'label_map.pbtxt): cat, dog' in dataset.notes[0]
    # Without names, and as Roboflow calls it.
    write(tmp_path, example([2, 1], []))
    (tmp_path / 'label_map.pbtxt').rename(tmp_path / 'train_label_map.pbtxt')
    assert get(tmp_path).labels == ('cat', 'dog')


def test_names_that_are_vocs_mean_all_of_voc(tmp_path):
    for number in range(2):
        write(tmp_path, example([20, 12], ['tvmonitor', 'dog'], is_api=False),
              file_name=f'train-0000{number}-of-00002')
    dataset = get(tmp_path, 'pascalvoc_2007')
    assert (dataset.num_classes, dataset.num_samples) == (20, 2)


def test_records_of_the_original_with_own_classes(tmp_path):
    write(tmp_path, example(is_api=False), file_name='own_train_000.tfrecord')
    assert get(tmp_path, 'own').labels == ('cat', 'dog')


@pytest.mark.parametrize('examples, label_map, message', [
    ([example([2, 1], [])], None, 'record 0: an object is of class 2, whose '
     'name is nowhere; put the label_map.pbtxt'),
    ([example(), example([1, 2])], None,
     r"record 1: class 1 is 'dog', in .*record 0 it is 'cat'"),
    ([example([1, 2], ['cat', 'cat'])], None, "'cat' was already given"),
    ([example()], MAP.format(1, 3), 'an object is of class 2, which is not'),
    ([example()], MAP.format(2, 1), "class 2 is 'dog', in .*pbtxt it is 'cat"),
    ([example([3, 1], [])], MAP.format(1, 2), 'class 3, which is not in'),
    ([example()], 'item {', 'label_map.pbtxt: it is not a map of labels'),
    ([example()], 'cat\ndog', 'label_map.pbtxt: it is not a map of labels'),
    ([example()], MAP.replace('dog', 'cat').format(1, 2),
     "label_map.pbtxt, name 2: class name 'cat' was already given"),
    ([example(), example(is_api=False)], None, 'record 1: .*as the first is'),
    ([example(**{'image/height': None})], None, 'record 0: not an Example'),
    ([example(**{'image/encoded': None})], None, 'record 0: not an Example'),
    ([example([], ['dog'])], None, 'have 0 to 1 of each|have 0 to 2'),
    ([b'\xff\xff'], None, 'record 0: not an Example')])
def test_what_is_unclear_is_refused_by_name(
        tmp_path, examples, label_map, message):
    write(tmp_path, *examples, label_map=label_map)
    with pytest.raises(ValueError, match=message):
        get(tmp_path)


@pytest.mark.parametrize('label_map, labels, ids', [
    # COCO's ids from 1 to 90, of which 80 are used; all of the map are classes.
    ("item { id: 90 name: 'cat' } item { id: 13 name: 'dog' } "
     "item { id: 14 name: 'cow' }", ('dog', 'cow', 'cat'), (13, 14, 90)),
    (None, ('dog', 'cat'), (13, 90))])
@pytest.mark.parametrize('is_api', [True, False])
def test_ids_with_gaps_are_mapped_by_names(
        tmp_path, label_map, labels, ids, is_api):
    names = ['cat', 'dog']
    write(tmp_path, example([90, 13], names, is_api), example([], [], is_api),
          example([13], ['dog'], is_api), label_map=label_map)
    dataset = get(tmp_path)
    assert dataset.labels == labels
    assert dataset.record_ids == dataset.category_ids == ids
    assert dataset.notes[0].endswith(
        f': {", ".join(labels)}; their ids from 13 to 90 have gaps')
    expected = [[len(labels), 1], [], [1]]
    assert [sample.labels.tolist() for sample in records.read_samples(
        dataset.data_sources, dataset.record_ids)] == expected
    with tf.Graph().as_default(), tf.Session() as session:
        provider = data_provider.eval_batches(
            dataset, lambda sample: {'labels': sample['object/label']}, 1)
        session.run(provider.initializer)
        batch, = provider.get(['labels'])
        for values in expected:
            assert session.run(batch).tolist() == [values]
    # The same data with other ids, as of a split that lacks a class.
    with pytest.raises(ValueError, match='other classes than before'):
        list(records.read_samples(dataset.data_sources, (13, 14)))


def test_parts_must_have_the_same_ids(tmp_path):
    for year, label in ((2007, 3), (2012, 4)):
        write(tmp_path, example([label], ['cat']),
              file_name=f'voc_{year}_train_000.tfrecord')
    with pytest.raises(ValueError, match=(
            'of voc_2007_train and voc_2012_train some have other ids of')):
        get(tmp_path, 'pascalvoc_0712')


def test_files_that_are_ambiguous_or_missing_are_named(tmp_path):
    write(tmp_path, example(), file_name='train-00000-of-00003')
    with pytest.raises(ValueError, match='of 3 files 1 are there'):
        get(tmp_path)
    write(tmp_path, example(), file_name='a_train.record')
    with pytest.raises(ValueError, match=(
            r'several records of .train.: a_train.record, train-\*-of-00003')):
        get(tmp_path)
    for name in 'ab':
        (tmp_path / f'{name}.pbtxt').write_text(MAP.format(1, 2))
    with pytest.raises(ValueError, match='several maps of labels: a.pbtxt, b'):
        get(tmp_path, 'a')


def test_compressed_and_cut_files_are_named(tmp_path):
    path = tmp_path / 'train.record'
    write(tmp_path, example())
    content = path.read_bytes()
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match='train.record is compressed by GZIP'):
        get(tmp_path)
    path.write_bytes(content[:-7])
    with pytest.raises(ValueError, match='not a whole TFRecord file: record 0'):
        get(tmp_path)


@pytest.mark.parametrize('is_api', [True, False])
def test_they_are_trained_on_and_evaluated(
        tmp_path, monkeypatch, capsys, is_api):
    name = small_trunk.SSDNet.name
    monkeypatch.setitem(nets_factory.networks_map, name, small_trunk.SSDNet)
    for number, split in itertools.product(range(2), ('train', 'val')):
        write(tmp_path, example(is_api=is_api), example([], [], is_api),
              file_name=f'{split}-0000{number}-of-00002',
              label_map=MAP.format(1, 2))
    same = {'dataset_name': 'any', 'dataset_dir': str(tmp_path),
            'model_name': name}
    scripts.train(train_dir=str(tmp_path / 'logs'), batch_size=2,
                  max_number_of_steps=2, random_seed=1, **same)
    assert checkpoints.metadata.read(checkpoints.paths.find(
        str(tmp_path / 'logs')))['classes'] == ['cat', 'dog']
    scripts.evaluate(
        eval_dir=str(tmp_path / 'eval'), dataset_split_name='val',
        checkpoint_path=str(tmp_path / 'logs'), **same)
    out = capsys.readouterr().out
    for split in ('train', 'val'):
        assert f'{split}-00000-of-00002 and others: 4 records' in out


def test_samples_of_them_are_read(tmp_path):
    path = write(tmp_path, example())
    sample, = records.read_samples([path])
    assert sample.filename == 'a.jpg' and sample.labels.tolist() == [2, 1]
