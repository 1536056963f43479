"""Anchors, targets, losses, post-processing and metrics: pure functions."""
import tensorflow

from common import tensorflow_version

tensorflow_version.check(tensorflow.__version__)
