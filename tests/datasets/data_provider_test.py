import collections
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim
from tensorflow.core.framework import dataset_options_pb2

from datasets import conversion
from datasets import data_provider
from datasets import dataset_factory
from tests import scripts

NUM_SAMPLES = 7


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    """Seven images in three files."""
    folder = tmp_path_factory.mktemp('provider')
    scripts.write_shapes(folder / 'voc', NUM_SAMPLES, size=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, 'SAMPLES_PER_FILE', 3)
        scripts.write_records(folder / 'voc', folder, 'toy_train')
    return dataset_factory.get_dataset('toy', 'train', str(folder))


def transform(sample, seed):
    return {'filename': sample['filename'], 'seed': seed,
            'noise': tf.random.stateless_uniform([2], seed)}


def train_batches(dataset, num_batches, batch_size=3, seed=5, **kwargs):
    """Returns the files' names, the samples' seeds and their noise."""
    with tf.Graph().as_default(), tf.Session() as session:
        provider = data_provider.train_batches(
            dataset, transform, batch_size, seed, **kwargs)
        tensors = provider.get(['filename', 'seed', 'noise'])
        session.run(tf.tables_initializer())
        batches = [session.run(tensors) for _ in range(num_batches)]
    return [np.concatenate(values) for values in zip(*batches, strict=True)]


def assert_equal(values, others):
    for value, other in zip(values, others, strict=True):
        np.testing.assert_array_equal(value, other)


def test_equal_seeds_give_equal_batches(dataset):
    assert_equal(train_batches(dataset, 6), train_batches(dataset, 6))
    names, _, noise = train_batches(dataset, 6)
    other_names, _, other_noise = train_batches(dataset, 6, seed=6)
    assert names.tolist() != other_names.tolist()
    assert not np.isin(noise, other_noise).any()


def test_number_of_threads_changes_nothing(dataset):
    assert_equal(train_batches(dataset, 6),
                 train_batches(dataset, 6, num_parallel_calls=1))


# In the first epoch, at its end, at a later one's start and in it.
@pytest.mark.parametrize('start', [3, 6, 21, 24])
def test_later_start_goes_on_as_if_never_stopped(dataset, start):
    whole = train_batches(dataset, 12)
    rest = train_batches(dataset, 12 - start // 3, start=start)
    assert_equal([values[start:] for values in whole], rest)


@pytest.mark.parametrize('start', [0, 4, 12, 15])
def test_epochs_with_copies_have_each_as_often(dataset, start):
    # All records of the three files are there: of 3, 3 and 1.
    copies = [np.array([1, 2, 1]), np.array([0, 1, 3]), np.array([4])]
    names, seeds, _ = train_batches(dataset, 8, copies=copies)
    counts = [collections.Counter(names[:12]), collections.Counter(names[12:])]
    assert sorted(counts[0].values()) == [1, 1, 1, 2, 3, 4]
    assert counts[0] == counts[1]
    assert len(set(map(tuple, seeds))) == 24  # Copies are augmented anew.
    rest = train_batches(dataset, 8 - start // 3, start=start, copies=copies)
    for value, other in zip((names, seeds), rest, strict=False):
        num = min(len(value) - start, len(other))
        np.testing.assert_array_equal(value[start:start + num], other[:num])


def test_epochs_have_every_sample_once(dataset):
    names, _, _ = train_batches(dataset, NUM_SAMPLES * 2, batch_size=2)
    epochs = names.reshape(4, NUM_SAMPLES).tolist()
    for epoch in epochs:
        assert len(set(epoch)) == NUM_SAMPLES
    assert epochs[0] != epochs[1], 'each epoch has its own order'


both_batches = pytest.mark.parametrize('make', [
    lambda dataset, transform: data_provider.train_batches(
        dataset, transform, 3, 5),
    lambda dataset, transform: data_provider.eval_batches(
        dataset, transform, 3),
])


@both_batches
def test_no_thread_tunes(dataset, make):
    with tf.Graph().as_default() as graph:
        make(dataset, lambda sample, seed=None: sample)
        options = dataset_options_pb2.Options.FromString(next(
            operation.get_attr('serialized_options')
            for operation in graph.get_operations()
            if operation.type == 'OptionsDataset'))
    assert not options.autotune_options.enabled
    assert options.autotune_options.HasField('enabled'), 'unset is enabled'


@both_batches
def test_autograph_does_not_rewrite_what_transforms(dataset, make):
    files = []

    def transform(sample, seed=None):
        files.append(sys._getframe().f_code.co_filename)
        return {'filename': sample['filename']}

    with tf.Graph().as_default():
        make(dataset, transform)
    assert files == [__file__]


def test_seed_of_a_sample_is_its_number(dataset):
    _, seeds, noise = train_batches(dataset, 4, start=2)
    assert seeds.tolist() == [[5, number] for number in range(2, 14)]
    assert len(np.unique(noise)) == noise.size


@pytest.mark.parametrize('num_samples, kilobytes, buffer', [
    (100, 100, 100),     # All of them,
    (5000, 512, 2048),   # 2,048 records,
    (3000, 1024, 1024),  # 1 GiB,
    (3000, 10 ** 6, 8),  # or a batch.
])
def test_the_shuffle_buffer_is_bounded_in_bytes(
        tmp_path, num_samples, kilobytes, buffer):
    paths = [tmp_path / 'a', tmp_path / 'b']
    for path in paths:
        with open(path, 'wb') as file:  # Sparse: takes no room.
            file.truncate(num_samples * kilobytes * 1024 // 2)
    dataset = slim.dataset.Dataset(
        [*map(str, paths)], None, None, num_samples, {})
    assert data_provider.shuffle_buffer(dataset, batch_size=8) == buffer


def test_evaluation_is_one_pass_in_order(dataset):
    with tf.Graph().as_default(), tf.Session() as session:
        provider = data_provider.eval_batches(
            dataset, lambda sample: {
                'filename': sample['filename'],
                'label': sample['object/label']}, batch_size=3)
        assert provider.num_samples() == NUM_SAMPLES
        tensors = provider.get(['filename', 'label'])
        for _ in range(2):  # Initialised again, it starts over.
            session.run(provider.initializer)
            batches = [session.run(tensors) for _ in range(3)]
            with pytest.raises(tf.errors.OutOfRangeError):
                session.run(tensors)
    names = np.concatenate([names for names, _ in batches])
    assert names.tolist() == [
        f'{number:06d}.jpg'.encode() for number in range(NUM_SAMPLES)]
    assert [len(labels) for _, labels in batches] == [3, 3, 1]
    for _, labels in batches:
        longest = (labels > 0).sum(axis=1).max()
        assert labels.shape[1] == longest, 'padded to the longest'
