"""Caffe SSD's training and test images.

Images become float32 RGB, (0..255 - mean) * scale; a bbox is [ymin, xmin, ymax,
xmax], relative to the image.
"""
import enum

import numpy as np
import tensorflow.compat.v1 as tf

from preprocessing import tf_image

MEAN = (123.0, 117.0, 104.0)  # Of VGG, RGB, as SSD has it.


class Resize(enum.IntEnum):
    """How an image of any shape becomes one of the network's shape."""
    NONE = 1
    CENTRAL_CROP = 2
    PAD_AND_RESIZE = 3
    WARP_RESIZE = 4


def preprocess_for_train(
        encoded_image: tf.Tensor, labels: tf.Tensor, bboxes: tf.Tensor,
        out_shape: tuple[int, int], seed: tf.Tensor,
        mean: tuple[float, ...] = MEAN, scale: float = 1.,
        is_expanded: bool = True) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Augments one image: Caffe SSD's recipe, paper section 2.2.

    Distort, expand, crop, resize, mirror, subtract the mean; but worked out
    on coordinates first, so that only the pixels which are seen are decoded
    and the canvas of the expansion, 0 after the mean, never exists. Colour
    operations work on single pixels, so a crop does not matter to them;
    they follow the resize too, where the image is small: the same but for
    pixels between two colours, and rounding. Unlike Caffe, nothing is
    compressed again between the steps.

    Args:
      encoded_image: string [], the bytes of a JPEG, PNG or BMP.
      labels: int64 [n].
      bboxes: float32 [n, 4]; n may be 0.
      out_shape: height and width, two ints.
      seed: int64 [2]; the same seed gives the same result.
      mean, scale: of the network's input.
      is_expanded: whether half of the images are made smaller, on a canvas.

    Returns:
      image: float32 [out_shape[0], out_shape[1], 3].
      labels: int64 [m]; m may be 0.
      bboxes: float32 [m, 4], within 0..1, with positive areas.
    """
    sizes = [tf_image.NUM_COLOR_UNIFORMS, tf_image.NUM_EXPAND_UNIFORMS,
             tf_image.NUM_CROP_UNIFORMS, 1, 1]
    color, expand, crop, interpolation, mirror = tf.split(
        tf.random.stateless_uniform([sum(sizes)], seed), sizes)
    out_shape = np.array(out_shape, np.int32)
    shape, decode_window = tf_image.decode_lazily(encoded_image)
    canvas, offset = (tf_image.expand_canvas(shape, expand) if is_expanded
                      else (shape, tf.zeros_like(shape)))
    objects = (tf.ensure_shape(bboxes, [None, 4]) * _twice(shape)
               + _twice(offset))
    low, size = _to_pixels(
        tf_image.sample_crop(objects / _twice(canvas), crop), canvas)
    labels, objects = tf_image.keep_centred(
        labels, objects, tf.concat([low, low + size], 0))

    source_low, source_size, target_low, target_size = _visible(
        low - offset, size, shape, out_shape)
    # The pixels' own mapping, whose rounding differs from the crop's.
    ratio = _twice(target_size) / _twice(tf.maximum(source_size, 1))
    objects = (objects - _twice(offset + source_low)) * ratio
    bboxes = (objects + _twice(target_low)) / _twice(out_shape)
    bboxes = tf.clip_by_value(bboxes, 0.0, 1.0)

    def visible_image():
        image = tf_image.resize_randomly(
            decode_window(source_low, source_size), target_size,
            interpolation[0])
        image = tf_image.distort_color(image, color)
        image = tf_image.normalise(image, mean, scale)
        return tf_image.place(image, target_low, out_shape)

    image = tf.cond(tf.reduce_all(source_size > 0), visible_image,
                    lambda: tf.zeros([*out_shape, 3]))
    image, bboxes = tf_image.flip_randomly(
        tf_image.flip_left_right, image, bboxes, mirror[0])
    image.set_shape([*out_shape, 3])
    return image, labels, bboxes


def preprocess_for_eval(
        image: tf.Tensor, out_shape: tuple[int, int],
        resize: Resize = Resize.WARP_RESIZE,
        mean: tuple[float, ...] = MEAN,
        scale: float = 1.) -> tuple[tf.Tensor, tf.Tensor]:
    """Prepares one image for detection.

    WARP_RESIZE is Caffe's: OpenCV's bilinear resize on bytes, so the values
    are whole numbers before the mean is subtracted; where OpenCV's fixed-
    point arithmetic rounds otherwise, they differ by 1.

    Detected bboxes are relative to the network's input. To bring them back
    to the image, cut off the padding and rescale:
    `boxes.resize(boxes.clip(bboxes, bbox_img), bbox_img)`.

    Args:
      image: string [], the bytes of a JPEG, PNG or BMP; or uint8 [h, w, 3].
      out_shape: height and width, two ints; NONE ignores them.
      resize: a Resize. PAD_AND_RESIZE never enlarges.
      mean, scale: of the network's input.

    Returns:
      image: float32 [out_shape[0], out_shape[1], 3].
      bbox_img: float32 [4], the whole image in the result's coordinates.

    Raises:
      ValueError: if `resize` is not one of Resize's values.
    """
    resize = Resize(resize)
    if image.dtype == tf.string:
        image = tf_image.decode(image)
    if resize == Resize.WARP_RESIZE:
        image = tf.round(tf_image.resize(image, out_shape))
    elif resize == Resize.PAD_AND_RESIZE:
        image = tf.round(tf_image.resize(image, _fitting(image, out_shape)))
    image = tf_image.normalise(tf.cast(image, tf.float32), mean, scale)
    bbox_img = tf.constant([0.0, 0.0, 1.0, 1.0])
    if resize in (Resize.PAD_AND_RESIZE, Resize.CENTRAL_CROP):
        image, bbox_img = tf_image.crop_or_pad(image, out_shape)
    if resize != Resize.NONE:
        image = tf.ensure_shape(image, [*out_shape, 3])
    return image, bbox_img


def _to_pixels(crop, canvas):
    """Returns a relative crop in pixels, never empty: low and size."""
    # Caffe's CropImage: offset and size are each truncated.
    limits = tf.cast(canvas, tf.float32)
    low = tf.minimum(tf.cast(crop[:2] * limits, tf.int32), canvas - 1)
    size = tf.cast((crop[2:] - crop[:2]) * limits, tf.int32)
    return low, tf.maximum(size, 1)


def _visible(low, size, shape, out_shape):
    """Finds the part of a crop that shows the image: four int32 [2], y and x.

    Args:
      low: the crop's first pixel; the crop may reach beyond the image.
      size, shape: the crop's and the image's height and width.
      out_shape: what the crop is resized to.

    Returns:
      source_low, source_size: the part in pixels of the image; the size is
        not positive if the crop shows nothing of it.
      target_low, target_size: where it goes in the result; at least a pixel.
    """
    source_low = tf.maximum(low, 0)
    source_high = tf.minimum(low + size, shape)

    def to_target(position):  # Rounded to the nearest.
        return ((position - low) * out_shape * 2 + size) // (size * 2)

    target_low = tf.minimum(to_target(source_low), out_shape - 1)
    target_high = tf.maximum(to_target(source_high), target_low + 1)
    return (source_low, source_high - source_low,
            target_low, target_high - target_low)


def _fitting(image, size):
    """Returns the largest size of the image's shape within size, int32 [2]."""
    shape = tf.shape(image)[:2]
    # The side that follows from the other one, if that fills its size.
    other = shape * tf.reverse(size, [0]) // tf.reverse(shape, [0])
    return tf.maximum(tf.minimum(tf.minimum(shape, size), other), 1)


def _twice(pair):
    """Returns y, x as y, x, y, x: float32 [4], to go with bboxes."""
    return tf.cast(tf.tile(pair, [2]), tf.float32)
