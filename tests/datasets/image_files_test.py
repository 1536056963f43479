import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from datasets import image_files
from tests import scripts

ROOT = scripts.ROOT
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


def cmyk_jpeg():
    """Returns a JPEG of four components: a grey one, its scan relabelled.

    The header is of one component; each is given the same tables, and four
    scans follow one another.
    """
    grey = encode('.jpg', PIXELS[..., 0])
    sof = grey.index(b'\xff\xc0')
    sos = grey.index(b'\xff\xda')
    scan = grey[sos + 10:-2]
    header = (b'\xff\xc0' + struct.pack('>HBHHB', 20, 8, 40, 60, 4)
              + b''.join(bytes([i, 0x11, 0]) for i in range(1, 5)))
    scans = b''.join(b'\xff\xda\x00\x08\x01' + bytes([i, 0, 0, 63, 0]) + scan
                     for i in range(1, 5))
    return grey[:sof] + header + grey[sof + 13:sos] + scans + b'\xff\xd9'


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
    encode('.tiff'), cmyk_jpeg()])
def test_makes_others_png_of_the_same_pixels(reader, content):
    image = make_decodable(reader, content)
    assert image.format == b'PNG' and image.is_reencoded
    expected = cv2.imdecode(np.frombuffer(content, np.uint8),
                            cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(
        decode_with_tensorflow(image.encoded)[..., ::-1], expected)


def exif_jpeg():
    """Returns a JPEG that says it must be turned by 90 degrees."""
    tiff = b'II*\x00\x08\x00\x00\x00\x01\x00' + struct.pack(
        '<HHIHHI', 0x112, 3, 1, 6, 0, 0)
    exif = b'Exif\x00\x00' + tiff
    content = encode('.jpg')
    return (content[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2)
            + exif + content[2:])


def test_exif_orientation_is_ignored_as_tensorflow_does(reader):
    content = exif_jpeg()
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


def test_refuses_what_is_too_large_for_tensorflow(reader):
    sof = JPEG.index(b'\xff\xc0')
    content = (JPEG[:sof + 5] + struct.pack('>HH', 65000, 65000)
               + JPEG[sof + 9:])
    with pytest.raises(ValueError, match='65000 x 65000 pixels are too many'):
        make_decodable(reader, content)


def test_many_are_checked_as_one_alone(reader):
    contents = [JPEG, PNG, encode('.bmp'), *[JPEG] * image_files.BATCH,
                JPEG.replace(b'\xff\xdb', b'\xff\xe9'), b'', *[
                    JPEG + bytes([i]) for i in range(2 * image_files.BATCH)]]
    outcomes = reader.make_decodable(contents)
    assert len(outcomes) == len(contents)
    damaged, empty = outcomes[3 + image_files.BATCH:][:2]
    assert 'JPEG is damaged' in str(damaged)
    assert 'the file is empty' in str(empty)
    for content, image in zip(contents, outcomes, strict=True):
        if not isinstance(image, ValueError):
            assert image == make_decodable(reader, content)


BOMBS = """
import resource, struct, sys
from datasets import image_files
sys.stdout.reconfigure(line_buffering=True)
side = struct.pack('<H', 30000)
gif = (b'GIF89a' + side + side + b'\\x80' + bytes(8) + b',' + bytes(4) + side
       + side + bytes.fromhex('0002024401003b'))
vp8l = b'\\x2f' + (16383 | 16383 << 14).to_bytes(4, 'little') + bytes(9)
webp = (b'WEBPVP8L' + struct.pack('<I', len(vp8l)) + vp8l)
webp = b'RIFF' + struct.pack('<I', len(webp)) + webp
bmp = (b'BM' + struct.pack('<IIIIiiHHIIIIII', 102, 0, 54, 40, 30000, 30000, 1,
                           24, *[0] * 6) + bytes(48))
pnm = b'P6 30000 30000 255 ' + bytes(100)
with image_files.ImageReader() as reader:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for error in reader.make_decodable([gif, webp, bmp, pnm]):
        print(error)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024)
"""


def test_small_files_that_claim_much_take_no_memory():
    process = subprocess.run(
        [sys.executable, '-c', BOMBS], cwd=ROOT, text=True, timeout=100,
        capture_output=True, check=True)
    *errors, megabytes = process.stdout.splitlines()
    assert len(errors) == 4
    for error in errors:
        assert ('OpenCV cannot decode it: pixels <= CV_IO_MAX_IMAGE' in error
                # A GIF, to OpenCV 4.11.
                or error == 'not an image, or a damaged one')
    assert int(megabytes) < 100


def test_a_jpeg_has_the_data_that_it_claims(reader):
    sof = JPEG.index(b'\xff\xc0')
    for side in (2000, 11000):
        content = (JPEG[:sof + 5] + struct.pack('>HH', side, side)
                   + JPEG[sof + 9:])
        with pytest.raises(ValueError, match=(
                f'its {len(JPEG)} bytes cannot be {side} x {side} pixels')):
            make_decodable(reader, content)
    for options in ((), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1,
                         cv2.IMWRITE_JPEG_OPTIMIZE, 1)):
        content = encode('.jpg', np.zeros((3000, 3000), np.uint8), *options)
        assert make_decodable(reader, content).encoded == content
