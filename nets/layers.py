"""Layers that slim lacks, with slim's variable names; mixed precision."""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

# Collection of the MovingStatistics of networks that are built for training.
MOVING_STATISTICS = 'moving_statistics'
BATCH_NORM_EPSILON = 0.001


class MovingStatistic(NamedTuple):
    """A moving average of batch norm, and what a batch gives to it."""
    variable: tf.Variable
    value: tf.Tensor  # float32, of the variable's shape.
    decay: float

    def update(self) -> tf.Operation:
        """Returns the operation that moves the average."""
        return self.variable.assign_sub(
            (self.variable - self.value) * (1 - self.decay)).op


def float32_variable(getter: Callable, *args, **kwargs) -> tf.Tensor:
    """Gives a layer of lower precision its variable, kept in float32.

    A custom_getter of tf.variable_scope: checkpoints, collections, decay and
    optimisers see the float32 variable, the layer a tensor of its own dtype.
    """
    dtype = kwargs.pop('dtype')
    variable = getter(*args, dtype=tf.float32, **kwargs)
    return variable if dtype == tf.float32 else tf.cast(variable, dtype)


def l2_regularizer(scale: float) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns slim.l2_regularizer, before float32_variable's cast."""
    regularizer = slim.l2_regularizer(scale)
    return lambda weights: regularizer(
        weights.op.inputs[0] if weights.op.type == 'Cast' else weights)


def mixed_precision(compute_dtype: tf.DType | str):
    """Returns a context in which layers have gradients that can be used.

    TensorFlow's BiasAddGrad adds up bfloat16 in bfloat16 on a CPU: of a sum
    over 90,000 cells three quarters are lost. So do depthwise kernels'
    gradients, in float16 too. Here both are added up in float32.
    """
    return tf.get_default_graph().gradient_override_map(
        {} if tf.as_dtype(compute_dtype) == tf.float32
        else {'BiasAdd': 'BiasAddFloat32',
              'DepthwiseConv2dNative': 'DepthwiseConv2dFloat32'})


@tf.RegisterGradient('BiasAddFloat32')
def _bias_add_gradient(operation, gradient):
    del operation  # NHWC, as all of the network is.
    # A product adds up in float32, on a CPU in a quarter of reduce_sum's time.
    cells = tf.reshape(gradient, [-1, gradient.shape[-1]])
    ones = tf.ones([1, tf.shape(cells)[0]], gradient.dtype)
    return gradient, tf.matmul(ones, cells)[0]


@tf.RegisterGradient('DepthwiseConv2dFloat32')
def _depthwise_gradient(operation, gradient):
    attributes = {name: operation.get_attr(name) for name in (
        'strides', 'padding', 'explicit_paddings', 'dilations')}
    own_dtype = gradient.dtype
    inputs, weights, gradient = (
        tf.cast(tensor, tf.float32) for tensor in (*operation.inputs, gradient))
    gradients = (
        tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
            input_sizes=tf.shape(inputs), filter=weights,
            out_backprop=gradient, **attributes),
        tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=inputs, filter_sizes=tf.shape(weights),
            out_backprop=gradient, **attributes))
    return [tf.cast(tensor, own_dtype) for tensor in gradients]


@slim.add_arg_scope
def depthwise_conv2d(inputs: tf.Tensor, kernel_size: int, scope: str,
                     stride: int = 1,
                     pad: int | tuple[int, int] | None = None,
                     **kwargs) -> tf.Tensor:
    """Convolution of each channel for itself; `depthwise_weights`.

    slim.separable_conv2d without its second half, with its arguments.

    Args:
      inputs: float [batch, height, width, channels]; the result likewise.
      kernel_size: side of the kernel, in cells, as are stride and pad.
      pad: see pad2d; None for SAME, which where stride and size are even
        pads the far side more.
    """
    if pad is not None:
        inputs = pad2d(inputs, pad)
    # By He et al. 2015: of these weights, each output sees one channel's.
    initializer = tf.initializers.random_normal(
        stddev=2 ** .5 / kernel_size)
    return slim.separable_conv2d(
        inputs, None, kernel_size, depth_multiplier=1, stride=stride,
        padding='SAME' if pad is None else 'VALID', scope=scope,
        weights_initializer=initializer, **kwargs)


@slim.add_arg_scope
def atrous_conv2d(inputs: tf.Tensor, num_outputs: int, kernel_size: int,
                  rate: int, scope: str,
                  activation_fn: Callable = tf.nn.relu,
                  normalizer_fn: Callable | None = None,
                  weights_initializer: Callable | None = None,
                  weights_regularizer: Callable | None = None) -> tf.Tensor:
    """Dilated convolution, stride 1, SAME, by the native kernel.

    The same arguments, variables and values as slim.conv2d(rate=...), which
    goes through SpaceToBatch and costs several times as much.

    Args:
      inputs: float [batch, height, width, channels].
      num_outputs: channels of the result, which is like the inputs else.
      kernel_size: side of the kernel, in cells.
      rate: distance between the kernel's taps, in cells.
      normalizer_fn: in place of biases, such as batch_norm.
    """
    with tf.variable_scope(scope):
        weights = slim.model_variable(
            'weights',
            [kernel_size, kernel_size, inputs.shape[-1], num_outputs],
            dtype=inputs.dtype.base_dtype, initializer=weights_initializer,
            regularizer=weights_regularizer)
        # Not tf.custom_gradient: that keeps every graph to the program's end.
        with tf.get_default_graph().gradient_override_map(
                {'Conv2D': 'DilatedConv2D'}):
            outputs = tf.nn.conv2d(
                inputs, weights, strides=1, padding='SAME', dilations=rate)
        if normalizer_fn is not None:
            return activation_fn(normalizer_fn(outputs))
        biases = slim.model_variable(
            'biases', [num_outputs], dtype=inputs.dtype.base_dtype,
            initializer=tf.zeros_initializer())
        return activation_fn(tf.nn.bias_add(outputs, biases))


@tf.RegisterGradient('DilatedConv2D')
def _dilated_convolution_gradient(operation, outputs_gradient):
    """A gradient that every CPU has; TensorFlow's own needs a GPU or oneDNN.

    The inputs' is the convolution with the turned kernel, and the weights' is
    one matrix product for each of the kernel's taps.
    """
    inputs, weights = operation.inputs
    rate = operation.get_attr('dilations')[1]
    turned = tf.transpose(tf.reverse(weights, axis=[0, 1]), [0, 1, 3, 2])
    inputs_gradient = tf.nn.conv2d(
        outputs_gradient, turned, strides=1, padding='SAME', dilations=rate)
    size, _, num_inputs, num_outputs = weights.shape.as_list()
    height, width = inputs.shape.as_list()[1:3]
    padded = pad2d(inputs, rate * (size // 2))
    outputs_gradient = tf.reshape(outputs_gradient, [-1, num_outputs])
    taps = [tf.matmul(
        tf.reshape(padded[:, y:y + height, x:x + width], [-1, num_inputs]),
        outputs_gradient, transpose_a=True)
        for y in range(0, rate * size, rate)
        for x in range(0, rate * size, rate)]
    return inputs_gradient, tf.reshape(tf.stack(taps), weights.shape)


@slim.add_arg_scope
def l2_normalization(inputs: tf.Tensor, scale: float,
                     scope: str = 'L2Normalization',
                     weights_regularizer: Callable | None = None) -> tf.Tensor:
    """Normalises each cell over its channels and scales every channel.

    Caffe normalize_layer.cpp with across_spatial: false (ParseNet). Inputs
    are float [batch, height, width, channels], the result is float32. The
    variable `gamma` starts at `scale`; Caffe decays it like a weight.
    """
    with tf.variable_scope(scope):
        inputs = tf.cast(inputs, tf.float32)
        gamma = slim.model_variable(
            'gamma', inputs.shape[-1:], regularizer=weights_regularizer,
            initializer=tf.constant_initializer(scale))
        squares = tf.reduce_sum(tf.square(inputs), axis=-1, keepdims=True)
        return inputs * tf.math.rsqrt(squares + 1e-10) * gamma


@slim.add_arg_scope
def batch_norm(inputs: tf.Tensor, is_training: bool, decay: float = 0.97,
               epsilon: float = BATCH_NORM_EPSILON, has_scale: bool = True,
               scope: str = 'BatchNorm') -> tf.Tensor:
    """Batch normalisation (Ioffe and Szegedy 2015), as a normalizer_fn.

    slim.batch_norm does not run on today's TensorFlow; its variables are
    beta, gamma, moving_mean and moving_variance, as here. What a batch gives
    to the last two is added to MOVING_STATISTICS, for the training to apply.
    With constants for weights, as for detection, the convolution before it
    does its work.

    Args:
      inputs: float [batch, height, width, channels]; the result likewise.
      is_training: takes the batch's statistics, not the moving ones.
      decay: of the moving statistics; as in torchvision's SSDLite. Slim's .997
        and more are for trainings of a million steps: after a thousand, a
        detector would see statistics of weights that it had long before.
      epsilon: added to the variance.
      has_scale: whether there is a gamma.

    Raises:
      ValueError: the batch has no variance, being one cell of one image.
    """
    channels = inputs.shape[-1:]
    moving = {'trainable': False,
              'collections': [tf.GraphKeys.MOVING_AVERAGE_VARIABLES]}

    def variable(name, start, **kwargs):
        return slim.model_variable(
            name, channels, initializer=tf.constant_initializer(start),
            **kwargs)

    with tf.variable_scope(scope):
        beta = variable('beta', 0)
        gamma = variable('gamma', 1) if has_scale else tf.ones(channels)
        mean = variable('moving_mean', 0, **moving)
        variance = variable('moving_variance', 1, **moving)
        if not is_training:
            folded = _folded(inputs, gamma, beta, mean, variance, epsilon)
            return tf.nn.fused_batch_norm(
                inputs, gamma, beta, mean, variance, epsilon,
                is_training=False)[0] if folded is None else folded
        if inputs.shape[:3].num_elements() == 1:
            raise ValueError(
                f'{tf.get_variable_scope().name}: batch norm sees one cell of '
                'one image, which has no variance; give --batch_size=2 or '
                'more or, with --checkpoint_path, --freeze_batch_norm.')
        outputs, *values = tf.nn.fused_batch_norm(
            inputs, gamma, beta, epsilon=epsilon)
        for moved, value in zip((mean, variance), values, strict=True):
            tf.add_to_collection(
                MOVING_STATISTICS, MovingStatistic(moved, value, decay))
        return outputs


def _folded(inputs, gamma, beta, mean, variance, epsilon):
    """Returns batch_norm's result as a convolution with biases, or None.

    That is, where inputs are a convolution's and all weights are constants.
    TensorFlow fuses batch norm and ReLU with some convolutions itself; with
    depthwise ones, and in bfloat16, it does not.
    """
    convolution = inputs.op
    if convolution.type not in ('Conv2D', 'DepthwiseConv2dNative'):
        return None
    images, kernel = convolution.inputs
    if kernel.op.type == 'Cast':  # By float32_variable.
        kernel, = kernel.op.inputs
    values = [tf.get_static_value(tensor) for tensor in (
        kernel, gamma, beta, mean, variance)]
    if any(value is None for value in values):
        return None
    kernel, gamma, beta, mean, variance = values
    scale = gamma / np.sqrt(variance + epsilon)
    # [..., outputs]; if depthwise [..., inputs, outputs of each].
    kernel = kernel * (scale if convolution.type == 'Conv2D'
                       else scale.reshape(kernel.shape[2:]))
    outputs = getattr(tf.raw_ops, convolution.type)(
        input=images, filter=tf.cast(kernel, inputs.dtype), **{
            name: convolution.get_attr(name) for name in (
                'strides', 'padding', 'explicit_paddings', 'dilations')})
    return tf.nn.bias_add(
        outputs, tf.cast(beta - mean * scale, inputs.dtype))


def pad2d(inputs: tf.Tensor, pad: int | tuple[int, int]) -> tf.Tensor:
    """Pads height and width with `pad` zeros: on each side, or (near, far)."""
    near, far = (pad, pad) if isinstance(pad, int) else pad
    return tf.pad(inputs, [[0, 0], [near, far], [near, far], [0, 0]])
