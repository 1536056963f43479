"""ssd_vgg_mild for what has no up: half of the images are upside down.

Cells under a microscope, parts on a belt, the ground from the air.
"""
import numpy as np
import tensorflow.compat.v1 as tf

from preprocessing import ssd_vgg_mild
from preprocessing import tf_image

Resize = ssd_vgg_mild.Resize
preprocess_for_eval = ssd_vgg_mild.preprocess_for_eval
# As in ssd_vgg_mild, and none of its own.
_OTHER_SEED = np.array([0, 2 ** 41])


def preprocess_for_train(
        encoded_image: tf.Tensor, labels: tf.Tensor, bboxes: tf.Tensor,
        out_shape: tuple[int, int], seed: tf.Tensor,
        mean: tuple[float, ...] = ssd_vgg_mild.MEAN,
        scale: float = 1.) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """See ssd_vgg_preprocessing.preprocess_for_train."""
    image, labels, bboxes = ssd_vgg_mild.preprocess_for_train(
        encoded_image, labels, bboxes, out_shape, seed, mean, scale)
    image, bboxes = tf_image.flip_randomly(
        tf_image.flip_up_down, image, bboxes,
        tf.random.stateless_uniform([], seed + _OTHER_SEED))
    return image, labels, bboxes
