"""What reads each kind of file, for fuzz_inputs.py.

A reader is a context manager. `path`: where the damaged file goes; `named`:
the path that messages must have; `examples`: whole files to be damaged;
`read()`: reads the damaged one, to the last of its parts.
"""
import contextlib
import pathlib

import cv2
import numpy as np
import tensorflow.compat.v1 as tf

from datasets import conversion
from datasets import dataset_factory
from datasets import image_files
from datasets import label_map
from datasets import records
from datasets import samples
from datasets import tfrecords
from datasets.shapes import synthetic_shapes
from datasets.voc import annotations
from datasets.voc import folders
from engine.importing import caffe_model
from engine.importing import caffe_pb2

LABELS = 'circle', 'square', 'triangle', 'star', 'cross'
NUM_EXAMPLES = 4
_WRITES_GIF = cv2.haveImageWriter('.gif')  # Not OpenCV 4.11.


class _Reader(contextlib.ExitStack):
    """A reader; `named` is the damaged file itself."""

    def __init__(self, path):
        super().__init__()
        self.path = self.named = path
        self.examples = []

    def add_example(self, name, content):
        path = self.path.parent / name
        path.write_bytes(content)
        self.examples.append(path)


def _shapes(folder):
    synthetic_shapes.write(folder / 'voc', NUM_EXAMPLES, 0, size=64)
    return folder / 'voc'


class Annotations(_Reader):
    """Annotation, to its serialized Example."""

    def __init__(self, folder):
        voc = _shapes(folder)
        super().__init__(folder / 'voc' / 'Annotations' / 'damaged.xml')
        self.examples = sorted((voc / 'Annotations').iterdir())
        image = next((voc / 'JPEGImages').iterdir())
        image.rename(voc / 'JPEGImages' / 'damaged.jpg')
        self._folder = folders.VocFolder(str(voc))
        self._images = self.enter_context(image_files.ImageReader())

    def read(self):
        """Reads the annotation; raises what a conversion would name."""
        annotations.read_annotation(str(self.path))
        reading, = samples.read_samples(
            self._folder, ['damaged'], label_map.ids_of(LABELS), self._images)
        if reading.faults:
            raise ValueError(f'{self.path}: {reading.faults[0].message}')
        bboxes = np.array(reading.sample.bboxes).reshape(-1, 4)
        assert (bboxes >= 0).all() and (bboxes <= 1).all(), bboxes
        assert (bboxes[:, :2] < bboxes[:, 2:]).all(), bboxes
        tfrecords.encode_example(reading.sample)


class Images(_Reader):
    """Image, as `detect` and the conversion read it."""

    def __init__(self, folder):
        super().__init__(folder / 'damaged.jpg')
        self._reader = self.enter_context(image_files.ImageReader())
        pixels = np.random.default_rng(0).integers(
            0, 256, (24, 32, 4), np.uint8)
        pictures = (pixels[..., :3], pixels[..., 0], pixels)
        for index, picture in enumerate(pictures):
            for extension in ('.jpg', '.png', '.bmp', '.gif', '.tiff', '.webp'):
                if extension != '.gif' or picture.ndim == 3 and _WRITES_GIF:
                    self._encode(f'{index}{extension}', picture)
        self._encode('16_bit.png', pixels.astype(np.uint16) * 257)
        self._encode('progressive.jpg', pictures[0],
                     cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
        for shape in ((1, 1, 3), (1, 20000, 3), (20000, 1, 3)):
            for extension in ('jpg', 'png'):
                self._encode(f'{shape[0]}.{extension}', np.zeros(shape, 'u1'))
        if _WRITES_GIF:
            animation = cv2.Animation()
            animation.frames = [pictures[0], pictures[0][::-1]]
            animation.durations = np.array([40, 40])
            _, content = cv2.imencodeanimation('.gif', animation)
            self.add_example('animation.gif', content.tobytes())

    def _encode(self, name, pixels, *options):
        _, content = cv2.imencode(pathlib.Path(name).suffix, pixels, options)
        self.add_example(name, content.tobytes())

    def read(self):
        """Reads pixels; what is taken into records must be readable there."""
        image, = self._reader.make_decodable([self.path.read_bytes()])
        pixels = self._reader.read(str(self.path))
        if isinstance(image, ValueError):
            raise ValueError(f'{self.path}: {image}')
        assert pixels.shape == (image.height, image.width, 3), pixels.shape


class Records(_Reader):
    """TFRecord file, read one by one and by the graph of a training."""

    def __init__(self, folder):
        voc = _shapes(folder)
        super().__init__(folder / 'damaged_train_000.tfrecord')
        conversion.convert(
            [folders.Part(str(voc), None, 'whole')], str(folder), LABELS)
        self.examples = [folder / 'whole_000.tfrecord']
        with tf.Graph().as_default() as graph:
            record = tf.placeholder(tf.string, [])
            items = tfrecords.decoder().decode(record)
        session = self.enter_context(tf.Session(graph=graph))
        self._decode = session.make_callable(items, [record])

    def read(self):
        """Reads all of the records."""
        for sample in records.read_samples([str(self.path)]):
            records.thumbnail(sample, 16)
        for record in records.read_records(str(self.path)):
            try:
                self._decode(record)
            # Unicode: in a message of TensorFlow's, of what it has read.
            except (tf.errors.OpError, UnicodeDecodeError) as error:
                raise ValueError(f'{self.path}: {type(error)}') from error


class CaffeModels(_Reader):
    """Weights and prior boxes of a .caffemodel."""

    def __init__(self, folder):
        super().__init__(folder / 'damaged.caffemodel')
        layers = []
        for name in ('conv1_1', 'conv4_3_norm', 'fc7_mbox_priorbox'):
            layer = caffe_pb2.LayerParameter(name=name, type='Convolution')
            blob = layer.blobs.add(data=np.ones(6, '<f4').tobytes())
            blob.shape.dim.extend([1, 3, 1, 2])
            layer.prior_box_param.min_size.append(30)
            layer.prior_box_param.aspect_ratio.extend([2, 3])
            layers.append(layer.SerializeToString())
        self.add_example('whole.caffemodel', b''.join(
            bytes([0xA2, 0x06, len(layer)]) + layer for layer in layers))

    def read(self):
        """Reads and describes the layers."""
        for line in caffe_model.describe(caffe_model.read(str(self.path))):
            assert line.isprintable(), line


class Labels(_Reader):
    """Class names, one a line."""

    def __init__(self, folder):
        super().__init__(folder / 'damaged.txt')
        self.add_example('whole.txt', '\n'.join(
            ['# Shapes', *LABELS, 'zwölf', '図形', '']).encode())

    def read(self):
        """Reads the names."""
        for name in label_map.read_labels(str(self.path)):
            assert name.isprintable() and not set('/\\') & set(name), name


class Manifests(_Reader):
    """The manifest of records."""

    def __init__(self, folder):
        voc = _shapes(folder)
        super().__init__(folder / 'toy_train.json')
        conversion.convert(
            [folders.Part(str(voc), None, 'toy_train')], str(folder),
            LABELS)
        self.add_example('whole.txt', self.path.read_bytes())
        self.named = folder

    def read(self):
        """Opens the data set."""
        dataset = dataset_factory.get_dataset(
            'toy', 'train', str(self.path.parent))
        assert dataset.num_samples > 0
        assert all(name.isprintable() for name in dataset.labels)


READERS = {'annotation': Annotations, 'image': Images, 'record': Records,
           'caffemodel': CaffeModels, 'labels': Labels, 'manifest': Manifests}
