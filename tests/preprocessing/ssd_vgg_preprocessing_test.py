"""The training and evaluation recipes on whole images."""
import contextlib

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from detection import boxes
from preprocessing import preprocessing_factory
from preprocessing import resize_only
from preprocessing import ssd_vgg_mild
from preprocessing import ssd_vgg_mild_no_up
from preprocessing import ssd_vgg_preprocessing

Resize = ssd_vgg_preprocessing.Resize
MEAN = np.array(ssd_vgg_preprocessing.MEAN, np.float32)
OUT_SHAPE = (120, 100)


@pytest.fixture(scope='module')
def train():
    """The training recipe, built once, run on many seeds."""
    with _built(ssd_vgg_preprocessing) as run:
        yield run


@contextlib.contextmanager
def _built(preprocessing):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        inputs = (tf.placeholder(tf.string, []),
                  tf.placeholder(tf.int64, [None]),
                  tf.placeholder(tf.float32, [None, 4]))
        seed_input = tf.placeholder(tf.int64, [2])
        outputs = preprocessing.preprocess_for_train(
            *inputs, OUT_SHAPE, seed_input)
        assert outputs[0].shape == (*OUT_SHAPE, 3)
        # Nothing keeps a random state.
        assert {op.type for op in graph.get_operations()
                if 'Random' in op.type} <= {
                    'StatelessRandomUniformV2', 'StatelessRandomGetKeyCounter'}

        def run(encoded, bboxes, seed):
            bboxes = np.array(bboxes, np.float32).reshape(-1, 4)
            labels = np.arange(1, len(bboxes) + 1)
            return session.run(outputs, {
                **dict(zip(inputs, (encoded, labels, bboxes), strict=True)),
                seed_input: [seed, 1]})
        yield run


def encode(image, suffix='.jpg'):
    return cv2.imencode(suffix, image)[1].tobytes()


def evaluate(image, out_shape, resize=Resize.WARP_RESIZE):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(ssd_vgg_preprocessing.preprocess_for_eval(
            tf.constant(image), out_shape, resize))


def noise(height, width, seed=0):
    pixels = np.random.RandomState(seed).randint(0, 256, (5, 7, 3), np.uint8)
    return cv2.resize(pixels, (width, height))


def test_same_seed_same_result(train):
    encoded, bboxes = encode(noise(60, 80)), [[0.2, 0.2, 0.7, 0.6]]
    for seed in range(5):
        for first, second in zip(train(encoded, bboxes, seed),
                                 train(encoded, bboxes, seed), strict=True):
            np.testing.assert_array_equal(first, second)


def test_results_are_well_formed_over_many_seeds(train):
    encoded = encode(noise(90, 70))
    bboxes = [[0, 0, 0.4, 0.3], [0.5, 0.6, 1, 1], [0.3, 0.3, 0.35, 0.34]]
    numbers = set()
    for seed in range(200):
        image, labels, result = train(encoded, bboxes, seed)
        assert image.shape == (*OUT_SHAPE, 3)
        assert labels.dtype == np.int64 and len(labels) == len(result)
        assert result.min(initial=0) >= 0 and result.max(initial=0) <= 1
        assert (boxes.area(result) > 0).all()
        assert (image >= -MEAN - 1e-3).all()
        assert (image <= 255 - MEAN + 1e-3).all()
        numbers.add(len(labels))
    assert numbers == {0, 1, 2, 3}


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_pixels_follow_their_bboxes(train, suffix):
    # A bright rectangle on black: what is bright is in the bbox, and the
    # bbox is bright at its edges, within a pixel and the interpolation's.
    image = np.zeros((160, 120, 3), np.uint8)
    image[48:112, 36:90] = 255
    encoded, bboxes = encode(image, suffix), [[0.3, 0.3, 0.7, 0.75]]
    num_seen = 0
    for seed in range(150):
        result, labels, (*bbox,) = train(encoded, bboxes, seed)
        if not len(labels):
            continue
        num_seen += 1
        # Brightness, contrast and hue act on a grey image alike; the canvas
        # has a colour, so grey counts and its brightness.
        result = result + MEAN
        is_grey = np.ptp(result, axis=2) < 3
        bright = is_grey & (result.mean(2) > 0.5 * result[is_grey].max())
        ys, xs = np.where(bright)
        seen = [ys.min(), xs.min(), ys.max() + 1, xs.max() + 1]
        np.testing.assert_allclose(
            bbox[0] * np.tile(OUT_SHAPE, 2), seen, atol=1.01)
    assert num_seen > 100


def test_probability_of_no_change_in_geometry(train):
    # Not expanded, whole image: 1/2 * 1/7 or a little more, since samplers
    # without success drop out.
    encoded = encode(np.full((50, 50, 3), 128, np.uint8))
    whole = [[0.25, 0.25, 0.75, 0.5], [0.25, 0.5, 0.75, 0.75]]
    num_kept = 0
    for seed in range(400):
        _, _, result = train(encoded, whole[:1], seed)
        num_kept += len(result) and any(
            np.allclose(result, [one], atol=1e-5) for one in whole)
    assert 0.03 < num_kept / 400 < 0.16


def test_without_objects_the_whole_image_is_seen(train):
    encoded = encode(np.full((40, 40, 3), 255, np.uint8))
    for seed in range(20):
        result, labels, bboxes = train(encoded, [], seed)
        assert labels.shape == (0,) and bboxes.shape == (0, 4)
        is_image = (result != 0).any(2)
        assert is_image.mean() >= 1 / 16 - 0.01
        ys, xs = np.where(is_image)
        assert np.ptp(ys) + 1 == is_image.any(1).sum()


def test_mild():
    # No pixel of the canvas, 0 after the mean; half of the images and a
    # seventh or more of the others are whole, half of these mirrored.
    encoded = encode(np.full((50, 50, 3), 255, np.uint8))
    num_seeds, num_whole, num_mirrored = 200, 0, 0
    with _built(ssd_vgg_mild) as train:
        for seed in range(num_seeds):
            image, labels, result = train(
                encoded, [[0, 0, 1, 1], [0, 0, .25, .25]], seed)
            assert (np.abs(image) > 1e-3).any(2).all()
            # Gone where a crop does not hold its centre.
            assert (result[labels == 1] == [0, 0, 1, 1]).all()
            corners = result[labels == 2]
            is_mirrored = np.allclose(corners, [[0, .75, .25, 1]])
            num_mirrored += is_mirrored
            num_whole += is_mirrored or np.allclose(
                corners, [[0, 0, .25, .25]])
    assert .5 < num_whole / num_seeds < .75
    assert .35 < num_mirrored / num_whole < .65


def test_mild_without_an_up():
    # As mild does it, or that upside down, each half of the times.
    encoded = encode(noise(50, 50))
    bboxes = [[0, 0, 1, 1], [0, 0, .25, .25]]
    num_seeds, num_turned = 60, 0
    with _built(ssd_vgg_mild) as mild, _built(ssd_vgg_mild_no_up) as no_up:
        for seed in range(num_seeds):
            image, labels, expected = mild(encoded, bboxes, seed)
            result, same_labels, boxes_found = no_up(encoded, bboxes, seed)
            assert (labels == same_labels).all()
            if (result == image).all():
                assert (boxes_found == expected).all()
                continue
            num_turned += 1
            assert (result == image[::-1]).all()
            np.testing.assert_allclose(
                boxes_found, expected[:, [2, 1, 0, 3]] * [-1, 1, -1, 1]
                + [1, 0, 1, 0], atol=1e-6)
    assert .3 < num_turned / num_seeds < .7


def test_a_crop_beside_the_image_is_mean_without_objects(train):
    encoded = encode(np.full((40, 40, 3), 255, np.uint8))
    for seed in range(1000):
        image, labels, _ = train(encoded, [[0.4, 0.4, 0.5, 0.5]], seed)
        if not image.any():
            assert not len(labels)
            return
    pytest.fail('No crop was beside the image.')


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('shape, bbox, most', [
    ((1, 1, 3), [0, 0, 1, 1], 1),
    ((30, 40), [0, 0, 1, 1], 1),  # Grey.
    ((30, 30, 3), [0.5, 0.5, 0.5, 0.9], 0)])  # Without area: dropped.
def test_unusual_images_and_bboxes(train, suffix, shape, bbox, most):
    encoded = encode(np.full(shape, 200, np.uint8), suffix)
    for seed in range(20):
        image, labels, bboxes = train(encoded, [bbox], seed)
        assert image.shape == (*OUT_SHAPE, 3) and len(labels) <= most
        assert np.isfinite(image).all() and np.isfinite(bboxes).all()


def test_warp_is_opencv_on_bytes():
    image = noise(77, 51)
    result, bbox_img = evaluate(image, (60, 90))
    expected = cv2.resize(image, (90, 60), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(result + MEAN, expected, atol=1)
    np.testing.assert_array_equal(result, np.round(result))
    np.testing.assert_array_equal(bbox_img, [0, 0, 1, 1])


def test_eval_of_bytes_is_eval_of_pixels():
    image = noise(40, 30)
    from_bytes, _ = evaluate(encode(image, '.png'), (20, 20))
    from_pixels, _ = evaluate(image[..., ::-1].copy(), (20, 20))
    np.testing.assert_array_equal(from_bytes, from_pixels)


def test_no_resize():
    image = noise(12, 9)
    result, bbox_img = evaluate(image, (60, 90), Resize.NONE)
    np.testing.assert_array_equal(result, image - MEAN)
    np.testing.assert_array_equal(bbox_img, [0, 0, 1, 1])


def test_central_crop():
    image = noise(12, 8)
    result, bbox_img = evaluate(image, (6, 10), Resize.CENTRAL_CROP)
    expected = np.zeros((6, 10, 3))
    expected[:, 1:9] = image[3:9] - MEAN
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_allclose(bbox_img, [-0.5, 0.1, 1.5, 0.9])


@pytest.mark.parametrize('shape, bbox', [
    ((40, 16), [0, 0.3, 1, 0.7]),    # High: shrunk, padded at the sides.
    ((16, 40), [0.3, 0, 0.7, 1]),
    ((10, 10), [0, 0, 1, 1]),
    ((4, 6), [0.3, 0.2, 0.7, 0.8])])  # Small: not enlarged.
def test_pad_and_resize(shape, bbox):
    image = np.full((*shape, 3), 255, np.uint8)
    result, bbox_img = evaluate(image, (10, 10), Resize.PAD_AND_RESIZE)
    np.testing.assert_allclose(bbox_img, bbox, atol=1e-6)
    expected = np.zeros((10, 10, 3))
    ymin, xmin, ymax, xmax = np.round(np.array(bbox) * 10).astype(int)
    expected[ymin:ymax, xmin:xmax] = 255 - MEAN
    np.testing.assert_allclose(result, expected, atol=1e-4)


@pytest.mark.parametrize('resize', list(Resize))
def test_bbox_img_brings_bboxes_back(resize):
    _, bbox_img = evaluate(noise(40, 20), (30, 30), resize)
    bboxes = np.array([[0.4, 0.3, 0.6, 0.5]], np.float32)
    there = (bboxes * np.tile(bbox_img[2:] - bbox_img[:2], 2)
             + np.tile(bbox_img[:2], 2))
    back = boxes.resize(boxes.clip(there, bbox_img), bbox_img)
    np.testing.assert_allclose(back, bboxes, atol=1e-6)


def test_unknown_resize():
    with pytest.raises(ValueError, match='5 is not a valid Resize'):
        evaluate(noise(4, 4), (3, 3), 5)


def test_factory():
    get = preprocessing_factory.get_preprocessing
    assert get() is get('ssd_vgg') is ssd_vgg_preprocessing
    assert get('ssd_vgg_mild') is ssd_vgg_mild
    assert get('ssd_vgg_mild_no_up') is ssd_vgg_mild_no_up
    assert get('resize_only') is resize_only
    with pytest.raises(ValueError, match=(
            '^--preprocessing_name=vgg: unknown preprocessing; known: '
            'resize_only, ssd_vgg, ssd_vgg_mild, ssd_vgg_mild_no_up.$')):
        get('vgg')
