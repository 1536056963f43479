"""A milder augmentation, for few images and short trainings.

Half of the images are seen whole, as in evaluation, and mirrored at random;
the others as ssd_vgg_preprocessing has them, but none is made smaller. So the
sizes of objects are nearer to those of evaluation: docs/training.md, BCCD in
45 minutes, has figures.
"""
import numpy as np
import tensorflow.compat.v1 as tf

from preprocessing import ssd_vgg_preprocessing
from preprocessing import tf_image

MEAN = ssd_vgg_preprocessing.MEAN
Resize = ssd_vgg_preprocessing.Resize
preprocess_for_eval = ssd_vgg_preprocessing.preprocess_for_eval
# From an image's seed to one that no image has: their numbers are below.
_OTHER_SEED = np.array([0, 2 ** 40])


def preprocess_for_train(
        encoded_image: tf.Tensor, labels: tf.Tensor, bboxes: tf.Tensor,
        out_shape: tuple[int, int], seed: tf.Tensor,
        mean: tuple[float, ...] = MEAN,
        scale: float = 1.) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """See ssd_vgg_preprocessing.preprocess_for_train."""
    choice, mirror = tf.unstack(
        tf.random.stateless_uniform([2], seed + _OTHER_SEED))

    def whole():
        image, _ = preprocess_for_eval(
            encoded_image, out_shape, mean=mean, scale=scale)
        return *tf_image.flip_randomly(
            tf_image.flip_left_right, image, bboxes, mirror), labels

    def cropped():
        image, kept, moved = ssd_vgg_preprocessing.preprocess_for_train(
            encoded_image, labels, bboxes, out_shape, seed, mean, scale,
            is_expanded=False)
        return image, moved, kept

    image, bboxes, labels = tf.cond(choice < 0.5, whole, cropped)
    image.set_shape([*out_shape, 3])
    return image, labels, bboxes
