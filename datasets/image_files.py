"""Bytes of an image file -> bytes that TensorFlow decodes for certain.

Images are upright, as viewers and the tools of annotators show them: EXIF's
orientation is applied. JPEG and PNG that are upright stay as they are. A
turned JPEG is written anew as JPEG of quality 97, all of its colours (4:4:4),
without EXIF. What TensorFlow cannot read, or reads otherwise than OpenCV
(CMYK, arithmetic coding, other formats), is written anew as PNG, which loses
nothing of 8 bits. Of more bits, the range is scaled: other_images.scaled.
"""
import contextlib
from collections.abc import Sequence

import cv2
import numpy as np
import tensorflow.compat.v1 as tf

from common import threads
from datasets import image_pixels
from preprocessing import tf_image

# Of images that are checked in one call of TensorFlow, which takes about as
# long as the decoding of one.
BATCH = 16

_TURNED_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 97, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)

_TINY_JPEG = cv2.imencode('.jpg', np.zeros((1, 1), np.uint8))[1].tobytes()


class ImageReader(contextlib.AbstractContextManager):
    """Checks images by letting TensorFlow decode them; for many threads.

    Other programs read damaged files that TensorFlow refuses, so that it
    alone can tell. Use as a context manager, or call `close`.
    """

    def __init__(self):
        graph = tf.Graph()
        with graph.as_default():
            content = tf.placeholder(tf.string, [])
            pixels = tf_image.decode(content)
            jpegs = tf.placeholder(tf.string, [BATCH])
            # All of the data is read, but little is computed: of the
            # brightness alone, an eighth of the size.
            checks = [tf.io.decode_jpeg(jpeg, channels=1, ratio=8).op
                      for jpeg in tf.unstack(jpegs)]
        # The caller's threads work, and no others: handing over to another
        # takes half as long as the decoding.
        self._session = tf.Session(graph=graph, config=tf.ConfigProto(
            device_count={'GPU': 0}, inter_op_parallelism_threads=-1))
        self._check_jpegs = self._session.make_callable(checks, [jpegs])
        self._pixels = self._session.make_callable(pixels, [content])

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Frees the session."""
        self._session.close()

    def make_decodable(self, contents: Sequence[bytes],
                       ) -> list[image_pixels.Image | ValueError]:
        """Checks that images are whole and readable for TensorFlow.

        Returns an Image of each file; or a ValueError, if it is no image,
        damaged or too large. BATCH files are faster than one by one.
        """
        images = [_outcome(_undecoded, content) for content in contents]
        jpegs = [image.encoded for image in images
                 if not isinstance(image, ValueError)
                 and image.format == b'JPEG' and image.orientation == 1]
        checked = set()
        for batch in threads.batches(jpegs, BATCH):
            # One that is damaged is found by decoding all of them alone.
            with contextlib.suppress(tf.errors.OpError):
                self._check_jpegs(
                    batch + [_TINY_JPEG] * (BATCH - len(batch)))
                checked.update(map(id, batch))
        return [image if isinstance(image, ValueError)
                or image.repairs or id(image.encoded) in checked
                else _outcome(self._checked, image) for image in images]

    def _checked(self, image):
        """Returns the Image upright; raises ValueError if it is damaged."""
        pixels, repairs = image_pixels.upright(image, self._decode)
        if image.orientation == 1 and not repairs:
            return image
        return image._replace(encoded=_encode(pixels, image.format),
                              repairs=repairs)

    def _decode(self, content, image_format):
        try:
            return self._pixels(content)
        except tf.errors.OpError as error:
            raise ValueError(f'the {image_format.decode()} is damaged: '
                             'TensorFlow cannot decode it') from error


def _outcome(function, value):
    """Returns function(value), or the ValueError that it raised."""
    try:
        return function(value)
    except ValueError as error:
        return error


def _undecoded(content):
    """Returns the Image of a file; JPEG and PNG have not been decoded."""
    image = image_pixels.header(content)
    if image is not None:
        return image
    stored = image_pixels.stored(content)
    return image_pixels.Image(
        _encode(stored.pixels, b'PNG'), b'PNG', *stored.pixels.shape[:2],
        stored.orientation, (image_pixels.REENCODED_IMAGE, *stored.repairs))


def _encode(pixels, image_format):
    """Returns pixels, uint8 [height, width, 3], RGB, as bytes of a file."""
    options = _TURNED_JPEG if image_format == b'JPEG' else ()
    return cv2.imencode(f'.{image_format.decode().lower()}', cv2.cvtColor(
        pixels, cv2.COLOR_RGB2BGR), options)[1].tobytes()
