"""Caffe SSD's training and test images, for the VGG networks.

Images become float32 RGB 0..255 minus MEAN; a bbox is [ymin, xmin, ymax,
xmax], relative to the image.
"""
import enum

import tensorflow.compat.v1 as tf

from preprocessing import tf_image

MEAN = (123.0, 117.0, 104.0)  # RGB; Caffe's VGG, rounded as in SSD.


class Resize(enum.IntEnum):
    """How an image of any shape becomes one of the network's shape."""
    NONE = 1
    CENTRAL_CROP = 2
    PAD_AND_RESIZE = 3
    WARP_RESIZE = 4


def preprocess_for_train(encoded_image, labels, bboxes, out_shape, seed):
    """Augments one image: Caffe SSD's recipe, paper section 2.2.

    Distort, expand, crop, resize, mirror, subtract the mean; but worked out
    on coordinates first, so that only the pixels which are seen are decoded
    and the canvas of the expansion never exists. Colour operations work on
    single pixels: they give the same before and after a crop, and before
    and after a resize up to rounding, so they come last, on the small
    image. The canvas has the mean colour, which is 0 in the result. Unlike
    Caffe, nothing is compressed again between the steps.

    Args:
      encoded_image: string [], the bytes of a JPEG, PNG or BMP.
      labels: int64 [n].
      bboxes: float32 [n, 4]; n may be 0.
      out_shape: height and width, two ints.
      seed: int64 [2]; the same seed gives the same result.

    Returns:
      image: float32 [out_shape[0], out_shape[1], 3], minus MEAN.
      labels: int64 [m]; m may be 0.
      bboxes: float32 [m, 4], within 0..1, with positive areas.
    """
    color, expand, crop, interpolation, mirror = tf.split(
        *_uniforms(seed))
    shape, decode_window = tf_image.decode_lazily(encoded_image)
    canvas, offset = tf_image.expand_canvas(shape, expand)
    objects = _scale(bboxes, shape) + _twice(offset)
    window = _to_pixels(
        tf_image.sample_crop(objects / _twice(canvas), crop), canvas)
    labels, objects = tf_image.keep_centred(labels, objects, window)

    # From here on in coordinates of the source image.
    source, target = _visible(window - tf.tile(offset, [2]), shape,
                              tf.constant(out_shape))
    size = target[2:] - target[:2]
    ratio = (tf.cast(size, tf.float32)
             / tf.cast(tf.maximum(source[2:] - source[:2], 1), tf.float32))
    # The pixels' own mapping, whose rounding differs from the window's.
    objects = (objects - _twice(offset + source[:2])) * tf.tile(ratio, [2])
    bboxes = tf.clip_by_value(
        (objects + _twice(target[:2])) / _twice(tf.constant(out_shape)),
        0.0, 1.0)

    def visible_image():
        image = tf_image.resize_randomly(
            decode_window(source), size, interpolation[0])
        image = tf_image.distort_color(image, color)
        image = tf_image.subtract_mean(image, MEAN)
        return tf_image.place(image, target[:2], tf.constant(out_shape))

    image = tf.cond(tf.reduce_all(source[2:] > source[:2]), visible_image,
                    lambda: tf.zeros([*out_shape, 3]))
    image, bboxes = tf_image.flip_randomly(image, bboxes, mirror[0])
    return tf.ensure_shape(image, [*out_shape, 3]), labels, bboxes


def preprocess_for_eval(image, out_shape, resize=Resize.WARP_RESIZE):
    """Prepares one image for detection.

    WARP_RESIZE is Caffe's: OpenCV's bilinear resize on bytes, so the values
    are whole numbers before the mean is subtracted; where OpenCV's fixed-
    point arithmetic rounds otherwise, they differ by 1.

    Detected bboxes are relative to the network's input. To bring them back
    to the image: `boxes.resize(boxes.clip(bboxes, bbox_img), bbox_img)`.

    Args:
      image: string [], the bytes of a JPEG, PNG or BMP; or uint8 [h, w, 3].
      out_shape: height and width, two ints; NONE ignores them.
      resize: a Resize. PAD_AND_RESIZE never enlarges.

    Returns:
      image: float32 [out_shape[0], out_shape[1], 3], minus MEAN.
      bbox_img: float32 [4], the whole image in the result's coordinates.

    Raises:
      ValueError: if `resize` is not one of Resize's values.
    """
    resize = Resize(resize)
    if image.dtype == tf.string:
        image = tf_image.decode(image)
    bbox_img = tf.constant([0.0, 0.0, 1.0, 1.0])
    if resize == Resize.NONE:
        image = tf.cast(image, tf.float32)
        return tf_image.subtract_mean(image, MEAN), bbox_img

    size = tf.constant(out_shape)
    if resize == Resize.WARP_RESIZE:
        image = tf.round(tf_image.resize(image, size))
    elif resize == Resize.PAD_AND_RESIZE:
        image = tf.round(tf_image.resize(image, _fitting(image, size)))
    else:
        image = tf.cast(image, tf.float32)
    image = tf_image.subtract_mean(image, MEAN)
    if resize != Resize.WARP_RESIZE:
        image, bbox_img = tf_image.crop_or_pad(image, size)
    return tf.ensure_shape(image, [*out_shape, 3]), bbox_img


def _uniforms(seed):
    """Returns one vector of random numbers, and how to split it."""
    sizes = [tf_image.NUM_COLOR_UNIFORMS, tf_image.NUM_EXPAND_UNIFORMS,
             tf_image.NUM_CROP_UNIFORMS, 1, 1]
    return tf.random.stateless_uniform([sum(sizes)], seed), sizes


def _to_pixels(crop, canvas):
    """Returns a relative crop as a window, never empty: int32 [4]."""
    # Caffe's CropImage: offset and size are each truncated.
    limits = tf.cast(canvas, tf.float32)
    low = tf.minimum(tf.cast(crop[:2] * limits, tf.int32), canvas - 1)
    size = tf.cast((crop[2:] - crop[:2]) * limits, tf.int32)
    return tf.concat([low, low + tf.maximum(size, 1)], 0)


def _visible(window, shape, out_shape):
    """Finds the part of a window that shows the image.

    Args:
      window: int32 [4], in pixels of the image, reaching beyond it or not.
      shape: int32 [2], the image's height and width.
      out_shape: int32 [2], what the window is resized to.

    Returns:
      source: int32 [4], the part in pixels of the image; reversed or empty
        if the window shows nothing of it.
      target: int32 [4], where that part goes in the result, at least one
        pixel wide and high.
    """
    size = window[2:] - window[:2]
    low = tf.maximum(window[:2], 0)
    high = tf.minimum(window[2:], shape)

    def to_target(position):
        doubled = (position - window[:2]) * out_shape * 2
        return (doubled + size) // (size * 2)  # To the nearest.

    target_low = tf.minimum(to_target(low), out_shape - 1)
    target_high = tf.maximum(to_target(high), target_low + 1)
    return tf.concat([low, high], 0), tf.concat([target_low, target_high], 0)


def _fitting(image, size):
    """Returns the largest size of the image's shape within size, int32 [2]."""
    shape = tf.shape(image)[:2]
    # The side that follows from the other one, if that fills its size.
    other = shape * tf.reverse(size, [0]) // tf.reverse(shape, [0])
    return tf.maximum(tf.minimum(tf.minimum(shape, size), other), 1)


def _twice(pair):
    return tf.cast(tf.tile(pair, [2]), tf.float32)


def _scale(bboxes, shape):
    return bboxes * _twice(shape)
