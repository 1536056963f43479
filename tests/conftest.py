"""All tests run as the scripts do: TensorFlow 1 semantics, graph mode."""
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
