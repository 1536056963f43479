"""SSD300 over VGG-16 and its loss in plain PyTorch: a second opinion.

Written from the Caffe original alone: nothing of the project is used.
Weights are named as the project's variables, without the network's scope,
and have Caffe's order of axes: output, input, height, width.
"""
import torch

# Caffe's prior kinds per cell are the heads' channels over these.
NUM_COORDINATES = 4
HEADS = ('block4', 'block7', 'block8', 'block9', 'block10', 'block11')
# Of conv8 to conv11: kernel 3; SSD300's last two do not pad.
EXTRA_STRIDES_AND_PADS = ((2, 1), (2, 1), (1, 0), (1, 0))


def forward(weights, images):
    """Computes the network.

    Args:
      weights: dict, name -> float32 tensor.
      images: float32 [batch, 3, 300, 300], RGB minus the mean.

    Returns:
      logits, float32 [batch, num_anchors, num_classes], and localisations,
      float32 [batch, num_anchors, 4].
    """
    def convolve(name, net, **kwargs):
        return torch.conv2d(net, weights[f'{name}/weights'],
                                 weights[f'{name}/biases'], **kwargs)

    layers = {}
    net = images
    for block, repetitions in enumerate((2, 2, 3, 3, 3), 1):
        for repetition in range(1, repetitions + 1):
            net = torch.relu(convolve(
                f'conv{block}/conv{block}_{repetition}', net, padding=1))
        layers[f'block{block}'] = net
        if block < 5:
            net = torch.max_pool2d(net, 2, ceil_mode=True)
    net = torch.max_pool2d(net, 3, stride=1, padding=1)
    net = torch.relu(convolve('conv6', net, padding=6, dilation=6))
    net = layers['block7'] = torch.relu(convolve('conv7', net))
    for block, (stride, pad) in enumerate(EXTRA_STRIDES_AND_PADS, 8):
        net = torch.relu(convolve(f'block{block}/conv1x1', net))
        net = layers[f'block{block}'] = torch.relu(convolve(
            f'block{block}/conv3x3', net, stride=stride, padding=pad))

    lengths = layers['block4'].norm(dim=1, keepdim=True)
    gamma = weights['block4_box/L2Normalization/gamma']
    layers['block4'] = (
        layers['block4'] / lengths.clamp_min(1e-5) * gamma[:, None, None])

    logits, localisations = [], []
    for name in HEADS:
        scores, offsets = (
            convolve(f'{name}_box/{kind}', layers[name], padding=1).permute(
                0, 2, 3, 1) for kind in ('conv_cls', 'conv_loc'))
        num_kinds = offsets.shape[-1] // NUM_COORDINATES
        num_classes = scores.shape[-1] // num_kinds
        logits.append(scores.reshape(len(images), -1, num_classes))
        localisations.append(
            offsets.reshape(len(images), -1, NUM_COORDINATES))
    return torch.cat(logits, 1), torch.cat(localisations, 1)


def multibox_loss(logits, localisations, labels, target_localisations):
    """Returns Caffe's MultiBoxLoss, a float32 scalar, without decay.

    Cross entropy of the matched anchors and of the 3 hardest unmatched per
    matched one of the same image, and smooth L1 of the matched ones, all
    summed and divided by the number of matched anchors.

    Args:
      logits: float32 [batch, num_anchors, num_classes].
      localisations: float32 [batch, num_anchors, 4].
      labels: int64 [batch, num_anchors], 0 where unmatched.
      target_localisations: float32 [batch, num_anchors, 4].
    """
    total = 0.
    for scores, offsets, classes, targets in zip(
            logits, localisations, labels, target_localisations, strict=True):
        matched = torch.nonzero(classes)[:, 0]
        unmatched = torch.nonzero(classes == 0)[:, 0]
        hardness = -torch.log_softmax(scores.detach(), 1)[unmatched, 0]
        hardest = unmatched[torch.argsort(
            hardness, descending=True, stable=True)[:3 * len(matched)]]
        chosen = torch.cat([matched, hardest])
        total = total + torch.nn.functional.cross_entropy(
            scores[chosen], classes[chosen], reduction='sum')
        total = total + torch.nn.functional.smooth_l1_loss(
            offsets[matched], targets[matched], reduction='sum')
    return total / max(int((labels > 0).sum()), 1)
