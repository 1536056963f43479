"""Operations on one image and its objects: decode, resize, distort, sample.

Pure functions. Whatever is random takes its uniforms, float32 in [0, 1), as
an argument: the caller draws them all at once, from one seed. Images are RGB,
0..255, [height, width, 3]; a size or shape is int32 [2], height and width; a
bbox is [ymin, xmin, ymax, xmax], relative to the image.
"""
import enum
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from detection import boxes

# Caffe SSD, ssd_pascal.py, `train_transform_param` and `batch_sampler`.
BRIGHTNESS_DELTA = 32.0
CONTRAST_RANGE = SATURATION_RANGE = (0.5, 1.5)
HUE_DELTA = 18 / 180  # Of the full circle: 36 degrees.
EXPAND_RATIO = (1.0, 4.0)
CROP_SCALE = (0.3, 1.0)
CROP_ASPECT = (0.5, 2.0)
# The last one stands for Caffe's max_jaccard 1: any object will do.
CROP_MIN_JACCARDS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.0)
CROP_TRIALS = 50

# libjpeg's default, of OpenCV (Caffe) and Pillow; TensorFlow's is faster and
# off by 1 on average.
_AS_OPENCV = {'dct_method': 'INTEGER_ACCURATE'}

NUM_COLOR_UNIFORMS = 9
NUM_EXPAND_UNIFORMS = 4
NUM_CROP_UNIFORMS = len(CROP_MIN_JACCARDS) * CROP_TRIALS * 4 + 1


class Interpolation(enum.IntEnum):
    """OpenCV's interpolations, in the order of Caffe's `interp_mode`."""
    LINEAR = 0
    AREA = 1
    NEAREST = 2
    CUBIC = 3
    LANCZOS = 4


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the pixels of a JPEG, PNG, BMP or GIF: uint8 [h, w, 3].

    Grey becomes RGB; transparency is dropped; of a GIF the first frame.
    """
    return tf.cond(
        _is_jpeg(encoded),
        lambda: tf.image.decode_jpeg(encoded, channels=3, **_AS_OPENCV),
        lambda: _decode_other(encoded))


def decode_lazily(
        encoded: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
    """Decodes what must be decoded in order to know the image's size.

    Returns the size, and a function that takes a window's first y, x and its
    size (int32 [2] each, not empty, inside the image) to its pixels, uint8
    [h, w, 3]. Of a JPEG, only the header has been read by then, and only the
    window is decoded.
    """
    is_jpeg = _is_jpeg(encoded)
    shape, pixels = tf.cond(
        is_jpeg,
        lambda: (tf.image.extract_jpeg_shape(encoded)[:2],
                 tf.zeros([0, 0, 3], tf.uint8)),
        lambda: _with_shape(_decode_other(encoded)))

    def decode_window(low, size):
        return tf.cond(
            is_jpeg,
            lambda: tf.image.decode_and_crop_jpeg(
                encoded, tf.concat([low, size], 0), channels=3, **_AS_OPENCV),
            lambda: _slice(pixels, low, size))

    return tf.ensure_shape(shape, [2]), decode_window


def resize(image: tf.Tensor, size: tf.Tensor,
           interpolation: Interpolation = Interpolation.LINEAR) -> tf.Tensor:
    """Returns an image resized as OpenCV does, on half-pixel centres.

    LINEAR and AREA agree with OpenCV but for its fixed-point rounding.
    CUBIC has the kernel's a = -0.5 where OpenCV has -0.75; LANCZOS has 3
    lobes instead of 4; NEAREST takes the pixel under the centre instead of
    under the corner, so that the image is not shifted against its bboxes.
    The image is uint8 or float32; the result is float32, and with CUBIC and
    LANCZOS may overshoot 0..255.
    """
    # The raw operations: tf.image.resize wraps each in a dozen others.
    ops, kwargs = tf.raw_ops, {'images': image[None], 'size': size}
    if interpolation == Interpolation.LINEAR:
        resized = ops.ResizeBilinear(**kwargs, half_pixel_centers=True)
    elif interpolation == Interpolation.AREA:
        resized = ops.ResizeArea(**kwargs)
    elif interpolation == Interpolation.NEAREST:
        resized = tf.cast(ops.ResizeNearestNeighbor(
            **kwargs, half_pixel_centers=True), tf.float32)
    elif interpolation == Interpolation.CUBIC:
        resized = ops.ResizeBicubic(**kwargs, half_pixel_centers=True)
    else:
        scale = (tf.cast(size, tf.float32)
                 / tf.cast(tf.shape(image)[:2], tf.float32))
        resized = ops.ScaleAndTranslate(
            **kwargs, scale=scale, translation=[0.0, 0.0],
            kernel_type='lanczos3', antialias=False)
    return resized[0]


def resize_randomly(image: tf.Tensor, size: tf.Tensor,
                    uniform: tf.Tensor) -> tf.Tensor:
    """Resizes a uint8 image by one of the five: float32, within 0..255."""
    def resize_fn(mode):
        if mode in (Interpolation.CUBIC, Interpolation.LANCZOS):
            return lambda: tf.clip_by_value(
                resize(image, size, mode), 0.0, 255.0)
        return lambda: resize(image, size, mode)

    return tf.switch_case(tf.cast(uniform * len(Interpolation), tf.int32),
                          [resize_fn(mode) for mode in Interpolation])


def distort_color(image: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Changes brightness, contrast, saturation and hue as Caffe does.

    Each with probability 0.5; contrast comes before or after the two
    operations on hue and saturation; values saturate after each operation.
    Hue turns round the whole circle, where Caffe's 8-bit red stops at 0 in
    one direction only: an accident of its number format, not of colour. The
    image is float32, the uniforms are [NUM_COLOR_UNIFORMS].
    """
    is_contrast_first = uniforms[0] < 0.5
    active, amount = tf.unstack(uniforms[1:5] < 0.5), uniforms[5:]
    low, high = np.float32([
        (-BRIGHTNESS_DELTA, BRIGHTNESS_DELTA), CONTRAST_RANGE,
        SATURATION_RANGE, (-HUE_DELTA, HUE_DELTA)]).T
    brightness, contrast, saturation, hue = tf.unstack(
        low + amount * (high - low))

    def change_brightness(image):
        return tf.clip_by_value(image + brightness, 0.0, 255.0)

    def change_contrast(image):
        return tf.minimum(image * contrast, 255.0)

    def change_saturation(image):
        return tf.raw_ops.AdjustSaturation(images=image, scale=saturation)

    def change_hue(image):
        return tf.raw_ops.AdjustHue(images=image, delta=hue)

    for condition, change in (
            (active[0], change_brightness),
            (active[1] & is_contrast_first, change_contrast),
            (active[2], change_saturation), (active[3], change_hue),
            (active[1] & ~is_contrast_first, change_contrast)):
        image = _apply_if(condition, change, image)
    return image


def expand_canvas(shape: tf.Tensor,
                  uniforms: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Places an image of a shape on a larger canvas, with probability 0.5.

    The uniforms are [NUM_EXPAND_UNIFORMS]. Returns the canvas's shape, and
    y, x of the image's first pixel on it, int32 [2].
    """
    low, high = EXPAND_RATIO
    ratio = tf.where(
        uniforms[0] < 0.5, low + uniforms[1] * (high - low), 1.0)
    canvas = tf.cast(tf.cast(shape, tf.float32) * ratio, tf.int32)
    margin = tf.cast(canvas - shape, tf.float32)
    return canvas, tf.cast(uniforms[2:] * margin, tf.int32)


def sample_crop(bboxes: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Returns a random crop, a bbox, float32 [4]: Caffe's batch sampler.

    Of each of the samplers with a bound on the overlap, the first of its
    trials in which at least one object's jaccard overlap is at least the
    bound; then one crop among these and the whole image, all as likely.
    bboxes: float32 [num_objects, 4]; uniforms: [NUM_CROP_UNIFORMS].
    """
    crops = trial_crops(tf.reshape(uniforms[:-1], [4, -1]))
    overlaps = boxes.jaccard(crops[:, None], bboxes[None])
    best = tf.reshape(tf.reduce_max(overlaps, 1), [-1, CROP_TRIALS])
    is_good = best >= np.float32(CROP_MIN_JACCARDS)[:, None]
    # argmax gives the first of equals.
    first = tf.argmax(is_good, 1, output_type=tf.int32)
    first += np.arange(len(CROP_MIN_JACCARDS), dtype=np.int32) * CROP_TRIALS
    produced = tf.boolean_mask(first, tf.reduce_any(is_good, 1))
    # The whole image is the choice after the last produced crop.
    choices = tf.concat([produced, [crops.shape[0]]], 0)
    num_choices = tf.cast(tf.size(choices), tf.float32)
    choice = choices[tf.cast(uniforms[-1] * num_choices, tf.int32)]
    return tf.concat([crops, [[0.0, 0.0, 1.0, 1.0]]], 0)[choice]


def trial_crops(uniforms: tf.Tensor) -> tf.Tensor:
    """Returns crops of random scale, aspect ratio and place: [n, 4].

    Caffe's SampleBBox (sampler.cpp): the range of aspect ratios is first
    narrowed to those for which both sides are at most 1. The uniforms are
    [4, n]: scale, aspect ratio, y, x.
    """
    scale, aspect, y, x = tf.unstack(uniforms)
    scale = CROP_SCALE[0] + scale * (CROP_SCALE[1] - CROP_SCALE[0])
    low = tf.maximum(scale * scale, CROP_ASPECT[0])
    high = tf.minimum(1 / (scale * scale), CROP_ASPECT[1])
    root = tf.sqrt(low + aspect * (high - low))
    height = tf.minimum(scale / root, 1.0)
    width = tf.minimum(scale * root, 1.0)
    ymin, xmin = y * (1 - height), x * (1 - width)
    return tf.stack([ymin, xmin, ymin + height, xmin + width], 1)


def keep_centred(labels: tf.Tensor, bboxes: tf.Tensor,
                 window: tf.Tensor | Sequence[float] = (0.0, 0.0, 1.0, 1.0),
                 ) -> tuple[tf.Tensor, tf.Tensor]:
    """Keeps the objects whose centre is in the window, edges included.

    Returns int64 [m] labels and float32 [m, 4] bboxes of [n], clipped to the
    window; objects without area after that are dropped too.
    """
    window = tf.cast(window, bboxes.dtype)
    centres = (bboxes[:, :2] + bboxes[:, 2:]) / 2
    is_inside = tf.reduce_all(
        (centres >= window[:2]) & (centres <= window[2:]), 1)
    bboxes = boxes.clip(bboxes, window)
    kept = tf.where(is_inside & (boxes.area(bboxes) > 0))[:, 0]
    return tf.gather(labels, kept), tf.gather(bboxes, kept)


def flip_left_right(image: tf.Tensor,
                    bboxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns an image [h, w, 3] and its bboxes [n, 4], mirrored."""
    ymin, xmin, ymax, xmax = tf.unstack(bboxes, axis=1)
    bboxes = tf.stack([ymin, 1 - xmax, ymax, 1 - xmin], 1)
    return tf.reverse(image, [1]), bboxes


def flip_up_down(image: tf.Tensor,
                 bboxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns an image [h, w, 3] and its bboxes [n, 4], upside down."""
    ymin, xmin, ymax, xmax = tf.unstack(bboxes, axis=1)
    bboxes = tf.stack([1 - ymax, xmin, 1 - ymin, xmax], 1)
    return tf.reverse(image, [0]), bboxes


def flip_randomly(
        flip: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
        image: tf.Tensor, bboxes: tf.Tensor,
        uniform: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Does a flip of this file with probability 0.5."""
    return tf.cond(uniform < 0.5, lambda: flip(image, bboxes),
                   lambda: (image, bboxes))


def crop_or_pad(image: tf.Tensor,
                size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts a float32 image and pads it with zeros around its centre.

    Returns it and float32 [4]: the whole image, in coordinates of the result
    (outside 0..1 where it was cut).
    """
    shape = tf.shape(image)[:2]
    before = tf.maximum(shape - size, 0) // 2
    kept = tf.minimum(shape, size)
    low = (size - kept) // 2
    image = place(_slice(image, before, kept), low, size)
    offset = tf.cast(low - before, tf.float32)
    corners = tf.concat([offset, offset + tf.cast(shape, tf.float32)], 0)
    return image, corners / tf.cast(tf.tile(size, [2]), tf.float32)


def place(image: tf.Tensor, low: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Returns zeros of `size` with the image [h, w, 3] at y, x = low."""
    # As rows of width * 3 numbers: several times as fast.
    shape = tf.shape(image)
    rows = tf.reshape(image, [shape[0], shape[1] * 3])
    paddings = tf.stack([low, size - low - shape[:2]], 1) * [[1], [3]]
    return tf.reshape(tf.pad(rows, paddings), tf.concat([size, [3]], 0))


def normalise(image: tf.Tensor, mean: tuple[float, ...],
              scale: float) -> tf.Tensor:
    """Returns (image [h, w, 3] - mean colour) * scale, float32."""
    # As rows of w * 3 numbers: three times as fast as a broadcast [3].
    shape = tf.shape(image)
    rows = tf.reshape(image, [shape[0], shape[1] * 3])
    rows -= tf.tile(tf.constant(mean, tf.float32), shape[1:2])
    return tf.reshape(rows if scale == 1 else rows * scale, shape)


def _is_jpeg(encoded):
    return tf.equal(tf.strings.substr(encoded, 0, 3), b'\xff\xd8\xff')


def _decode_other(encoded):
    image = tf.image.decode_image(encoded, expand_animations=False)
    image = tf.ensure_shape(image, [None, None, None])
    # Not `channels=3`, which refuses a grey or a transparent BMP.
    is_colour = tf.cast(tf.shape(image)[2] >= 3, tf.int32)
    return tf.gather(image, tf.range(3) * is_colour, axis=2)


def _with_shape(image):
    return tf.shape(image)[:2], image


def _slice(image, low, size):
    return tf.slice(image, tf.pad(low, [[0, 1]]),
                    tf.pad(size, [[0, 1]], constant_values=3))


def _apply_if(condition, function, image):
    return tf.cond(condition, lambda: function(image), lambda: image)
