"""The Single Shot MultiBox Detector over any trunk of feature layers.

A network is data (SSDParams) over this code: it declares its layers and
anchors, and gives `trunk`, which computes the feature layers.
"""
import collections

import tensorflow.compat.v1 as tf
import tf_slim as slim

from detection import anchors
from detection import boxes
from detection import losses
from detection import postprocessing
from detection import targets
from nets import layers

SSDParams = collections.namedtuple('SSDParams', [
    'img_shape',         # (height, width) of the input, in pixels
    'num_classes',       # with background
    'feat_layers',       # names of the layers that predict
    'feat_shapes',       # (height, width) of each, in cells
    'extra_blocks',      # ExtraBlocks, after the trunk
    'depth_multiplier',  # scales the channels of trunk and extra blocks
    'anchor_sizes',      # per layer (min, max), in pixels
    'anchor_ratios',     # per layer, width / height beside 1
    'anchor_steps',      # per layer, pixels between cells
    'anchor_offset',     # of the first cell's centre, in steps
    'normalizations',    # per layer initial L2 scale, None for none
    'prior_scaling',     # of cx, cy, w, h
])

ExtraBlock = collections.namedtuple(
    'ExtraBlock', 'name bottleneck channels kernel stride pad')
ExtraBlock.__doc__ = """A 1x1 convolution, then one that reduces the size.

name: end point and scope. bottleneck, channels: outputs of the two.
kernel, stride, pad: of the second, in cells; pad on each side, as in Caffe.
"""


class SSDNet:
    """A detector's graph.

    Subclasses declare `name`, `default_params`, `anchor_presets`, `trunk`.
    net(), then losses() to train or detect() to use. No method changes the
    object; the default of params is the class's default_params.
    """
    name = None
    default_params = None
    anchor_presets = None

    def __init__(self, params=None):
        self.params = self.default_params if params is None else params

    @classmethod
    def with_anchors(cls, params, preset):
        """Returns params with the anchor sizes of a preset, by its name."""
        if preset not in cls.anchor_presets:
            raise ValueError(
                f'--anchors={preset}: unknown for {cls.name}; known: '
                f'{", ".join(sorted(cls.anchor_presets))}.')
        return params._replace(anchor_sizes=cls.anchor_presets[preset])

    def trunk(self, images, end_points):
        """Returns the last trunk layer; fills end_points with the others."""
        raise NotImplementedError

    def depth(self, channels):
        """Returns the number of channels at this network's width."""
        return int(channels * self.params.depth_multiplier)

    def arg_scope(self, weight_decay=0.0005, from_scratch=False):
        """Returns the slim arg_scope to build net() in.

        Args:
          weight_decay: of weights and of the L2 scale, not of biases, as in
            Caffe.
          from_scratch: whether no weights are restored. Layers before a
            ReLU then start by He et al. 2015, so that the signal keeps its
            size through the depth; else by Glorot, as in the original. The
            heads start near 0 always, so that their first errors do not
            destroy what is below, least of all restored weights.
        """
        initializer = tf.initializers.glorot_uniform()
        if from_scratch:
            initializer = tf.initializers.variance_scaling(2.)
        regularizer = slim.l2_regularizer(weight_decay)
        with slim.arg_scope(
                [slim.conv2d, layers.atrous_conv2d],
                weights_initializer=initializer), slim.arg_scope(
                [layers.head_conv2d],
                weights_initializer=tf.initializers.random_normal(stddev=.01)):
            with slim.arg_scope(
                    [slim.conv2d, layers.atrous_conv2d,
                     layers.l2_normalization],
                    weights_regularizer=regularizer):
                with slim.arg_scope(
                        [slim.conv2d, slim.max_pool2d],
                        padding='SAME') as scope:
                    return scope

    def net(self, images, reuse=None, compute_dtype=tf.float32):
        """Builds the network.

        Args:
          images: float32 [batch, height, width, 3], RGB, mean subtracted.
          reuse: whether to reuse the variables, as in tf.variable_scope.
          compute_dtype: of convolutions, ReLUs and pools: tf.float32,
            bfloat16 or float16, or its name. Variables are float32 always.

        Returns:
          logits: float32 [batch, num_anchors, num_classes].
          localisations: float32 [batch, num_anchors, 4], cx, cy, w, h.
          end_points: dict, name of a layer -> compute_dtype
            [batch, h, w, channels].

        Raises:
          ValueError: if the images are not of the network's shape.
        """
        params = self.params
        if tuple(images.shape.as_list()[1:3]) != tuple(params.img_shape):
            raise ValueError(
                f'{self.name} takes images of {params.img_shape}, '
                f'not {images.shape.as_list()[1:3]}.')
        end_points = {}
        with layers.mixed_precision(compute_dtype), tf.variable_scope(
                self.name, reuse=reuse,
                custom_getter=layers.float32_variable):
            net = self.trunk(tf.cast(images, compute_dtype), end_points)
            for block in params.extra_blocks:
                net = self._extra_block(net, block)
                end_points[block.name] = net
            heads = [self._multibox_head(end_points[layer], index)
                     for index, layer in enumerate(params.feat_layers)]
        logits, localisations = (
            tf.concat(parts, axis=1) for parts in zip(*heads, strict=True))
        return logits, localisations, end_points

    def anchors(self):
        """Returns all anchors: float32 numpy [num_anchors, 4]."""
        params = self.params
        return anchors.all_anchors(
            params.feat_shapes, params.img_shape, params.anchor_sizes,
            params.anchor_ratios, params.anchor_steps, params.anchor_offset)

    def encode(self, labels, bboxes, match_threshold=0.5):
        """Returns the Targets of one image; see targets.encode."""
        return targets.encode(
            labels, bboxes, self.anchors(), self.params.prior_scaling,
            match_threshold)

    def losses(self, logits, localisations, batch_targets, **kwargs):
        """Returns the Losses of a batch of Targets; see ssd_losses."""
        return losses.ssd_losses(
            logits, localisations, batch_targets.labels,
            batch_targets.localisations, **kwargs)

    def detect(self, logits, localisations, **kwargs):
        """Returns the Detections of a batch; see select_detections."""
        bboxes = boxes.decode(
            localisations, self.anchors(), self.params.prior_scaling)
        return postprocessing.select_detections(
            tf.nn.softmax(logits), bboxes, **kwargs)

    def _extra_block(self, net, block):
        kernel = [block.kernel, block.kernel]
        with tf.variable_scope(block.name):
            net = slim.conv2d(
                net, self.depth(block.bottleneck), [1, 1], scope='conv1x1')
            if block.pad:
                # Caffe pads both sides; SAME would pad only the far one
                # where the size is even.
                net = layers.pad2d(net, block.pad)
            return slim.conv2d(
                net, self.depth(block.channels), kernel, block.stride,
                padding='VALID', scope='conv{}x{}'.format(*kernel))

    def _multibox_head(self, net, index):
        """Returns logits and localisations of one layer, anchors flat."""
        params = self.params
        num_kinds = anchors.num_kinds(
            params.anchor_sizes[index], params.anchor_ratios[index])
        with tf.variable_scope(params.feat_layers[index] + '_box'):
            if params.normalizations[index] is not None:
                net = tf.cast(layers.l2_normalization(
                    net, params.normalizations[index]), net.dtype)

            def predict(num_values, scope):
                values = layers.head_conv2d(
                    net, num_kinds * num_values, [3, 3], activation_fn=None,
                    scope=scope)
                rows, columns = params.feat_shapes[index]
                return tf.cast(tf.reshape(
                    values, [-1, rows * columns * num_kinds, num_values]),
                    tf.float32)

            return (predict(params.num_classes, 'conv_cls'),
                    predict(4, 'conv_loc'))
