import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from datasets import image_files
from tests import scripts

PIXELS = cv2.GaussianBlur(np.random.RandomState(0).randint(
    0, 256, (40, 60, 3), np.uint8), (0, 0), 3)
ALPHA = np.dstack([PIXELS, PIXELS[..., 0]])


@pytest.fixture(scope='module')
def reader():
    with image_files.ImageReader() as image_reader:
        yield image_reader


def make_decodable(reader, content):
    image, = reader.make_decodable([content])
    if isinstance(image, ValueError):
        raise image
    return image


def encode(extension, pixels=PIXELS, *options):
    return cv2.imencode(extension, pixels, options)[1].tobytes()


def decode_with_tensorflow(content):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(tf.io.decode_image(
            tf.constant(content), channels=3, expand_animations=False))


def pillow_jpeg(mode='RGB', **options):
    """Returns a JPEG as OpenCV does not write it."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, 'JPEG', **options)
    return file.getvalue()


@pytest.mark.parametrize('content', [
    encode('.jpg'), encode('.jpg', PIXELS[..., 0]),
    encode('.jpg', PIXELS, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    encode('.jpg', PIXELS, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    encode('.jpg') + b'something behind the end',
    encode('.png'), encode('.png', PIXELS[..., 0]), encode('.png', ALPHA),
    encode('.png', PIXELS.astype(np.uint16) * 257),
    encode('.png', PIXELS[..., 0] // 128, cv2.IMWRITE_PNG_BILEVEL, 1)])
def test_keeps_the_bytes_of_jpeg_and_png(reader, content):
    image = make_decodable(reader, content)
    assert image.encoded == content and not image.is_reencoded
    assert (image.height, image.width) == (40, 60)
    assert decode_with_tensorflow(image.encoded).shape == (40, 60, 3)


@pytest.mark.parametrize('content', [
    encode('.bmp'), encode('.bmp', PIXELS[..., 0]), encode('.bmp', ALPHA),
    encode('.tiff'), pillow_jpeg('CMYK')])
def test_makes_others_png_of_the_same_pixels(reader, content):
    image = make_decodable(reader, content)
    assert image.format == b'PNG' and image.is_reencoded
    expected = cv2.imdecode(np.frombuffer(content, np.uint8),
                            cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(
        decode_with_tensorflow(image.encoded)[..., ::-1], expected)


def test_exif_orientation_is_ignored_as_tensorflow_does(reader):
    exif = Image.Exif()
    exif[0x112] = 6  # To be turned by 90 degrees.
    content = pillow_jpeg(exif=exif)
    # OpenCV would turn it, so the tag is right.
    assert cv2.imdecode(np.frombuffer(content, np.uint8),
                        cv2.IMREAD_COLOR).shape == (60, 40, 3)
    image = make_decodable(reader, content)
    assert (image.height, image.width) == (40, 60)
    assert decode_with_tensorflow(image.encoded).shape == (40, 60, 3)


def short_png():
    """Returns a PNG with right checksums and half of its data."""
    def chunk(kind, data):
        return (struct.pack('>I', len(data)) + kind + data
                + struct.pack('>I', zlib.crc32(kind + data)))

    header = struct.pack('>IIBBBBB', 60, 40, 8, 2, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header)
            + chunk(b'IDAT', zlib.compress(bytes(181 * 20)))
            + chunk(b'IEND', b''))


JPEG, PNG = encode('.jpg'), encode('.png')


@pytest.mark.parametrize('content, message', [
    (b'', 'the file is empty'),
    (b'<html>', 'not an image'),
    (JPEG[:20], 'not an image'),
    (JPEG[:len(JPEG) // 2], 'not an image, or a damaged one'),
    (JPEG[:-200], 'cut short: no end marker'),
    (JPEG[:-2], 'cut short: no end marker'),
    # Its quantisation tables are gone.
    (JPEG.replace(b'\xff\xdb', b'\xff\xe9'), 'JPEG is damaged: TensorFlow'),
    # OpenCV reads this one.
    (JPEG[:-12] + b'\xff\xc4\x00\x08' + JPEG[-8:], 'JPEG is damaged'),
    (PNG[:len(PNG) // 2], 'PNG is damaged: TensorFlow'),
    (PNG[:200] + bytes([PNG[200] ^ 1]) + PNG[201:], 'PNG is damaged'),
    (short_png(), 'PNG is damaged'),
    (encode('.bmp')[:40], 'not an image'),
])
def test_refuses_damaged_images(reader, content, message):
    with pytest.raises(ValueError, match=message):
        make_decodable(reader, content)


def test_many_are_checked_as_one_alone(reader):
    contents = [JPEG, PNG, encode('.bmp'), *[JPEG] * image_files.BATCH,
                JPEG.replace(b'\xff\xdb', b'\xff\xe9'), b'', *[
                    JPEG + bytes([i]) for i in range(2 * image_files.BATCH)]]
    outcomes = reader.make_decodable(contents)
    damaged, empty = outcomes[3 + image_files.BATCH:][:2]
    assert 'JPEG is damaged' in str(damaged)
    assert 'the file is empty' in str(empty)
    for content, image in zip(contents, outcomes, strict=True):
        if not isinstance(image, ValueError):
            assert image == make_decodable(reader, content)


BOMBS = """
import resource, struct
import datasets, cv2, numpy
side = struct.pack('<H', 30000)
gif = (b'GIF89a' + side + side + b'\\x80' + bytes(8) + b',' + bytes(4) + side
       + side + bytes.fromhex('0002024401003b'))
bmp = (b'BM' + struct.pack('<IIIIiiHHIIIIII', 102, 0, 54, 40, 30000, 30000, 1,
                           24, *[0] * 6) + bytes(48))
pnm = b'P6 30000 30000 255 ' + bytes(100)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for bomb in (gif, bmp, pnm):
    try:
        assert cv2.imdecode(numpy.frombuffer(bomb, 'u1'), 1) is None
    except cv2.error as error:
        assert 'pixels <= CV_IO_MAX_IMAGE' in str(error)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert after - before < 100 * 1024
"""


def test_small_files_that_claim_much_take_no_memory():
    subprocess.run([sys.executable, '-c', BOMBS], cwd=scripts.ROOT, check=True)


def test_a_jpeg_has_the_data_that_it_claims(reader, recwarn):
    sof = JPEG.index(b'\xff\xc0')
    for side, message in (
            (2000, f'its {len(JPEG)} bytes cannot be 2000 x 2000 pixels'),
            (11000, f'its {len(JPEG)} bytes cannot be 11000 x 11000 pixels'),
            (65000, '65000 x 65000 pixels are too many for TensorFlow')):
        content = (JPEG[:sof + 5] + struct.pack('>HH', side, side)
                   + JPEG[sof + 9:])
        with pytest.raises(ValueError, match=message):
            make_decodable(reader, content)
    assert not recwarn  # Pillow would warn of bombs.
    for options in ((), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1,
                         cv2.IMWRITE_JPEG_OPTIMIZE, 1)):
        content = encode('.jpg', np.zeros((3000, 3000), np.uint8), *options)
        assert make_decodable(reader, content).encoded == content
