"""Caffe SSD's training images without the expansion: none is made smaller.

For data whose objects are small as they are, and trainings too short to learn
from still smaller ones: the paper's expansion asks for twice the iterations
(section 3.6), and docs/training.md has figures.
"""
import functools

from preprocessing import ssd_vgg_preprocessing

Resize = ssd_vgg_preprocessing.Resize
preprocess_for_eval = ssd_vgg_preprocessing.preprocess_for_eval
preprocess_for_train = functools.partial(
    ssd_vgg_preprocessing.preprocess_for_train, is_expanded=False)
