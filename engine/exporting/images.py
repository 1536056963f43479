"""Images of a data set as the network sees them, for proof and calibration."""
import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from engine import runtime
from engine.evaluation import evaluate
from engine.evaluation import options
from nets import ssd

# Of a large data set, calibration looks only at so many, of files in a random
# order.
MAX_CANDIDATES = 1000
_BATCH_SIZE = 8


def first(dataset: slim.dataset.Dataset, network: ssd.SSDNet,
          num_images: int) -> list[dict[str, Any]]:
    """Returns batches of a data set's first images, all if it has not more.

    Each is what evaluate.collect takes, and 'image', uint8 [batch, height,
    width, 3], RGB: what a network sees are whole numbers, minus its mean.

    Raises:
      ValueError: an image is damaged.
    """
    batches = []
    with contextlib.closing(_batches(dataset, network)) as all_batches:
        for batch in all_batches:
            batches.append({name: value[:num_images]
                            for name, value in batch.items()})
            num_images -= len(batch['image'])
            if num_images <= 0:
                break
    return batches


def chosen(dataset: slim.dataset.Dataset, network: ssd.SSDNet,
           num_images: int, seed: int) -> np.ndarray:
    """Returns images that a seed chooses, all if there are not more.

    They are uint8 [n, height, width, 3], RGB.

    Raises:
      ValueError: an image is damaged.
    """
    rng = np.random.default_rng(seed)
    shuffled = copy.copy(dataset)
    shuffled.data_sources = rng.permutation(dataset.data_sources).tolist()
    num_candidates = min(dataset.num_samples, MAX_CANDIDATES)
    is_chosen = np.zeros(num_candidates, bool)
    is_chosen[rng.choice(num_candidates, min(num_images, num_candidates),
                         replace=False)] = True
    images = np.concatenate([
        batch['image'] for batch in first(shuffled, network, num_candidates)])
    return images[is_chosen]


def _batches(dataset, network) -> Iterator[dict[str, np.ndarray]]:
    """Yields the batches of an evaluation, but with pixels as they are."""
    data = options.Data(dataset.name, '', batch_size=_BATCH_SIZE)
    with tf.Graph().as_default(), tf.Session(
            config=runtime.session_config()) as session:
        outputs, initializer = evaluate.read(
            dataset, evaluate.Pixels(network.params.img_shape), data,
            options.Model())
        outputs['image'] = tf.cast(outputs['image'], tf.uint8)
        session.run(initializer)
        try:
            for _ in range(-(-dataset.num_samples // _BATCH_SIZE)):
                yield session.run(outputs)
        except tf.errors.InvalidArgumentError:
            evaluate.check_images(dataset.data_sources)
            raise
