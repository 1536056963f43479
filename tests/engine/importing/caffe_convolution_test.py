"""Caffe's BatchNorm and Scale layers, beside numbers worked out by hand."""
import numpy as np
import pytest

from engine.importing import caffe_convolution
from engine.importing import caffe_model

KERNEL = np.array([1, 2], np.float32).reshape(2, 1, 1, 1)


def layer(kind, *blobs, **fields):
    return caffe_model.Layer(kind.lower(), kind, tuple(
        np.array(blob, np.float32) for blob in blobs), (), (), **fields)


def outputs(inputs, parts, epsilon):
    """Returns what our batch norm gives for a convolution's input."""
    norm = {name.partition('/')[2]: values for name, values in parts.items()}
    values = inputs * parts['weights'].ravel() - norm['moving_mean']
    return values / np.sqrt(norm['moving_variance'] + epsilon) * (
        norm['gamma']) + norm['beta']


def test_a_convolution_into_which_the_norm_is_merged():
    parts = caffe_convolution.normalised(
        layer('Convolution', KERNEL, [3, 4]), [], epsilon=.25)
    np.testing.assert_array_equal(parts['BatchNorm/moving_mean'], [0, 0])
    np.testing.assert_array_equal(parts['BatchNorm/moving_variance'],
                                  [.75, .75])
    np.testing.assert_array_equal(parts['BatchNorm/gamma'], [1, 1])
    np.testing.assert_array_equal(outputs(10, parts, .25), [13, 24])


def test_batch_norm_and_scale():
    # Of 4 batches: means 1, 2; variances 3, 8, and 1 added. Roots: 2, 3.
    norms = [layer('BatchNorm', [4, 8], [12, 32], [4], epsilon=1.),
             layer('Scale', [10, 30], [5, 7])]
    convolution = layer('Convolution', KERNEL)
    parts = caffe_convolution.normalised(convolution, norms, epsilon=.25)
    np.testing.assert_array_equal(parts['BatchNorm/moving_mean'], [1, 2])
    np.testing.assert_array_equal(parts['BatchNorm/moving_variance'], [3, 8])
    expected = [(10 - 1) / 2 * 10 + 5, (20 - 2) / 3 * 30 + 7]
    np.testing.assert_allclose(outputs(10, parts, .25), expected, 1e-6)
    parts = caffe_convolution.biased(convolution, norms)
    np.testing.assert_allclose(parts['weights'].ravel(), [5, 20])
    np.testing.assert_allclose(parts['biases'], [0, -13])
    np.testing.assert_allclose(
        10 * parts['weights'].ravel() + parts['biases'], expected)


def test_a_bias_before_batch_norm_and_a_scale_alone():
    convolution = layer('Convolution', KERNEL, [3, 4])
    norms = [layer('BatchNorm', [1, 2], [3, 8], [1], epsilon=1.)]
    parts = caffe_convolution.biased(convolution, norms)
    np.testing.assert_allclose(parts['biases'], [(3 - 1) / 2, (4 - 2) / 3])
    parts = caffe_convolution.biased(
        convolution, [layer('Scale', [10, 30])])
    np.testing.assert_allclose(parts['weights'].ravel(), [10, 60])
    np.testing.assert_allclose(parts['biases'], [30, 120])


def test_batch_norm_that_saw_no_batch():
    parts = caffe_convolution.normalised(
        layer('Convolution', KERNEL),
        [layer('BatchNorm', [9, 9], [9, 9], [0], epsilon=.25)], epsilon=.25)
    np.testing.assert_array_equal(parts['BatchNorm/moving_mean'], [0, 0])
    np.testing.assert_array_equal(parts['BatchNorm/moving_variance'], [0, 0])


@pytest.mark.parametrize('norms, message', [
    ([layer('Scale', [1, 1]), layer('BatchNorm', [0, 0], [1, 1], [1])],
     'convolution is followed by scale, batchnorm; one BatchNorm and then'),
    ([layer('BatchNorm', [0, 0], [1, 1])], 'batchnorm has 2 blobs .*; 3 need'),
    ([layer('BatchNorm', [0], [1, 1], [1])], '1 numbers for 2 channels'),
    ([layer('BatchNorm', [0, 0], [1, -2], [1])], 'has variances of 0 or less'),
    ([layer('Scale', [1e38, 1e38])], 'weights that are not finite')])
def test_what_is_not_supported_is_refused(norms, message):
    convolution = layer('Convolution', 100 * KERNEL, [3, 4])
    with pytest.raises(ValueError, match=f'its layer .*{message}'):
        caffe_convolution.biased(convolution, norms)
