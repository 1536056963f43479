"""Images of rare classes, more often: repeat factor sampling.

Gupta, Dollar and Girshick 2019 (LVIS), appendix B: a class in a share f of
the images has the factor max(1, sqrt(t / f)), an image the largest one of its
classes. Their t of 0.001 is for many images; here it is the share of the most
frequent class, so that a small set is balanced too.
"""
from collections.abc import Sequence

import numpy as np
import tf_slim as slim

from datasets import records

# A class that is in so many times fewer images than another is rare.
MIN_IMBALANCE = 10.
MAX_FACTOR = 20.  # An image is seen so often in an epoch at the most.


def class_shares(labels: Sequence[np.ndarray], num_classes: int) -> np.ndarray:
    """Returns the share of the images that each class is in.

    Args:
      labels: of each image int [n], from 1 to num_classes.
      num_classes: without background.

    Returns:
      float64 [num_classes].
    """
    counts = np.zeros(num_classes)
    for of_image in labels:
        counts[np.unique(of_image) - 1] += 1
    return counts / max(len(labels), 1)


def repeat_factors(labels: Sequence[np.ndarray],
                   num_classes: int) -> np.ndarray:
    """Returns how often each image is to be seen in an epoch.

    The arguments are those of class_shares; float64 [number of images], of
    which one without objects has 1.
    """
    shares = class_shares(labels, num_classes)
    with np.errstate(divide='ignore', invalid='ignore'):
        factors = np.clip(
            np.sqrt(shares.max(initial=0) / shares), 1, MAX_FACTOR)
    return np.array([max((factors[label - 1] for label in of_image),
                         default=1.) for of_image in labels])


def copies(dataset: slim.dataset.Dataset, seed: int) -> list[np.ndarray]:
    """Returns for each file how often its records are in an epoch.

    Args:
      dataset: of dataset_factory.get_dataset.
      seed: of the rounding, up as often as the fraction says.

    Returns:
      int64 [number of records] of each of dataset.data_sources.
    """
    # What else is in them is refused by name when it is trained on.
    known = np.arange(1, len(dataset.labels) + 1)
    labels = [[np.intersect1d(sample.labels[sample.is_crowd == 0], known)
               for sample in records.read_samples([path], dataset.record_ids)]
              for path in dataset.data_sources]
    factors = repeat_factors(
        [of_image for of_file in labels for of_image in of_file],
        len(dataset.labels))
    rounded = np.floor(
        factors + np.random.default_rng(seed).uniform(size=len(factors)))
    return np.split(rounded.astype(np.int64),
                    np.cumsum([len(of_file) for of_file in labels])[:-1])
