"""No augmentation: training sees images as evaluation does.

For data without end (drawn, rendered) and to see that a few images can be
learnt by heart.
"""
from preprocessing import ssd_vgg_preprocessing

Resize = ssd_vgg_preprocessing.Resize
preprocess_for_eval = ssd_vgg_preprocessing.preprocess_for_eval


def preprocess_for_train(encoded_image, labels, bboxes, out_shape, seed):
    """See ssd_vgg_preprocessing.preprocess_for_train; the seed is unused."""
    del seed
    image, _ = preprocess_for_eval(encoded_image, out_shape)
    return image, labels, bboxes
