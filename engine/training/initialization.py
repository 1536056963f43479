"""Weights of a network that starts from nothing, fitted to its data.

The random features of a network as deep as VGG, without batch norm, differ
little from place to place and from image to image: the first hundreds of
steps go into that. Here every layer before a ReLU is scaled and shifted once,
such that each of its channels has mean 0 and deviation 1 over some images of
the data (Kraehenbuehl et al. 2016, Data-dependent Initializations of CNNs).
"""
from collections.abc import Callable

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from datasets import data_provider
from engine import models
from engine.training import options
from nets import ssd

# Images that are looked at, or all, if there are fewer.
NUM_IMAGES = 16
# By He's rule, a channel of fitted inputs deviates by about 0.8. One that
# hardly varies over so few images may well do on others.
MIN_DEVIATION = 0.5


def fit_to_data(data: options.Data, dataset: slim.dataset.Dataset,
                network: ssd.SSDNet) -> Callable[[tf.Session], None]:
    """Builds what fits a network's random weights to data.

    The network's variables are in the graph already. The function that is
    returned changes them, in a session in which they are initialised.
    """
    variables = {variable.op.name: variable
                 for variable in slim.get_model_variables()}
    moments = {}  # Of a layer once all layers before it are fitted.

    def fitted(values):
        scope = tf.get_variable_scope().name
        if f'{scope}/biases' not in variables:  # It has a norm of its own.
            return network.activation_fn(values)
        mean, variance = tf.nn.moments(values, [0, 1, 2])
        deviation = tf.maximum(tf.sqrt(variance), MIN_DEVIATION)
        moments[scope] = mean, deviation
        return network.activation_fn((values - mean) / deviation)

    images = tf.placeholder(
        tf.float32, [None, *network.params.img_shape, 3])
    network.net(images, is_training=False, reuse=True, activation_fn=fitted)
    assignments = []
    # All are known before the first weight changes.
    with tf.control_dependencies(
            [value for pair in moments.values() for value in pair]):
        for scope, (mean, deviation) in moments.items():
            # A separable layer has two kernels; this is its last.
            weights = variables.get(
                f'{scope}/weights',
                variables.get(f'{scope}/pointwise_weights'))
            biases = variables[f'{scope}/biases']
            assignments += [weights.assign(weights / deviation).op,
                            biases.assign((biases - mean) / deviation).op]
    return lambda session: session.run(
        assignments, {images: _first_images(data, dataset, network.params)})


def _first_images(data, dataset, params):
    """Returns images of the data as a network sees them, numpy."""
    preprocess = models.get_preprocessing(
        data.preprocessing_name).preprocess_for_eval
    with tf.Graph().as_default(), tf.Session(
            config=tf.ConfigProto(device_count={'GPU': 0})) as session:
        provider = data_provider.eval_batches(
            dataset, lambda sample: {'image': preprocess(
                sample['image/encoded'], params.img_shape, mean=params.mean,
                scale=params.scale)[0]}, batch_size=1)
        image, = provider.get(['image'])
        session.run(provider.initializer)
        return np.concatenate([session.run(image) for _ in range(
            min(NUM_IMAGES, dataset.num_samples))])
