import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import features
from PIL import Image

from datasets import image_files
from datasets import image_pixels
from datasets import other_images
from datasets import records
from tests import scripts
from tests import voc_files

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
    assert image.encoded == content and not image.repairs
    assert (image.height, image.width) == (40, 60)
    assert decode_with_tensorflow(image.encoded).shape == (40, 60, 3)


@pytest.mark.parametrize('content', [
    encode('.bmp'), encode('.bmp', PIXELS[..., 0]), encode('.bmp', ALPHA),
    encode('.tiff'), pillow_jpeg('CMYK')])
def test_makes_others_png_of_the_same_pixels(reader, content):
    image = make_decodable(reader, content)
    assert image.format == b'PNG' and image.repairs == ('reencoded_image',)
    expected = cv2.imdecode(np.frombuffer(content, np.uint8),
                            cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(
        decode_with_tensorflow(image.encoded)[..., ::-1], expected)


# Upright: red, green in the corners above, blue in the left one below.
CORNERS = np.full((64, 96, 3), 128, np.uint8)
CORNERS[:32, :32], CORNERS[:32, -32:], CORNERS[-32:, :32] = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255))
# What is done to the upright image to store it.
STORE = {
    1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud,
    5: lambda x: x.swapaxes(0, 1), 6: np.rot90,
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1), 8: lambda x: np.rot90(x, -1)}


def stored(image_format, orientation, **options):
    """Returns a file of CORNERS that EXIF has turned upright."""
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x112] = orientation
    Image.fromarray(np.ascontiguousarray(STORE[orientation](CORNERS))).save(
        file, image_format, exif=exif, **options)
    return file.getvalue()


def check_corners(pixels):
    # Inside of the areas: what compresses blurs their edges.
    assert pixels.shape == CORNERS.shape
    middles = np.ix_((16, 48), (16, 48, 80))
    np.testing.assert_allclose(
        pixels[middles].astype(int), CORNERS[middles], atol=20)


@pytest.mark.parametrize('image_format, orientation', [
    *(('JPEG', orientation) for orientation in STORE),
    ('PNG', 6), ('PNG', 4), ('WEBP', 7), ('TIFF', 1), ('TIFF', 6),
    ('TIFF', 2)])
def test_images_are_upright(reader, tmp_path, image_format, orientation):
    options = {} if image_format in ('PNG', 'TIFF') else {'quality': 95}
    content = stored(image_format, orientation, **options)
    image = make_decodable(reader, content)
    (tmp_path / 'x').write_bytes(content)
    assert image.orientation == orientation
    assert (image.height, image.width) == (64, 96)
    assert image.format == (b'JPEG' if image_format == 'JPEG' else b'PNG')
    assert (image.encoded == content) == (
        orientation == 1 and image_format == 'JPEG')
    for pixels in (image_pixels.read(str(tmp_path / 'x')),
                   decode_with_tensorflow(image.encoded)):
        check_corners(pixels)
    # Nothing is turned again.
    again = make_decodable(reader, image.encoded)
    assert again.encoded == image.encoded and again.orientation == 1


@pytest.mark.parametrize('orientation, is_stored', [
    *((orientation, False) for orientation in STORE),
    *((orientation, True) for orientation in (1, 5, 6, 7, 8))])
def test_boxes_lie_on_their_objects(tmp_path, orientation, is_stored):
    drawn = STORE[orientation](CORNERS) if is_stored else CORNERS
    ys, xs = np.nonzero((drawn == (0, 255, 0)).all(2))
    voc_files.put(
        tmp_path, 'x', [('green', (xs.min(), ys.min(), xs.max() + 1,
                                   ys.max() + 1))],
        content=stored('JPEG', orientation), size=drawn.shape[1::-1])
    scripts.write_records(tmp_path, tmp_path, 'toy', labels=['green'])
    sample, = records.read_samples([str(tmp_path / 'toy_000.tfrecord')])
    pixels = decode_with_tensorflow(sample.encoded)
    assert pixels.shape == (sample.height, sample.width, 3) == (64, 96, 3)
    np.testing.assert_allclose(sample.bboxes, [[0, 2 / 3, .5, 1]], atol=1e-6)
    top, left, bottom, right = (
        sample.bboxes[0] * [64, 96, 64, 96]).round().astype(int)
    colours = pixels[top + 4:bottom - 4, left + 4:right - 4].astype(int)
    np.testing.assert_allclose(colours, 0 * colours + (0, 255, 0), atol=30)


def test_exif_that_is_damaged_turns_nothing(reader, recwarn):
    exif = Image.Exif()
    exif[0x112] = 6
    exif = b'Exif\0\0' + exif.tobytes().removeprefix(b'Exif\0\0')
    for damaged in (exif[:9], exif[:16], exif.replace(b'\0\6\0', b'\0\x99\0'),
                    b'Exif\0\0nothing at all', b'Exif\0\0'):
        content = pillow_jpeg(exif=damaged)
        assert make_decodable(reader, content).encoded == content
    assert not recwarn


def test_orientation_is_read_in_any_byte_order(reader):
    for order, mark in (('<', b'II*\0'), ('>', b'MM\0*')):
        exif = b'Exif\0\0' + mark + struct.pack(
            f'{order}IHHHIHHI', 8, 1, 0x112, 3, 1, 8, 0, 0)
        assert make_decodable(
            reader, pillow_jpeg(exif=exif)).orientation == 8


def animated(image_format):
    file = io.BytesIO()
    first, second = (Image.new('RGB', (6, 4), colour)
                     for colour in ('red', 'blue'))
    options = {'lossless': True} if image_format == 'WEBP' else {}
    first.save(file, image_format, save_all=True, append_images=[second],
               **options)
    return file.getvalue()


@pytest.mark.parametrize('image_format', ['GIF', 'WEBP', 'TIFF'])
def test_of_several_frames_the_first_is_taken(reader, image_format):
    image = make_decodable(reader, animated(image_format))
    assert image.repairs == ('reencoded_image', 'first_frame')
    assert (decode_with_tensorflow(image.encoded) == (255, 0, 0)).all()


def test_of_an_animated_png_the_picture_is_taken():
    """Where a frame's chunk is damaged too, which OpenCV may hang on."""
    content = animated('PNG')
    for damaged in content, content.replace(b'fcTL', b'fkTL', 1):
        pixels = other_images.decode_as_stored(damaged)
        assert pixels.shape == (4, 6, 3) and (pixels == (255, 0, 0)).all()


def test_avif(reader):
    if not features.check('avif'):
        pytest.skip('Pillow has no AVIF here')
    image = make_decodable(reader, stored('AVIF', 1, quality=95))
    assert image.repairs == ('reencoded_image',)
    check_corners(decode_with_tensorflow(image.encoded))
    assert make_decodable(reader, stored('AVIF', 6)).height == 64


def test_heic_is_read_or_the_package_is_named(reader, monkeypatch):
    header = b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + bytes(400)
    monkeypatch.setattr(other_images, '_pillow_formats', lambda: ['GIF'])
    with pytest.raises(ValueError, match='pip install pillow-heif'):
        make_decodable(reader, header)
    monkeypatch.undo()
    pillow_heif = pytest.importorskip('pillow_heif')
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(CORNERS)).save(file, quality=95)
    check_corners(decode_with_tensorflow(
        make_decodable(reader, file.getvalue()).encoded))


RAMP = np.arange(24, dtype=np.uint16).reshape(4, 6)


@pytest.mark.parametrize('extension, pixels, expected', [
    # All that 16 bits hold; as TensorFlow reads a PNG.
    ('.tiff', RAMP * 2849, RAMP * 2849 / 257),
    ('.pgm', RAMP * 2849, RAMP * 2849 / 257),
    # Of 12 bits: from the least to the largest.
    ('.png', RAMP * 100 + 1000, RAMP * 255 / 23),
    ('.tiff', RAMP * 100 + 1000, RAMP * 255 / 23),
    ('.tiff', RAMP.astype(np.float32) / 100 - 5, RAMP * 255 / 23),
    ('.png', RAMP * 0 + 7, RAMP * 0)])
def test_more_than_8_bits_are_scaled(reader, tmp_path, extension, pixels,
                                     expected):
    content = encode(extension, pixels)
    image = make_decodable(reader, content)
    assert image.repairs == ('reencoded_image', 'scaled_range')
    (tmp_path / 'x').write_bytes(content)
    for found in (decode_with_tensorflow(image.encoded),
                  image_pixels.read(str(tmp_path / 'x'))):
        np.testing.assert_array_equal(
            found, np.repeat(np.floor(expected + .5)[..., None], 3, 2))


def test_more_than_8_bits_are_turned(reader):
    file = io.BytesIO()
    Image.fromarray(np.rot90(RAMP * 2849).copy()).save(
        file, 'TIFF', tiffinfo={0x112: 6})
    image = make_decodable(reader, file.getvalue())
    assert (image.height, image.width, image.orientation) == (4, 6, 6)
    np.testing.assert_array_equal(
        decode_with_tensorflow(image.encoded)[..., 0],
        np.floor(RAMP * 2849 / 257 + .5))


def test_what_is_no_number_is_the_least(reader):
    pixels = np.array([[np.nan, 1, 2], [np.inf, 3, -np.inf]], np.float32)
    found = decode_with_tensorflow(make_decodable(
        reader, encode('.tiff', pixels)).encoded)
    assert found[..., 0].tolist() == [[0, 0, 128], [255, 255, 0]]


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
    (b' <!DOCTYPE HTML><html>', 'not an image, but a web page'),
    (b'version https://git-lfs.github.com/spec/v1', 'a pointer of Git LFS'),
    (b'\0\0\0\x18ftypavif' + bytes(400), 'not an image, or a damaged one|AVIF'),
    (encode('.webp')[:300], 'a damaged WEBP|not an image'),
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


def claiming(content, first, width, height, form='<HH'):
    """Returns a file whose header tells another size."""
    size = struct.pack(form, width, height)
    return content[:first] + size + content[first + len(size):]


@pytest.mark.parametrize('content, message', [
    (claiming(animated('GIF'), 6, 5000, 4000),
     'the GIF is damaged: its [0-9]+ bytes cannot be 4000 x 5000 pixels'),
    (claiming(animated('GIF'), 6, 11000, 10000), '^10000 x 11000 pixels are '
     'too many; at most 67108864: make it smaller, or a JPEG or PNG'),
    (claiming(animated('GIF'), 6, 60000, 60000), '^3600000000 pixels are too'),
    (claiming(encode('.bmp'), 18, 5000, 4000, '<II'), 'the BMP is damaged: '),
    (claiming(encode('.bmp'), 18, 9000, 9000, '<II'), '^9000 x 9000 pixels'),
    (b'P6 9000 9000 255 ' + bytes(9), '^9000 x 9000 pixels are too many')])
def test_too_many_pixels_are_refused_before_they_are_decoded(
        reader, content, message):
    with pytest.raises(ValueError, match=message):
        make_decodable(reader, content)


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
