"""A convolution of Caffe with the BatchNorm and Scale layers after it.

Caffe src/caffe/layers/batch_norm_layer.cpp and scale_layer.cpp. Arrays are
float32 in Caffe's order of axes.
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.importing import caffe_model


class _Affine(NamedTuple):
    """(outputs - mean) / sqrt(variance + epsilon) * gamma + beta.

    float64 [channels] each, but for epsilon.
    """
    mean: np.ndarray
    variance: np.ndarray
    epsilon: float
    gamma: np.ndarray
    beta: np.ndarray


def normalised(layer: caffe_model.Layer, norms: Sequence[caffe_model.Layer],
               epsilon: float) -> dict[str, np.ndarray]:
    """Returns weights and batch norm: {variable below the scope: value}.

    Args:
      layer: the convolution.
      norms: those after it, none where they are merged into it.
      epsilon: of our batch norm, whose result is Caffe's.

    Raises:
      ValueError: layers have other weights than theirs.
    """
    found = _affine(layer, norms, epsilon)
    gamma = found.gamma * np.sqrt(
        (found.variance + epsilon) / (found.variance + found.epsilon))
    return {'weights': layer.blobs[0],
            **_finite(layer, {
                'BatchNorm/moving_mean': found.mean,
                'BatchNorm/moving_variance': found.variance,
                'BatchNorm/gamma': gamma, 'BatchNorm/beta': found.beta})}


def biased(layer: caffe_model.Layer, norms: Sequence[caffe_model.Layer]
           ) -> dict[str, np.ndarray]:
    """Returns weights and biases, into which the norms are merged."""
    if not norms:
        _check_num_blobs(layer, 2)
        return {'weights': layer.blobs[0], 'biases': _flat(layer.blobs[1])}
    found = _affine(layer, norms, 0)
    factor = found.gamma / np.sqrt(found.variance + found.epsilon)
    kernel = layer.blobs[0]
    return _finite(layer, {
        'weights': kernel * factor.reshape(-1, *(1,) * (kernel.ndim - 1)),
        'biases': found.beta - found.mean * factor})


def scaled(layer: caffe_model.Layer) -> dict[str, np.ndarray]:
    """Returns the scales of a Normalize layer, as its only variable."""
    _check_num_blobs(layer, 1)
    return {'gamma': _flat(layer.blobs[0])}


def _check_num_blobs(layer, *nums):
    """Raises ValueError unless a layer has one of these numbers of blobs."""
    if len(layer.blobs) not in nums:
        raise ValueError(
            f'its layer {layer.name} has {len(layer.blobs)} blobs of weights; '
            f'{" or ".join(map(str, nums))} needed.')


def _flat(blob):
    """Returns [n] of (1, 1, 1, n), as in files older than BlobShape."""
    return blob.reshape(-1) if max(blob.shape) == blob.size else blob


def _affine(layer, norms, epsilon):
    """Returns what happens to the outputs of a convolution's kernel."""
    kinds = [norm.type for norm in norms]
    if kinds not in ([], ['BatchNorm'], ['Scale'], ['BatchNorm', 'Scale']):
        raise ValueError(
            f'its layer {layer.name} is followed by '
            f'{", ".join(norm.name for norm in norms)}; one BatchNorm and then '
            'one Scale are supported.')
    _check_num_blobs(layer, *(1, 2) if norms else (2,))
    num = len(layer.blobs[0])
    biases = _vector(layer, 1, num) if len(layer.blobs) > 1 else np.zeros(num)
    found = _Affine(np.zeros(num), np.full(num, 1 - epsilon), epsilon,
                    np.ones(num), biases)
    for norm in norms:
        if norm.type == 'BatchNorm':
            _check_num_blobs(norm, 3)
            # Sums over batches, and how many they are in effect.
            total = _vector(norm, 2, 1)
            total = np.where(total == 0, np.inf, total)
            found = found._replace(
                mean=_vector(norm, 0, num) / total - biases,
                variance=_vector(norm, 1, num) / total,
                epsilon=norm.epsilon, beta=np.zeros(num))
            if not (found.variance + found.epsilon > 0).all():
                raise ValueError(f'its layer {norm.name} has variances of 0 '
                                 'or less.')
        else:
            _check_num_blobs(norm, 1, 2)
            gamma = _vector(norm, 0, num)
            beta = found.beta * gamma
            if len(norm.blobs) > 1:
                beta = beta + _vector(norm, 1, num)
            found = found._replace(gamma=gamma, beta=beta)
    return found


def _vector(layer, index, num):
    """Returns a blob of `num` numbers: float64 [num]."""
    values = _flat(layer.blobs[index])
    if values.shape != (num,):
        raise ValueError(f'its layer {layer.name} has {values.size:,} numbers '
                         f'for {num} channels.')
    return values.astype(np.float64)


def _finite(layer, values):
    """Returns the values as float32, which must hold them."""
    with np.errstate(over='ignore'):
        values = {name: value.astype(np.float32)
                  for name, value in values.items()}
    if not all(np.isfinite(value).all() for value in values.values()):
        raise ValueError(f'its layer {layer.name}, with those after it, has '
                         'weights that are not finite.')
    return values
