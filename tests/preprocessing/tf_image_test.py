"""Operations on images and objects, each alone."""
import colorsys

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from detection import boxes
from preprocessing import tf_image

COLORS = np.array([[[200, 40, 10], [30, 120, 90], [250, 250, 250]]],
                  np.float32)


def evaluate(tensors, feed=None):
    with tf.Session() as session:
        return session.run(tensors, feed)


def noise(height, width, seed=0):
    pixels = np.random.RandomState(seed).randint(0, 256, (4, 6, 3), np.uint8)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)


def encode(image, suffix):
    return cv2.imencode(suffix, image)[1].tobytes()


# Decoding.

GREY, COLOR = np.full((5, 7), 90, np.uint8), noise(5, 7)
GREY_RGB = np.dstack([GREY] * 3)


@pytest.mark.parametrize('suffix, image, expected', [
    ('.png', COLOR, COLOR[..., ::-1]), ('.bmp', COLOR, COLOR[..., ::-1]),
    ('.png', GREY, GREY_RGB), ('.jpg', GREY, GREY_RGB),
    ('.png', np.dstack([COLOR, GREY]), COLOR[..., ::-1])])  # Transparent.
def test_decode_gives_rgb(suffix, image, expected):
    np.testing.assert_array_equal(
        evaluate(tf_image.decode(encode(image, suffix))), expected)


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_decode_lazily_gives_the_window_of_the_whole(suffix):
    encoded = tf.constant(encode(noise(64, 48), suffix))
    shape, decode_window = tf_image.decode_lazily(encoded)
    shape, window, whole = evaluate(
        [shape, decode_window([7, 9], [33, 39]),
         tf_image.decode(encoded)])
    np.testing.assert_array_equal(shape, [64, 48])
    # At its edges a decoded JPEG window interpolates colour otherwise.
    np.testing.assert_allclose(window.astype(int), whole[7:40, 9:48],
                               atol=8 if suffix == '.jpg' else 0)


# Resizing.

@pytest.mark.parametrize('size', [(30, 30), (90, 100)])
@pytest.mark.parametrize('mode, cv2_mode, atol', [
    (tf_image.Interpolation.LINEAR, cv2.INTER_LINEAR, 1),
    (tf_image.Interpolation.AREA, cv2.INTER_AREA, 1),
    (tf_image.Interpolation.CUBIC, cv2.INTER_CUBIC, 4),
    (tf_image.Interpolation.LANCZOS, cv2.INTER_LANCZOS4, 4)])
def test_resize_is_opencv_s(mode, cv2_mode, atol, size):
    image = noise(48, 64)
    resized = evaluate(tf_image.resize(image, size, mode))
    expected = cv2.resize(image, size[::-1], interpolation=cv2_mode)
    np.testing.assert_allclose(np.clip(resized, 0, 255), expected, atol=atol)


def test_resize_nearest_takes_the_pixel_under_the_centre():
    image = np.arange(6, dtype=np.uint8)[None, :, None] * [1, 1, 1]
    resized = evaluate(tf_image.resize(
        image.astype(np.uint8), [1, 2], tf_image.Interpolation.NEAREST))
    np.testing.assert_array_equal(resized[0, :, 0], [1, 4])


def test_resize_randomly_gives_each_interpolation_a_fifth():
    image = noise(20, 20)
    results = evaluate([tf_image.resize_randomly(image, [9, 7], (i + 0.5) / 5)
                        for i in range(5)])
    expected = evaluate([tf_image.resize(image, [9, 7], mode)
                         for mode in tf_image.Interpolation])
    np.testing.assert_allclose(results, np.clip(expected, 0, 255), atol=1e-4)


# Colour. Uniforms: order, four for whether, four for how much.

def distort(order=0.0, **amounts):
    names = ['brightness', 'contrast', 'saturation', 'hue']
    uniforms = [order, *(0.0 if name in amounts else 0.9 for name in names),
                *(amounts.get(name, 0.5) for name in names)]
    return evaluate(tf_image.distort_color(
        tf.constant(COLORS), tf.constant(uniforms, tf.float32)))


@pytest.mark.parametrize('changes, expected', [
    ({}, COLORS),
    ({'brightness': 1.0}, np.minimum(COLORS + 32, 255)),
    ({'brightness': 0.0}, np.maximum(COLORS - 32, 0)),
    ({'order': 0.0, 'contrast': 0.75}, np.minimum(COLORS * 1.25, 255)),
    ({'order': 0.9, 'contrast': 0.75}, np.minimum(COLORS * 1.25, 255))])
def test_brightness_adds_and_contrast_multiplies(changes, expected):
    np.testing.assert_allclose(distort(**changes), expected)


@pytest.mark.parametrize('amounts, change', [
    ({'saturation': 0.0}, lambda h, s, v: (h, s / 2, v)),
    ({'saturation': 1.0}, lambda h, s, v: (h, min(s * 1.5, 1), v)),
    ({'hue': 0.0}, lambda h, s, v: ((h - 0.1) % 1, s, v)),
    ({'hue': 1.0}, lambda h, s, v: ((h + 0.1) % 1, s, v))])
def test_saturation_and_hue_change_it_alone(amounts, change):
    before, after = (
        [colorsys.rgb_to_hsv(*pixel / 255) for pixel in pixels[0, :2]]
        for pixels in (COLORS, distort(**amounts)))
    np.testing.assert_allclose(
        after, [change(*pixel) for pixel in before], atol=1e-3)


def test_order_decides_whether_contrast_comes_first():
    # Saturation of a clipped colour: 200 * 1.5 is cut to 255 first, or last.
    first = distort(0.0, contrast=1.0, saturation=0.0)[0, 0]
    last = distort(0.9, contrast=1.0, saturation=0.0)[0, 0]
    np.testing.assert_allclose(first, [255, 157.5, 135], atol=0.1)
    np.testing.assert_allclose(last, [255, 180, 157.5], atol=0.1)


# Expansion and crops.

def test_expand_canvas():
    shape = tf.constant([100, 50])
    for uniforms, canvas, offset in [
            ([0.5, 0.9, 0.9, 0.9], [100, 50], [0, 0]),
            ([0.4, 0.0, 0.9, 0.9], [100, 50], [0, 0]),
            ([0.4, 0.5, 0.0, 0.999], [250, 125], [0, 74]),
            ([0.0, 1.0, 0.5, 0.5], [400, 200], [150, 75])]:
        result = evaluate(tf_image.expand_canvas(
            shape, tf.constant(uniforms)))
        np.testing.assert_array_equal(result, [canvas, offset])


def test_trial_crops_have_caffe_s_scales_and_aspects():
    uniforms = np.random.RandomState(1).rand(4, 5000).astype(np.float32)
    crops = evaluate(tf_image.trial_crops(tf.constant(uniforms)))
    heights, widths = (crops[:, 2:] - crops[:, :2]).T
    scale = 0.3 + 0.7 * uniforms[0]
    np.testing.assert_allclose(heights * widths, scale ** 2, rtol=1e-4)
    aspects = widths / heights
    assert 0.5 - 1e-4 < aspects.min() < 0.55 and 1.9 < aspects.max() < 2.0001
    assert crops.min() >= 0 and crops.max() < 1 + 1e-6


def test_sample_crop_is_caffe_s_loop_of_one_trial_after_another():
    bboxes = np.array([[0.1, 0.2, 0.4, 0.5], [0.3, 0.3, 0.9, 0.8]],
                      np.float32)
    uniforms = tf.placeholder(tf.float32, [tf_image.NUM_CROP_UNIFORMS])
    outputs = (tf_image.sample_crop(tf.constant(bboxes), uniforms),
               tf_image.trial_crops(tf.reshape(uniforms[:-1], [4, -1])))
    random = np.random.RandomState(2)
    with tf.Session() as session:
        for _ in range(30):
            drawn = random.rand(uniforms.shape[0]).astype(np.float32)
            got, trials = session.run(outputs, {uniforms: drawn})
            best = boxes.jaccard(trials[:, None], bboxes).max(1)
            produced = []
            for bound, *sampler in zip(
                    tf_image.CROP_MIN_JACCARDS, np.split(best, 6),
                    np.split(trials, 6), strict=True):
                for overlap, crop in zip(*sampler, strict=True):
                    if overlap >= bound:
                        produced.append(crop)
                        break
            produced.append([0, 0, 1, 1])
            np.testing.assert_allclose(
                got, produced[int(drawn[-1] * len(produced))], atol=1e-6)


def test_sample_crop_without_objects_is_the_whole_image():
    uniforms = tf.random.stateless_uniform(
        [tf_image.NUM_CROP_UNIFORMS], [1, 2])
    crop = evaluate(tf_image.sample_crop(tf.zeros([0, 4]), uniforms))
    np.testing.assert_array_equal(crop, [0, 0, 1, 1])


def test_sample_crop_is_a_uniform_choice():
    # An object as large as the image: the bounds .1 and none are met at
    # once, .9 hardly ever; so the whole image has 1/7 to 1/6.
    seed = tf.placeholder(tf.int64, [2])
    crop = tf_image.sample_crop(
        tf.constant([[0.0, 0.0, 1.0, 1.0]]),
        tf.random.stateless_uniform([tf_image.NUM_CROP_UNIFORMS], seed))
    with tf.Session() as session:
        crops = np.array([session.run(crop, {seed: [i, 3]})
                          for i in range(1500)])
    is_whole = (crops == [0, 0, 1, 1]).all(1)
    assert 0.115 < is_whole.mean() < 0.195  # Three standard deviations.


# Objects.

def test_keep_centred_keeps_centres_on_the_edge_and_clips():
    bboxes = tf.constant([
        [0.0, 0.0, 0.4, 0.4],      # Centre outside.
        [0.1, 0.3, 0.375, 0.6],    # Just outside.
        [0.125, 0.3, 0.375, 0.6],  # On the edge.
        [0.4, 0.3, 0.4, 0.6],      # Without area.
        [0.3, 0.3, 0.6, 0.6]])     # Inside.
    window = (0.25, 0.25, 0.75, 0.5)
    labels, kept = evaluate(tf_image.keep_centred(
        tf.constant([1, 2, 3, 4, 5], tf.int64), bboxes, window))
    np.testing.assert_array_equal(labels, [3, 5])
    np.testing.assert_allclose(
        kept, [[0.25, 0.3, 0.375, 0.5], [0.3, 0.3, 0.6, 0.5]])
    labels, kept = evaluate(tf_image.keep_centred(
        tf.zeros([0], tf.int64), tf.zeros([0, 4]), window))
    assert labels.shape == (0,) and kept.shape == (0, 4)


def test_flip_left_right():
    image = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    flipped, bboxes = evaluate(tf_image.flip_left_right(
        tf.constant(image), tf.constant([[0.1, 0.2, 0.3, 0.6]])))
    np.testing.assert_array_equal(flipped, image[:, ::-1])
    np.testing.assert_allclose(bboxes, [[0.1, 0.4, 0.3, 0.8]])


def test_flip_up_down():
    image = np.arange(6, dtype=np.float32).reshape(2, 1, 3)
    flipped, bboxes = evaluate(tf_image.flip_up_down(
        tf.constant(image), tf.constant([[0.1, 0.2, 0.3, 0.6]])))
    np.testing.assert_array_equal(flipped, image[::-1])
    np.testing.assert_allclose(bboxes, [[0.7, 0.2, 0.9, 0.6]])


# Cutting and padding.

@pytest.mark.parametrize('size, rows, bbox', [
    ([2, 2], [1, 2], [-0.5, -0.5, 1.5, 1.5]),
    ([6, 6], [None, 0, 1, 2, 3, None], [1 / 6, 1 / 6, 5 / 6, 5 / 6]),
    ([5, 5], [0, 1, 2, 3, None], [0, 0, 0.8, 0.8])])
def test_crop_or_pad(size, rows, bbox):
    image = np.arange(1, 17, dtype=np.float32).reshape(4, 4, 1) * [1, 1, 1]
    result, bbox_img = evaluate(tf_image.crop_or_pad(
        tf.constant(image, tf.float32), tf.constant(size)))
    expected = np.zeros([*size, 3])
    kept = [i for i, row in enumerate(rows) if row is not None]
    source = [row for row in rows if row is not None]
    expected[np.ix_(kept, kept)] = image[np.ix_(source, source)]
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_allclose(bbox_img, bbox, rtol=1e-6)


def test_normalise():
    image = tf.constant(np.full((2, 3, 3), 100, np.float32))
    for scale, expected in ((1, [99, 98, 97]), (.5, [49.5, 49, 48.5])):
        result = evaluate(tf_image.normalise(image, (1.0, 2.0, 3.0), scale))
        np.testing.assert_array_equal(result, np.full((2, 3, 3), expected))
