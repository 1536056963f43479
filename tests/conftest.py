"""All tests run as the scripts do: TensorFlow 1 semantics, graph mode."""
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import tensorflow.compat.v1 as tf  # noqa: E402

tf.disable_v2_behavior()
