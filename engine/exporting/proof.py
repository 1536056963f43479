"""Exported files beside their checkpoint, on the same images."""
import contextlib
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
import tqdm

from detection import boxes
from detection import postprocessing
from engine import backends
from engine import checkpoints
from engine import models
from engine import runtime
from engine.evaluation import evaluate
from engine.evaluation import options
from nets import ssd

# Overlap from which on two detections of a class are the same one, and
# difference of a side, relative, up to which they are in any case.
SAME_OVERLAP, SAME_SIDE = .9, 1e-4
Detect = Callable[[np.ndarray], backends.Found]


class Proof(NamedTuple):
    """What a checkpoint or a file gives."""
    found: list[backends.Found]  # Of each batch.
    metrics: dict[str, float]    # Values by name, as in metrics.json.
    images_per_second: float


class Difference(NamedTuple):
    """How the detections of a file differ from those of a checkpoint."""
    num_detections: int      # Of the checkpoint.
    num_different: int       # Detections of either that the other has not.
    score_difference: float  # The largest of those that both have,
    bbox_difference: float   # and of a side of their bboxes, relative.


def prove(name: str, batches: list[dict[str, Any]], detect: Detect,
          dataset: slim.dataset.Dataset, labels: Sequence[int],
          min_score: float) -> Proof:
    """Returns the Proof of what detects.

    Args:
      name: shown while it runs.
      batches: of images.first.
      detect: function of images to backends.Found.
      dataset: that the batches are of.
      labels: the data set's, of each that is detected; models.labels_of_data.
      min_score: of the detections.
    """
    detect(batches[0]['image'][:1])  # The first run makes things ready.
    start = time.perf_counter()
    found = [detect(batch['image'])
             for batch in tqdm.tqdm(batches, name, unit='batch', disable=None)]
    seconds = time.perf_counter() - start
    scored = evaluate.collect((
        {**batch, 'detections': one._replace(
            classes=np.take(labels, one.classes))}
        for batch, one in zip(batches, found, strict=True)),
        dataset.category_ids)
    results = evaluate.measure(
        scored, dataset.labels, min_score, options.Run())
    return Proof(found, {
        'mAP_VOC07': float(results.metrics['AP_VOC07']),
        'mAP50-95_COCO': float(results.metrics['AP50-95_COCO'])},
        len(scored.images) / seconds)


@contextlib.contextmanager
def checkpoint_detector(prefix: str, network: ssd.SSDNet, batch_size: int,
                        moving_average_decay: float | None,
                        **selection) -> Iterator[Detect]:
    """Gives the function that detects with a checkpoint, as an evaluation."""
    params = network.params
    with tf.Graph().as_default():
        images = tf.placeholder(tf.uint8, [None, *params.img_shape, 3])
        pixels = (tf.cast(images, tf.float32) - params.mean) * params.scale
        with checkpoints.restore.weights_of(prefix, moving_average_decay):
            found = models.detections(
                network, pixels, tf.constant([[0., 0., 1., 1.]]), 'float32',
                **selection)
        with tf.Session(config=runtime.session_config()) as session:
            run = session.make_callable(list(found), [images])

            def detect(images):
                return _join([
                    backends.Found(*run(images[i:i + batch_size]))
                    for i in range(0, len(images), batch_size)])

            yield detect


@contextlib.contextmanager
def heads_detector(backend: backends.Backend, **selection) -> Iterator[Detect]:
    """Gives the function that detects with a file of heads_only."""
    with tf.Graph().as_default():
        scores = tf.placeholder(tf.float32, [None, None, None])
        bboxes = tf.placeholder(tf.float32, [None, None, 4])
        found = postprocessing.select_detections(scores, bboxes, **selection)
        found = found._replace(
            bboxes=boxes.clip(found.bboxes, (0., 0., 1., 1.)))
        with tf.Session() as session:
            run = session.make_callable(list(found), [scores, bboxes])

            def detect(images):
                outputs = backend.run(images)
                return backends.Found(
                    *run(outputs['scores'], outputs['boxes']))

            yield detect


def _join(parts):
    return backends.Found(*map(np.concatenate, zip(*parts, strict=True)))


def compare(found: list[backends.Found],
            expected: list[backends.Found]) -> Difference:
    """Returns how what a file found differs from what a checkpoint did."""
    num, num_different, scores, bboxes = 0, 0, [0.], [0.]
    for one, other in zip(_images(found), _images(expected), strict=True):
        pairs = _pairs(one, other)
        num += len(other.scores)
        num_different += len(one.scores) + len(other.scores) - 2 * len(pairs)
        for i, j in pairs:
            scores.append(abs(one.scores[i] - other.scores[j]))
            bboxes.append(np.abs(one.bboxes[i] - other.bboxes[j]).max())
    return Difference(num, num_different, float(max(scores)),
                      float(max(bboxes)))


def _images(batches):
    """Yields the Found of each image, without what is empty."""
    for batch in batches:
        for classes, scores, bboxes, num in zip(*batch, strict=True):
            yield backends.Found(
                classes[:num], scores[:num], bboxes[:num], num)


def _pairs(one, other):
    """Pairs detections of a class that overlap, the best overlaps first."""
    bboxes, others = one.bboxes[:, None], other.bboxes[None]
    overlaps = boxes.jaccard(bboxes, others)
    # Those without area overlap nothing.
    overlaps[np.abs(bboxes - others).max(-1) <= SAME_SIDE] = 1
    overlaps[one.classes[:, None] != other.classes[None]] = 0
    is_same = overlaps >= SAME_OVERLAP
    pairs, taken = [], (set(), set())
    for i, j in np.argwhere(is_same)[
            np.argsort(-overlaps[is_same], kind='stable')]:
        if i not in taken[0] and j not in taken[1]:
            pairs.append((i, j))
            taken[0].add(i)
            taken[1].add(j)
    return pairs
