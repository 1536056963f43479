"""Pixels of files: those that TensorFlow gives, without it."""
import io
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from datasets import image_pixels
from preprocessing import tf_image
from tests import scripts

PICTURE = Image.fromarray(np.random.default_rng(0).integers(
    0, 256, (33, 47, 3), np.uint8))


@pytest.mark.parametrize('image_format, mode, options', [
    ('JPEG', 'RGB', {}), ('JPEG', 'RGB', {'subsampling': 0}),
    ('JPEG', 'RGB', {'progressive': True, 'quality': 30}), ('JPEG', 'L', {}),
    ('PNG', 'RGB', {}), ('PNG', 'L', {}), ('PNG', 'P', {}),
    ('PNG', 'RGBA', {})])
def test_pixels_are_those_of_tensorflow(image_format, mode, options):
    file = io.BytesIO()
    PICTURE.convert(mode).save(file, image_format, **options)
    with tf.Graph().as_default(), tf.Session() as session:
        expected = session.run(tf_image.decode(tf.constant(file.getvalue())))
    np.testing.assert_array_equal(
        image_pixels.decode(file.getvalue()), expected)


def test_a_jpeg_that_is_cut_is_refused():
    file = io.BytesIO()
    PICTURE.save(file, 'JPEG')
    with pytest.raises(ValueError, match='^the JPEG is cut short: no end'):
        image_pixels.decode(file.getvalue()[:-9])


def test_no_tensorflow_is_needed():
    subprocess.run([sys.executable, '-c', (
        'import sys; from datasets import image_pixels; '
        'assert "tensorflow" not in sys.modules')], check=True,
        cwd=scripts.ROOT)
