"""What reads each kind of file, for fuzz.py; READERS has them all."""
import functools
import pathlib
from collections.abc import Callable

import cv2
import numpy as np
import tensorflow.compat.v1 as tf

from datasets import dataset_factory
from datasets import image_files
from datasets import label_map
from datasets import records
from datasets import samples
from datasets import text_files
from datasets import tfrecords
from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from datasets.voc import folders
from engine import checkpoints
from engine.importing import caffe_model
from nets import ssd_vgg_300
from tests import caffe_files
from tests import scripts
from tests.hostile import damage

NUM_IMAGES = 4
LAYERS = """
layer { name: "a" type: "Convolution" bottom: "data" top: "a" num_output: 2 kernel_size: 1 }
layer { name: "b" type: "Normalize" bottom: "a" top: "b" }
layer { name: "c" type: "PriorBox" bottom: "b" top: "c" prior_box_param { min_size: 30 aspect_ratio: 2 aspect_ratio: 3 } }
"""  # noqa: E501


class Reader:
    """Has `examples`, bytes of whole files, and `ways` to damage them.

    The damaged file goes to `path`; `read()` reads it to its last part;
    messages must have `named`.
    """

    def __init__(self, path: pathlib.Path, *ways: Callable):
        self.path = self.named = path
        self.examples, self.ways = [], ways or (damage.damage_bytes,)


class Annotations(Reader):
    """Annotation, to its serialized Example."""

    def __init__(self, folder):
        voc = _shapes(folder)
        super().__init__(voc / 'Annotations' / 'damaged.xml',
                         *[damage.damage_xml] * 3, damage.damage_bytes)
        self.examples = [path.read_bytes() for path in sorted(
            (voc / 'Annotations').iterdir())]
        next((voc / 'JPEGImages').iterdir()).rename(
            voc / 'JPEGImages' / 'damaged.jpg')
        self._part = folders.Part(str(voc), None, 'damaged')
        self._images = image_files.ImageReader()

    def read(self):
        reading, = samples.check(
            [self._part.load('damaged')], label_map.ids_of(drawing.CLASSES),
            self._images)
        if reading.faults:
            raise ValueError(f'{reading.place}: {reading.faults[0].message}')
        bboxes = np.array(reading.sample.bboxes).reshape(-1, 4)
        assert (bboxes >= 0).all() and (bboxes <= 1).all(), bboxes
        assert (bboxes[:, :2] < bboxes[:, 2:]).all(), bboxes
        tfrecords.encode_example(reading.sample)


class Images(Reader):
    """Image, as detection and conversion read it."""

    def __init__(self, folder):
        super().__init__(folder / 'damaged.jpg')
        self._reader = image_files.ImageReader()
        pixels = np.random.default_rng(0).integers(
            0, 256, (24, 32, 4), np.uint8)
        for picture in (pixels[..., :3], pixels[..., 0], pixels):
            for ending in ('.jpg', '.png', '.bmp', '.tiff', '.webp'):
                self._encode(ending, picture)
        if cv2.haveImageWriter('.gif'):  # Not with OpenCV 4.11.
            self._encode('.gif', pixels[..., :3])
        self._encode('.png', pixels.astype(np.uint16) * 257)
        self._encode('.jpg', pixels, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
        for shape in ((1, 1, 3), (1, 20000, 3), (20000, 1, 3)):
            for ending in ('.jpg', '.png'):
                self._encode(ending, np.zeros(shape, np.uint8))

    def _encode(self, ending, picture, *options):
        self.examples.append(
            cv2.imencode(ending, picture, options)[1].tobytes())

    def read(self):
        image, = self._reader.make_decodable([self.path.read_bytes()])
        pixels = self._reader.read(str(self.path))
        if isinstance(image, ValueError):
            raise ValueError(f'{self.path}: {image}')
        assert pixels.shape == (image.height, image.width, 3), pixels.shape


class Records(Reader):
    """TFRecord file, read one by one and by the graph of a training."""

    def __init__(self, folder):
        super().__init__(folder / 'damaged_train_000.tfrecord')
        _records(folder, 'whole')
        self.examples = [(folder / 'whole_000.tfrecord').read_bytes()]
        with tf.Graph().as_default() as graph:
            record = tf.placeholder(tf.string, [])
            items = tfrecords.decoder().decode(record)
        self._decode = tf.Session(graph=graph).make_callable(items, [record])

    def read(self):
        for sample in records.read_samples([str(self.path)]):
            records.thumbnail(sample, 16)
        for record in records.read_records(str(self.path)):
            try:
                self._decode(record)
            # Unicode: in a message of TensorFlow's, of what it has read.
            except (tf.errors.OpError, UnicodeDecodeError) as error:
                raise ValueError(f'{self.path}: {type(error)}') from error


class Manifests(Reader):
    """The manifest of records."""

    def __init__(self, folder):
        super().__init__(folder / 'toy_train.json',
                         damage.damage_json, damage.damage_bytes)
        _records(folder, 'toy_train')
        self.examples = [self.path.read_bytes()]
        self.named = folder

    def read(self):
        dataset = dataset_factory.get_dataset(
            'toy', 'train', str(self.path.parent))
        # Without a manifest they may be the original's, with VOC's classes.
        assert not self.path.exists() or dataset.num_samples == NUM_IMAGES
        assert all(name.isprintable() for name in dataset.labels)


class CaffeModels(Reader):
    """Weights and prior boxes of a .caffemodel."""

    def __init__(self, folder):
        super().__init__(folder / 'damaged.caffemodel')
        layers = caffe_files.layers(LAYERS)
        for form in (layers, map(caffe_files.as_v1, layers)):
            caffe_files.write(self.path, form)
            self.examples.append(self.path.read_bytes())

    def read(self):
        for line in caffe_model.describe(caffe_model.read(str(self.path))):
            assert line.isprintable(), line


class Labels(Reader):
    """Class names, one a line."""

    def __init__(self, folder):
        super().__init__(folder / 'damaged.txt')
        self.examples = ['\n'.join(
            ['# Shapes', *drawing.CLASSES, 'zwölf', '図形', '']).encode()]

    def read(self):
        for name in label_map.read_labels(str(self.path)):
            assert text_files.is_printable(name), name


class Checkpoints(Reader):
    """A file of a checkpoint, whose values are those that were saved."""

    def __init__(self, folder, name):
        super().__init__(folder / name)
        is_v1 = name == 'model.ckpt-7'  # Which has no strings.
        with tf.Graph().as_default(), tf.Session() as session:
            tf.train.create_global_step()
            for dtype in (tf.float32, tf.float64, tf.bool):
                tf.get_variable(dtype.name, [30, 5], dtype, tf.ones)
            if not is_v1:
                checkpoints.metadata.variable(checkpoints.metadata.make(
                    ssd_vgg_300.SSDQuarterNet(), ['cat', 'dög']))
            session.run(tf.global_variables_initializer())
            tf.train.Saver(write_version=1 if is_v1 else 2).save(
                session, str(folder / 'model.ckpt-7'), write_meta_graph=False)
        self.examples, self.named = [self.path.read_bytes()], folder
        self._saved = self._values()

    def read(self):
        assert self._values() == self._saved, 'not what was saved'

    def _values(self):
        prefix = checkpoints.paths.find(str(self.path.parent))
        checkpoints.metadata.read(prefix)
        checkpoints.reader.global_step(prefix)
        stored = checkpoints.reader.open_reader(prefix)
        return {name: repr(checkpoints.reader.read(stored, prefix, name))
                for name in stored.get_variable_to_shape_map()}


def _shapes(folder):
    synthetic_shapes.write(folder / 'voc', NUM_IMAGES, 0, size=64)
    return folder / 'voc'


def _records(folder, name):
    scripts.write_records(_shapes(folder), folder, name, drawing.CLASSES)


READERS = {
    'annotation': Annotations, 'image': Images, 'record': Records,
    'manifest': Manifests, 'caffemodel': CaffeModels, 'labels': Labels,
    **{kind: functools.partial(Checkpoints, name=name) for kind, name in (
        ('index', 'model.ckpt-7.index'), ('state', 'checkpoint'),
        ('data', 'model.ckpt-7.data-00000-of-00001'),
        ('format_v1', 'model.ckpt-7'))}}
