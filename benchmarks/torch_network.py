"""SSD over VGG-16 or MobileNet v1 in PyTorch, and its loss."""
import numpy as np
import tensorflow.compat.v1 as tf
import torch
from torch.nn import functional

from nets import layers
from nets import ssd
from nets import ssd_mobilenet
from nets import ssd_vgg

# Of each kind of weights in PyTorch: outputs, inputs, height, width.
_AXES = {'weights': (3, 2, 0, 1), 'depthwise_weights': (2, 3, 0, 1)}


class Network(torch.nn.Module):
    """A network of this project, with a checkpoint's weights."""

    def __init__(self, network: ssd.SSDNet, checkpoint: str):
        """Reads the weights.

        Raises:
          ValueError: the trunk is another one.
        """
        super().__init__()
        if isinstance(network, ssd_vgg.SSDVGGNet):
            self._trunk = self._vgg
        elif isinstance(network, ssd_mobilenet.SSDV1Net):
            self._trunk = self._mobilenet
        else:
            raise ValueError('is not written in PyTorch')
        self._params = network.params
        self._weights = torch.nn.ParameterDict()
        reader = tf.train.load_checkpoint(checkpoint)
        for name in reader.get_variable_to_shape_map():
            if name.startswith(network.name + '/'):
                value = reader.get_tensor(name)
                axes = _AXES.get(name.rpartition('/')[2])
                self._weights[name.removeprefix(network.name + '/')] = (
                    torch.from_numpy(value if axes is None else
                                     np.ascontiguousarray(value.transpose(axes))))

    def forward(self, images: torch.Tensor) -> tuple:
        """Returns what SSDNet.net does, of [batch, 3, height, width]."""
        params, end_points = self._params, {}
        net = self._trunk(images, end_points)
        for block in params.extra_blocks:
            net = self._layer(f'{block.name}/conv1x1', net)
            net = end_points[block.name] = self._layer(
                f'{block.name}/conv{block.kernel}x{block.kernel}', net,
                stride=block.stride, padding=block.pad)
        heads = []
        for layer, is_normalized in zip(
                params.feat_layers, params.normalizations, strict=True):
            net, scope = end_points[layer], f'{layer}_box'
            if is_normalized is not None:
                gamma = self._weights[f'{scope}/L2Normalization/gamma']
                net = net / net.norm(dim=1, keepdim=True) * gamma[
                    :, None, None]
            heads.append([
                self._convolution(
                    f'{scope}/{name}', net, padding=params.head_kernel // 2,
                ).permute(0, 2, 3, 1).reshape(len(net), -1, size).float()
                for name, size in (
                    ('conv_cls', params.num_classes), ('conv_loc', 4))])
        return tuple(torch.cat(parts, 1) for parts in zip(*heads, strict=True))

    def _vgg(self, net, end_points):
        for index, (repetitions, _) in enumerate(ssd_vgg.VGG_BLOCKS, 1):
            for repetition in range(1, repetitions + 1):
                net = self._layer(
                    f'conv{index}/conv{index}_{repetition}', net, padding=1)
            end_points[f'block{index}'] = net
            if index < 5:
                net = functional.max_pool2d(net, 2, ceil_mode=True)
        net = functional.max_pool2d(net, 3, stride=1, padding=1)
        net = self._layer('conv6', net, padding=6, dilation=6)
        net = end_points['block7'] = self._layer('conv7', net)
        return net

    def _mobilenet(self, net, end_points):
        net = self._layer('Conv2d_0', net, stride=2, padding=1)
        for index, (_, stride) in enumerate(ssd_mobilenet.V1_PAIRS, 1):
            net = self._layer(
                f'Conv2d_{index}_depthwise', net, 'depthwise_weights',
                stride=stride, padding=1, groups=net.shape[1])
            net = end_points[f'block{index}'] = self._layer(
                f'Conv2d_{index}_pointwise', net)
        return net

    def _layer(self, scope, net, weights='weights', **kwargs):
        net = self._convolution(scope, net, weights, **kwargs)
        norm = f'{scope}/BatchNorm'
        if f'{norm}/beta' in self._weights:
            net = functional.batch_norm(net, *(
                self._weights[f'{norm}/{name}'] for name in (
                    'moving_mean', 'moving_variance', 'gamma', 'beta')),
                eps=layers.BATCH_NORM_EPSILON)
        return functional.relu_(net)

    def _convolution(self, scope, net, weights='weights', **kwargs):
        return functional.conv2d(
            net, self._weights[f'{scope}/{weights}'],
            self._weights.get(f'{scope}/biases'), **kwargs)


def multibox_loss(logits: torch.Tensor, localisations: torch.Tensor,
                  labels: torch.Tensor, targets: torch.Tensor,
                  ) -> torch.Tensor:
    """Returns the sum of detection.losses.ssd_losses; the same arguments."""
    positives = labels > 0
    losses = functional.cross_entropy(
        logits.transpose(1, 2), labels, reduction='none')
    hardness = losses.detach().masked_fill(positives, -torch.inf)
    rank = hardness.argsort(1, descending=True).argsort(1)
    negatives = ~positives & (rank < 3 * positives.sum(1, keepdim=True))
    total = losses[positives | negatives].sum() + functional.smooth_l1_loss(
        localisations[positives], targets[positives], reduction='sum')
    return total / positives.sum().clamp_min(1)
