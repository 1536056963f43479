"""Augmentation for training, resizing for evaluation."""
import tensorflow

from common import tensorflow_version

tensorflow_version.check(tensorflow.__version__)
