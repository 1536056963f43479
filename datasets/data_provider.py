"""A Slim data provider over tf.data: reads, decodes, transforms, batches.

Every sample has a number, counted through all epochs, and the random seed of
a sample is (seed, number): a provider that starts at a later number goes on
exactly where an earlier one stopped.
"""
import functools
import os
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
from tf_slim.data import data_provider

# Records that are held to be shuffled, and how large they may be altogether.
SHUFFLE_BUFFER = 2048
MAX_SHUFFLED_BYTES = 2 ** 30


class DataProvider(data_provider.DataProvider):
    """What train_batches and eval_batches make.

    `get([...])` gives tensors of the next batch, as in slim; run
    `initializer` first (it is among the table initializers).
    """

    def __init__(self, batches: tf.data.Dataset, num_samples: int):
        # Nothing is left for tf.data to tune, whose thread would let a session
        # wait to be closed until its next look, at last a minute later.
        options = tf.data.Options()
        options.autotune.enabled = False
        iterator = tf.data.make_initializable_iterator(
            batches.with_options(options))
        tf.add_to_collection(
            tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
        self.initializer = iterator.initializer
        super().__init__(iterator.get_next(), num_samples)


# AutoGraph would rewrite functions that are written for graphs already, which
# takes 3 s of a training's start.
@tf.autograph.experimental.do_not_convert
def train_batches(
        dataset: slim.dataset.Dataset, transform: Callable, batch_size: int,
        seed: int, start: int = 0, num_readers: int = 4,
        num_parallel_calls: int = 4,
        copies: Sequence[np.ndarray] | None = None) -> DataProvider:
    """Returns a DataProvider of endless, shuffled batches.

    Args:
      dataset: of dataset_factory.get_dataset.
      transform: function of a sample, a dict of the decoder's items, and its
        seed, int64 [2]; returns a dict of tensors of fixed shapes.
      batch_size: samples of a batch.
      seed: equal seeds give equal batches.
      start: number of the first sample; a later one skips what came before.
      num_readers: files that are read at a time.
      num_parallel_calls: samples that are transformed at a time.
      copies: how often an epoch has each record, as balance.copies returns;
        None for once.
    """
    num_shuffled = shuffle_buffer(dataset, batch_size)
    epoch_size, read = dataset.num_samples, tf.data.TFRecordDataset
    if copies is not None:
        epoch_size = int(sum(map(np.sum, copies)))
        read = functools.partial(_repeated, np.concatenate(copies), np.cumsum(
            [0, *map(len, copies[:-1])]))

    def epoch(number):
        files = tf.data.Dataset.from_tensor_slices(dataset.data_sources)
        if copies is not None:
            files = files.enumerate()
        records = files.shuffle(
            len(dataset.data_sources), seed=seed + number).interleave(
                read, cycle_length=num_readers)
        return records.shuffle(num_shuffled, seed=seed + number)

    first_epoch, skipped = divmod(start, epoch_size)
    records = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch)
    samples = records.skip(skipped).enumerate(start=start).map(
        lambda number, record: transform(
            decode(dataset, record),
            tf.stack([tf.constant(seed, tf.int64), number])),
        num_parallel_calls)
    batches = samples.batch(batch_size, drop_remainder=True).prefetch(2)
    return DataProvider(batches, dataset.num_samples)


def _repeated(copies, offsets, index, path):
    """Returns the records of file `index`, each as often as `copies` says."""
    first = tf.constant(offsets)[index]
    return tf.data.TFRecordDataset(path).enumerate(start=first).flat_map(
        lambda number, record: tf.data.Dataset.from_tensors(record).repeat(
            tf.constant(copies)[number]))


def shuffle_buffer(dataset: slim.dataset.Dataset, batch_size: int) -> int:
    """Returns how many records are held to be shuffled, at least a batch."""
    num_bytes = sum(map(os.path.getsize, dataset.data_sources))
    num_that_fit = MAX_SHUFFLED_BYTES * dataset.num_samples // num_bytes
    return min(SHUFFLE_BUFFER, dataset.num_samples,
               max(batch_size, num_that_fit))


@tf.autograph.experimental.do_not_convert
def eval_batches(
        dataset: slim.dataset.Dataset, transform: Callable, batch_size: int,
        num_parallel_calls: int = 4) -> DataProvider:
    """Returns a DataProvider of one pass in order; the last may be smaller.

    As train_batches, but that `transform` has no seed, and its tensors are
    padded with zeros to the batch's longest.
    """
    samples = tf.data.TFRecordDataset(dataset.data_sources).map(
        lambda record: transform(decode(dataset, record)),
        num_parallel_calls)
    shapes = tf.data.get_output_shapes(samples)
    batches = samples.padded_batch(batch_size, shapes).prefetch(2)
    return DataProvider(batches, dataset.num_samples)


def decode(dataset: slim.dataset.Dataset,
           record: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the items of a record, string [], but for the pixels."""
    items = [item for item in dataset.decoder.list_items() if item != 'image']
    return dict(zip(items, dataset.decoder.decode(record, items),
                    strict=True))
