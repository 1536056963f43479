"""The Single Shot MultiBox Detector over any trunk of feature layers."""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from detection import anchors
from detection import boxes
from detection import losses
from detection import postprocessing
from detection import targets
from nets import layers
from preprocessing import ssd_vgg_preprocessing


class ExtraBlock(NamedTuple):
    """A 1x1 convolution, then one that reduces the size."""
    name: str        # End point and scope.
    bottleneck: int  # Outputs of the first,
    channels: int    # and of the second.
    kernel: int      # Of the second, in cells, as are stride and pad.
    stride: int
    pad: int | tuple[int, int]  # On each side, as in Caffe; or (near, far).


class SSDParams(NamedTuple):
    """What a network is, but for its trunk."""
    img_shape: tuple[int, int]  # Height and width of the input, in pixels.
    num_classes: int            # With background.
    feat_layers: tuple[str, ...]    # Names of the layers that predict.
    feat_shapes: tuple[tuple[int, int], ...]  # Height, width, in cells.
    extra_blocks: tuple[ExtraBlock, ...]      # After the trunk.
    anchor_sizes: tuple[tuple[float, ...], ...]   # (min, max), in pixels.
    anchor_ratios: tuple[tuple[float, ...], ...]  # Width / height beside 1.
    anchor_steps: tuple[float, ...]     # Pixels between cells.
    normalizations: tuple[float | None, ...]  # Initial L2 scales.
    depth_multiplier: float = 1.  # Of the channels of trunk and extra blocks.
    # Of the first cell's centre, in steps: of all layers, or one for each.
    anchor_offset: float | tuple[float, ...] = 0.5
    anchor_clip: str | None = None  # See anchors.all_anchors.
    prior_scaling: tuple[float, ...] = boxes.PRIOR_SCALING  # cx, cy, w, h.
    # The input is (pixels - mean) * scale, RGB.
    mean: tuple[float, float, float] = ssd_vgg_preprocessing.MEAN
    scale: float = 1.
    head_kernel: int = 3  # Side of the kernels that predict, in cells.
    unused_labels: tuple[int, ...] = ()  # Outputs that are never detected.
    # Of what is detected, before suppression, as in torchvision; not Caffe.
    clips_bboxes: bool = False


class SSDNet:
    """A detector's graph: data, SSDParams, over this code.

    Subclasses declare `name`, `default_params`, `anchor_presets`, `trunk`
    and, where theirs differ, `activation_fn`, `batch_norm`, `arg_scope`,
    `depth`, `extra_block`, `head_conv2d` and `pretrained_source`. net(), then
    losses() to train or detect() to use. No method changes the object.
    """
    name: str
    default_params: SSDParams
    anchor_presets: dict[str, tuple[tuple[float, float], ...]]
    activation_fn = staticmethod(tf.nn.relu)
    # Arguments of layers.batch_norm, which follows every layer but the last
    # of each head; None without it.
    batch_norm: dict[str, float | bool] | None = None

    def __init__(self, params: SSDParams | None = None):
        self.params = self.default_params if params is None else params

    @classmethod
    def with_anchors(cls, params: SSDParams, preset: str) -> SSDParams:
        """Returns params with the anchor sizes of a preset, by its name."""
        if preset not in cls.anchor_presets:
            raise ValueError(
                f'--anchors={preset}: no file, and unknown for {cls.name}; '
                f'known: {", ".join(sorted(cls.anchor_presets))}.')
        return params._replace(anchor_sizes=cls.anchor_presets[preset])

    def trunk(self, images: tf.Tensor,
              end_points: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the trunk's last layer; adds those that predict by name."""
        raise NotImplementedError

    def pretrained_source(self, names: list[str]) -> dict[str, str]:
        """Returns what variables are called in a checkpoint of the trunk.

        Of `names`, below this network's scope, those that differ: name here
        -> name there, below that one's. A larger kernel is subsampled.
        """
        del names
        return {}

    def in_trunk(self, name: str) -> bool:
        """Returns whether a variable of the network is its trunk's.

        Else it is of an extra block or of what predicts, `<layer>_box`.
        """
        scope = name.removeprefix(f'{self.name}/').partition('/')[0]
        return not scope.endswith('_box') and scope not in {
            block.name for block in self.params.extra_blocks}

    def depth(self, channels: int) -> int:
        """Returns the number of channels at this network's width."""
        return int(channels * self.params.depth_multiplier)

    def arg_scope(self, is_training: bool, weight_decay: float,
                  from_scratch: bool) -> dict:
        """Returns the slim arg_scope that net() builds the network in.

        Convolutions and the L2 scale decay, as in Caffe; biases, batch norm
        and depthwise kernels do not. From scratch, layers before a ReLU start
        by He et al. 2015, so that the signal keeps its size through the
        depth; with restored weights by Glorot, as in the original.
        """
        initializer = tf.initializers.glorot_uniform()
        if from_scratch:
            initializer = tf.initializers.variance_scaling(2.)
        convolutions = [slim.conv2d, layers.atrous_conv2d]
        normalizer_fn = None if self.batch_norm is None else layers.batch_norm
        with (slim.arg_scope([*convolutions, slim.separable_conv2d],
                             weights_initializer=initializer,
                             normalizer_fn=normalizer_fn),
              slim.arg_scope(
                  [*convolutions, layers.l2_normalization],
                  weights_regularizer=layers.l2_regularizer(weight_decay)),
              slim.arg_scope([layers.batch_norm], is_training=is_training,
                             **(self.batch_norm or {})),
              slim.arg_scope([slim.max_pool2d], padding='SAME') as scope):
            return scope

    def net(self, images: tf.Tensor, is_training: bool,
            weight_decay: float = 0., from_scratch: bool = False,
            reuse: bool | None = None,
            compute_dtype: tf.DType | str = tf.float32,
            activation_fn: Callable | None = None,
            ) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        """Builds the network.

        Args:
          images: float32 [batch, height, width, 3], RGB, minus the network's
            mean and times its scale.
          is_training: whether batch norm takes the batch's statistics.
          weight_decay: L2 factor; see tf.losses.get_regularization_losses().
          from_scratch: whether no weights are restored afterwards.
          reuse: whether to reuse the variables, as in tf.variable_scope.
          compute_dtype: of convolutions, ReLUs and pools: tf.float32,
            bfloat16 or float16, or its name. Variables are float32 always.
          activation_fn: in place of the network's own.

        Returns:
          logits: float32 [batch, num_anchors, num_classes].
          localisations: float32 [batch, num_anchors, 4], cx, cy, w, h.
          end_points: name of a layer -> compute_dtype [batch, h, w, channels].

        Raises:
          ValueError: if the images are not of the network's shape.
        """
        params = self.params
        if tuple(images.shape.as_list()[1:3]) != tuple(params.img_shape):
            raise ValueError(
                f'{self.name} takes images of {params.img_shape}, '
                f'not {images.shape.as_list()[1:3]}.')
        end_points = {}
        with (slim.arg_scope(self.arg_scope(
                is_training, weight_decay, from_scratch)),
              slim.arg_scope(
                [slim.conv2d, slim.separable_conv2d, layers.atrous_conv2d],
                activation_fn=activation_fn or self.activation_fn),
              layers.mixed_precision(compute_dtype),
              tf.variable_scope(self.name, reuse=reuse,
                                custom_getter=layers.float32_variable)):
            net = self.trunk(tf.cast(images, compute_dtype), end_points)
            self._check_cells(end_points)
            for block in params.extra_blocks:
                net = end_points[block.name] = self.extra_block(net, block)
            heads = [self._multibox_head(end_points[layer], index)
                     for index, layer in enumerate(params.feat_layers)]
        logits, localisations = (
            tf.concat(parts, axis=1) for parts in zip(*heads, strict=True))
        return logits, localisations, end_points

    def anchors(self) -> np.ndarray:
        """Returns all anchors: float32 numpy [num_anchors, 4]."""
        params = self.params
        return anchors.all_anchors(
            params.feat_shapes, params.img_shape, params.anchor_sizes,
            params.anchor_ratios, params.anchor_steps, params.anchor_offset,
            params.anchor_clip)

    def encode(self, labels: tf.Tensor, bboxes: tf.Tensor,
               match_threshold: float = 0.5) -> targets.Targets:
        """Returns the Targets of one image; see targets.encode."""
        return targets.encode(
            labels, bboxes, self.anchors(), self.params.prior_scaling,
            match_threshold)

    def losses(self, logits: tf.Tensor, localisations: tf.Tensor,
               batch_targets: targets.Targets, **kwargs) -> losses.Losses:
        """Returns the Losses of a batch of Targets; see ssd_losses."""
        return losses.ssd_losses(
            logits, localisations, batch_targets.labels,
            batch_targets.localisations, **kwargs)

    def detect(self, logits: tf.Tensor, localisations: tf.Tensor,
               **kwargs) -> postprocessing.Detections:
        """Returns the Detections of a batch; see select_detections."""
        return postprocessing.select_detections(
            *self.decode(logits, localisations), **kwargs)

    def decode(self, logits: tf.Tensor, localisations: tf.Tensor,
               ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what suppression takes, of what net() gives.

        Returns:
          scores: float32 [batch, num_anchors, num_classes], probabilities; 0
            for unused labels.
          bboxes: float32 [batch, num_anchors, 4].
        """
        bboxes = boxes.decode(
            localisations, self.anchors(), self.params.prior_scaling)
        if self.params.clips_bboxes:
            bboxes = boxes.clip(bboxes, (0., 0., 1., 1.))
        scores = tf.nn.softmax(logits)
        if self.params.unused_labels:
            used = np.ones(self.params.num_classes, np.float32)
            used[list(self.params.unused_labels)] = 0
            scores *= used
        return scores, bboxes

    def extra_block(self, net: tf.Tensor, block: ExtraBlock) -> tf.Tensor:
        """Returns the block over `net`, float [batch, height, width, depth]."""
        with tf.variable_scope(block.name):
            net = slim.conv2d(
                net, self.depth(block.bottleneck), [1, 1], scope='conv1x1')
            if block.pad:
                # Caffe pads both sides; SAME would pad only the far one
                # where the size is even.
                net = layers.pad2d(net, block.pad)
            return slim.conv2d(
                net, self.depth(block.channels), block.kernel, block.stride,
                padding='VALID', scope=f'conv{block.kernel}x{block.kernel}')

    def head_conv2d(self, net: tf.Tensor, num_outputs: int, scope: str,
                    weights_initializer: Callable) -> tf.Tensor:
        """Returns what a layer predicts: `num_outputs` numbers a cell."""
        return slim.conv2d(
            net, num_outputs, self.params.head_kernel, scope=scope,
            activation_fn=None, normalizer_fn=None,
            weights_initializer=weights_initializer)

    def _check_cells(self, end_points):
        """Raises ValueError if the trunk's layers have another size."""
        params = self.params
        for layer, cells in zip(
                params.feat_layers, params.feat_shapes, strict=True):
            if layer in end_points and (
                    end_points[layer].shape.as_list()[1:3] != list(cells)):
                raise ValueError(
                    f'{self.name}: {layer} has '
                    f'{end_points[layer].shape.as_list()[1:3]} cells of images '
                    f'of {params.img_shape}, not {cells}; img_shape, '
                    'feat_shapes and anchor_steps go together.')

    def _multibox_head(self, net, index):
        """Returns logits and localisations of one layer, anchors flat."""
        params = self.params
        num_kinds = anchors.num_kinds(
            params.anchor_sizes[index], params.anchor_ratios[index])
        with tf.variable_scope(params.feat_layers[index] + '_box'):
            if params.normalizations[index] is not None:
                net = tf.cast(layers.l2_normalization(
                    net, params.normalizations[index]), net.dtype)
            # Near 0 at first, so that their first errors do not destroy what
            # is below, least of all restored weights.
            initializer = tf.initializers.random_normal(stddev=.01)
            rows, columns = params.feat_shapes[index]
            heads = []
            for num_values, scope in (
                    (params.num_classes, 'conv_cls'), (4, 'conv_loc')):
                values = self.head_conv2d(
                    net, num_kinds * num_values, scope, initializer)
                heads.append(tf.cast(tf.reshape(
                    values, [-1, rows * columns * num_kinds, num_values]),
                    tf.float32))
            return heads
