"""No augmentation: training sees images as evaluation does.

For data without end (drawn, rendered) and to see that a few images can be
learnt by heart.
"""
import tensorflow.compat.v1 as tf

from preprocessing import ssd_vgg_preprocessing

Resize = ssd_vgg_preprocessing.Resize
preprocess_for_eval = ssd_vgg_preprocessing.preprocess_for_eval


def preprocess_for_train(
        encoded_image: tf.Tensor, labels: tf.Tensor, bboxes: tf.Tensor,
        out_shape: tuple[int, int], seed: tf.Tensor,
        mean: tuple[float, ...] = ssd_vgg_preprocessing.MEAN,
        scale: float = 1.) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """See ssd_vgg_preprocessing.preprocess_for_train; the seed is unused."""
    del seed
    image, _ = preprocess_for_eval(
        encoded_image, out_shape, mean=mean, scale=scale)
    return image, labels, bboxes
