"""The suppression in every runtime, on random heads."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from detection import portable_suppression
from detection import postprocessing
from engine import backends
from engine.exporting import graph
from tests import exported_files
from tests.detection import portable_suppression_test

NUM_IMAGES = 8


def as_image(scores, bboxes):
    """Returns heads as what a file takes: [1, n, 1, 3]."""
    numbers = np.concatenate([scores.ravel(), bboxes.ravel()])
    numbers = np.pad(numbers, (0, -len(numbers) % 3))
    return numbers.reshape(1, -1, 1, 3).astype(np.float32)


def suppression(shape, num_anchors, num_classes):
    """Returns the graph of the suppression of one such image."""
    with tf.Graph().as_default() as whole:
        numbers = tf.reshape(
            tf.placeholder(tf.float32, shape, backends.INPUT), [-1])
        scores = numbers[:num_anchors * num_classes]
        bboxes = numbers[num_anchors * num_classes:num_anchors * (
            num_classes + 4)]
        found = portable_suppression.select_detections(
            tf.reshape(scores, [1, num_anchors, num_classes]),
            tf.reshape(bboxes, [1, num_anchors, 4]))
        for name, output in zip(backends.DETECTIONS, (
                found.bboxes, found.scores, found.classes, found.num),
                strict=True):
            tf.identity(output, name)
        return graph.Frozen(
            whole.as_graph_def(), (), backends.DETECTIONS, shape, 'float32')


def in_graph(images):
    """Returns what an evaluation's suppression gives."""
    with tf.Graph().as_default(), tf.Session() as session:
        inputs = [tf.placeholder(tf.float32, [1, *part.shape])
                  for part in images[0]]
        found = postprocessing.select_detections(*inputs)
        return [session.run(found, {
            inputs[0]: scores[None], inputs[1]: bboxes[None]})
            for scores, bboxes in images]


@pytest.mark.parametrize('num_classes', [21, 81])
def test_all_runtimes_give_what_the_graph_does(num_classes, tmp_path):
    images = [portable_suppression_test.random_heads(num_classes, seed)
              for seed in range(NUM_IMAGES)]
    # Of some, many scores are equal.
    images = [(np.round(scores * 40) / 40 if i % 2 else scores, bboxes)
              for i, (scores, bboxes) in enumerate(images)]
    expected = in_graph(images)
    inputs = [as_image(*image) for image in images]
    paths = exported_files.write(tmp_path, suppression(
        inputs[0].shape, *images[0][0].shape))
    for path in paths.values():
        with backends.Backend(path) as backend:
            for values, one in zip(inputs, expected, strict=True):
                found = backend.detect(values)
                assert one.num > 10
                for name, value in one._asdict().items():
                    np.testing.assert_array_equal(
                        getattr(found, name), value, f'{path}: {name}')
