"""Writes an SSD network with its weights as ONNX, for other engines."""
from collections.abc import Callable

import numpy as np
import onnx

from nets import ssd_vgg

INPUT, OUTPUTS = 'images', ('logits', 'localisations')


def write(path: str, network: ssd_vgg.SSDVGGNet,
          weights: Callable[[str], np.ndarray], batch_size: int):
    """Writes a network; engines read the same numbers as TensorFlow does.

    Args:
      path: of the file.
      network: an SSDVGGNet.
      weights: function of a variable's name to its value, numpy.
      batch_size: of the input, float32 [batch_size, 3, height, width], RGB
        minus mean; outputs as of SSDNet.net.
    """
    model = _Model(weights, network.name)
    params = network.params
    end_points = _trunk(model)
    net = end_points['block7']
    for block in params.extra_blocks:
        net = model.conv2d(net, f'{block.name}/conv1x1')
        net = model.conv2d(
            net, f'{block.name}/conv{block.kernel}x{block.kernel}',
            stride=block.stride, pad=block.pad)
        end_points[block.name] = net
    heads = [_head(model, network, index, end_points[layer])
             for index, layer in enumerate(params.feat_layers)]
    for name, parts in zip(OUTPUTS, zip(*heads, strict=True), strict=True):
        model.add('Concat', parts, name, axis=1)
    num_anchors = len(network.anchors())
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        model.nodes, network.name,
        [tensor(INPUT, onnx.TensorProto.FLOAT,
                [batch_size, 3, *params.img_shape])],
        [tensor(name, onnx.TensorProto.FLOAT,
                [batch_size, num_anchors, size])
         for name, size in zip(OUTPUTS, (params.num_classes, 4),
                               strict=True)],
        model.initializers)
    onnx.save(onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid('', 13)], ir_version=8),
        path)


def _trunk(model):
    net, end_points = INPUT, {}
    for index, (repetitions, _) in enumerate(ssd_vgg.VGG_BLOCKS, 1):
        for repetition in range(1, repetitions + 1):
            net = model.conv2d(net, f'conv{index}/conv{index}_{repetition}',
                               pad=1)
        end_points[f'block{index}'] = net
        if index < 5:
            net = model.max_pool(net, 2, stride=2, pad=0)
    net = model.max_pool(net, 3, stride=1, pad=1)
    net = model.conv2d(net, 'conv6', pad=6, dilation=6)
    end_points['block7'] = model.conv2d(net, 'conv7')
    return end_points


def _head(model, network, index, net):
    """Adds a layer's predictions; returns the names of both."""
    params = network.params
    scope = params.feat_layers[index] + '_box'
    if params.normalizations[index] is not None:
        # Not LpNormalization, which OpenCV does not read.
        norm = model.add('ReduceL2', [net], axes=[1], keepdims=1)
        net = model.add('Div', [net, norm])
        gamma = model.weight(f'{scope}/L2Normalization/gamma')
        net = model.add('Mul', [net, model.constant(
            gamma.reshape(1, -1, 1, 1))])

    def predict(name, size):
        values = model.conv2d(
            net, f'{scope}/{name}', pad=1, activation=False)
        values = model.add('Transpose', [values], perm=[0, 2, 3, 1])
        return model.add('Reshape', [values, model.constant(
            np.int64([0, -1, size]))])

    return predict('conv_cls', params.num_classes), predict('conv_loc', 4)


class _Model:
    """Nodes and constants of an ONNX graph."""

    def __init__(self, weights, scope):
        self.nodes, self.initializers = [], []
        self._weights, self._scope = weights, scope

    def weight(self, name):
        return self._weights(f'{self._scope}/{name}')

    def add(self, operation, inputs, output=None, **attributes):
        output = output or f'value{len(self.nodes)}'
        self.nodes.append(onnx.helper.make_node(
            operation, list(inputs), [output], **attributes))
        return output

    def constant(self, value):
        name = f'constant{len(self.initializers)}'
        self.initializers.append(onnx.numpy_helper.from_array(
            np.ascontiguousarray(value), name))
        return name

    def conv2d(self, net, scope, stride=1, pad=0, dilation=1,
               activation=True):
        weights = self.weight(f'{scope}/weights').transpose(3, 2, 0, 1)
        net = self.add('Conv', [
            net, self.constant(weights),
            self.constant(self.weight(f'{scope}/biases'))],
            kernel_shape=weights.shape[2:], strides=[stride] * 2,
            pads=[pad] * 4, dilations=[dilation] * 2)
        return self.add('Relu', [net]) if activation else net

    def max_pool(self, net, kernel, stride, pad):
        return self.add(
            'MaxPool', [net], kernel_shape=[kernel] * 2,
            strides=[stride] * 2, pads=[pad] * 4, ceil_mode=int(stride > 1))
