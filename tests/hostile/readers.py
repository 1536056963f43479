"""What reads each kind of file, for fuzz.py; READERS has them all."""
import functools
import io
import pathlib
import tarfile
import zipfile
from collections.abc import Callable

import cv2
import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

from datasets import dataset_factory
from datasets import image_files
from datasets import image_pixels
from datasets import label_map
from datasets import records
from datasets import samples
from datasets import text_files
from datasets import tfrecords
from datasets.coco import annotations as coco
from datasets.csv import annotations as csv
from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from datasets.voc import folders
from datasets.yolo import annotations as yolo
from detection import anchors
from engine import checkpoints
from engine.importing import caffe
from engine.importing import pytorch_file
from engine.importing import weights
from nets import nets_factory
from nets import ssd_mobilenet
from nets import ssd_vgg_300
from tests import caffe_files
from tests import pytorch_files
from tests import scripts
from tests import voc_files
from tests.datasets import foreign_records_test
from tests.engine.checkpoints import file_kinds_test
from tests.hostile import caffe_damage
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
            (voc / 'Annotations').iterdir())] + [
                text.encode(encoding) for text, encoding in VOC]
        first, *others = (voc / 'JPEGImages').iterdir()
        first.rename(voc / 'JPEGImages' / 'damaged.jpg')
        for path in others:  # That the annotations name.
            path.unlink()
        self._part = folders.Part(str(voc), None, 'damaged')
        self._images = image_files.ImageReader()

    def read(self):
        annotated = self._part.load('damaged')
        reading, = samples.check(
            [annotated], label_map.ids_of(drawing.CLASSES), self._images)
        if reading.faults:
            raise ValueError(f'{annotated.place}: {reading.faults[0].message}')
        bboxes = np.array(reading.sample.bboxes).reshape(-1, 4)
        assert (bboxes >= 0).all() and (bboxes <= 1).all(), bboxes
        assert (bboxes[:, :2] < bboxes[:, 2:]).all(), bboxes
        tfrecords.encode_example(reading.sample)


class Sets(Reader):
    """A file of a set of another format, to the objects of its images."""

    def __init__(self, folder, find, files, name, examples):
        """Takes {name: text} of the whole files and texts of the other."""
        super().__init__(folder / name, *[damage.damage_words] * 2,
                         damage.damage_bytes)
        self.examples = list(map(str.encode, examples))
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(voc_files.image() if text is None
                             else text.encode())
        self.named, self._find = folder, find

    def read(self):
        for part in self._find(str(self.named), 'damaged') or ():
            for name in part.names():
                annotated = part.load(name)
                for fault in annotated.faults:
                    raise ValueError(f'{annotated.place}: {fault.message}')
                for item in annotated.objects:
                    assert np.isfinite(item.bbox).all(), item.bbox
            part.left_out()


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
        for ending, dtype in (('.png', np.uint16), ('.tiff', np.uint16),
                              ('.tiff', np.float32)):
            self._encode(ending, pixels.astype(dtype))
        self._turned(Image.fromarray(pixels[..., :3]))
        self._encode('.jpg', pixels, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
        for shape in ((1, 1, 3), (1, 20000, 3), (20000, 1, 3)):
            for ending in ('.jpg', '.png'):
                self._encode(ending, np.zeros(shape, np.uint8))

    def _turned(self, picture):
        exif = Image.Exif()
        exif[0x112] = 6
        for image_format in ('JPEG', 'PNG', 'WEBP', 'TIFF', 'GIF', 'AVIF'):
            file = io.BytesIO()
            if image_format in Image.SAVE:  # AVIF not with any Pillow.
                picture.save(file, image_format, exif=exif, **(
                    {'save_all': True, 'append_images': [picture]}
                    if image_format in Image.SAVE_ALL else {}))
                self.examples.append(file.getvalue())

    def _encode(self, ending, picture, *options):
        self.examples.append(
            cv2.imencode(ending, picture, options)[1].tobytes())

    def read(self):
        image, = self._reader.make_decodable([self.path.read_bytes()])
        pixels = image_pixels.read(str(self.path))
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


class ForeignRecords(Reader):
    """Records of another program, or their map, to a data set."""

    def __init__(self, folder, name):
        super().__init__(folder / name, *(
            [damage.damage_words] if name.endswith('.pbtxt') else []),
            damage.damage_bytes)
        foreign_records_test.write(
            folder, *[foreign_records_test.example()] * 2,
            label_map=foreign_records_test.MAP.format(1, 2))
        self.examples, self.named = [self.path.read_bytes()], folder

    def read(self):
        dataset = dataset_factory.get_dataset('x', 'train', str(self.named))
        assert all(map(text_files.is_printable, dataset.labels))
        assert all(map(text_files.is_printable, dataset.notes))


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
        assert all(map(text_files.is_printable, dataset.labels))


class CaffeModels(Reader):
    """A .caffemodel of a network that is a few channels wide, to its values."""

    def __init__(self, folder):
        super().__init__(folder / 'damaged.caffemodel',
                         *[caffe_damage.damage_layers] * 3, damage.damage_bytes)
        for network, divisor in ((ssd_vgg_300.SSDNet, 64),
                                 (ssd_mobilenet.SSDV1Net, 32)):
            nets_factory.networks_map[network.name] = type(
                'Narrow', (network,), {
                    'default_params': network.default_params._replace(
                        depth_multiplier=1 / divisor)})
        small = caffe_files.layers(LAYERS)
        vgg = caffe_files.layers(caffe_files.with_own_heads(
            caffe_files.prototxt(300, 2, width=1 / 64)))
        mobilenets = [caffe_files.layers(caffe_files.mobilenet_prototxt(
            2, 1 / 32, is_merged)) for is_merged in (True, False)]
        for form in (small, map(caffe_files.as_v1, small), vgg, *mobilenets,
                     *(caffe_files.snapshot(layers, mean_value=[127.5])
                       for layers in (vgg, mobilenets[1]))):
            caffe_files.write(self.path, form)
            self.examples.append(self.path.read_bytes())
        # The graph of a network is built once for all files.
        weights.shapes = _Shapes(weights.shapes)
        self._options = weights.Options(labels=('a',))

    def read(self):
        path = str(self.path)
        for line in caffe.describe(path):
            assert line.isprintable(), line
        for value in caffe.read(path, self._options).values.values():
            assert np.isfinite(value).all()


class _Shapes(dict):
    """weights.shapes, which remembers networks by what they predict."""

    def __init__(self, shapes):
        super().__init__()
        self._shapes = shapes

    def __call__(self, network):
        params = network.params
        key = (network.name, params.num_classes, *map(anchors.num_kinds, (
            params.anchor_sizes), params.anchor_ratios))
        if key not in self:
            self[key] = self._shapes(network)
        return self[key]


class Safetensors(Reader):
    """Tensors of a .safetensors file, their names and shapes."""

    def __init__(self, folder):
        super().__init__(folder / 'damaged.safetensors',
                         damage.damage_bytes, *[self._damage_header] * 2)
        self.examples = [pytorch_files.safetensors({
            'vgg.0.weight': np.ones((2, 3, 3, 3), np.float32),
            'half': np.ones((2, 0), np.float16),
            'bfloat16': np.ones(4, tf.bfloat16.as_numpy_dtype),
            'step': np.array(7)}), pytorch_files.safetensors({})]

    @staticmethod
    def _damage_header(content, rng):
        end = 8 + int.from_bytes(content[:8], 'little')
        header = damage.damage_json(content[8:end], rng)
        return len(header).to_bytes(8, 'little') + header + content[end:]

    def read(self):
        for line in pytorch_file.describe(str(self.path)):
            assert line.isprintable(), line
        with pytorch_file.tensors(str(self.path)) as found:
            for tensor in found.values():
                assert tensor.load().shape == tensor.shape


class Labels(Reader):
    """Class names, in the files of several tools."""

    def __init__(self, folder, name, examples):
        super().__init__(folder / name, damage.damage_words,
                         damage.damage_bytes)
        self.examples = list(map(str.encode, examples))

    def read(self):
        for name in label_map.read_labels(str(self.path)):
            assert text_files.is_printable(name), name


class Lists(Reader):
    """A list of images in ImageSets/Main, to the names of images."""

    def __init__(self, folder):
        super().__init__(folder / 'ImageSets' / 'Main' / 'damaged.txt',
                         damage.damage_words, damage.damage_bytes)
        for stem in ('a', 'x/a', 'my shot', '図形'):
            for name in (f'JPEGImages/{stem}.jpg', f'Annotations/{stem}.xml'):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).touch()
        self.path.parent.mkdir(parents=True)
        self.examples = [
            'a\n"my shot" 1\nx/a.jpg -1\n図形\r\n'.encode(encoding)
            for encoding in ('utf-8', 'utf-16', 'utf-16-le')]
        self._folder = str(folder)

    def read(self):
        part = folders.Part(self._folder, 'damaged', 'damaged')
        for name in part.names():
            assert text_files.is_printable(name), name
        part.left_out()


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
        prefix = self._found()
        checkpoints.metadata.read(prefix)
        checkpoints.reader.global_step(prefix)
        stored = checkpoints.reader.open_reader(prefix)
        return {name: repr(checkpoints.reader.read(stored, prefix, name))
                for name in stored.get_variable_to_shape_map()}

    def _found(self):
        return checkpoints.paths.find(str(self.path.parent))


class Archives(Checkpoints):
    """An archive of a checkpoint, which is unpacked beside it."""

    def __init__(self, folder):
        super().__init__(folder, 'model.ckpt-7.index')
        self.path, parts = folder / 'archive', sorted(folder.glob('model*'))
        self.examples = []
        for mode in ('w', 'w:gz', 'w:bz2'):
            with tarfile.open(self.path, mode) as archive:
                for part in parts:
                    archive.add(part, f'./{part.name}')
            self.examples.append(self.path.read_bytes())
        for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            with zipfile.ZipFile(self.path, 'w', compression) as archive:
                for part in parts:
                    archive.write(part, part.name)
            self.examples.append(self.path.read_bytes())

    def read(self):
        for path in self.path.parent.iterdir():
            if path != self.path:
                path.unlink()
        super().read()

    def _found(self):
        return checkpoints.paths.find(str(
            self.path if self.path.name == 'archive' else self.path.parent))


class Kinds(Reader):
    """Files of all kinds, some of which are called what they are."""

    def __init__(self, folder):
        super().__init__(folder / 'damaged.ckpt')
        self.examples = [
            content for _, content, _ in file_kinds_test.CASES if content]

    def read(self):
        what = checkpoints.file_kinds.describe(str(self.path))
        if what is not None:
            raise ValueError(f'{self.path}: {what}')


def _shapes(folder):
    synthetic_shapes.write(folder / 'voc', NUM_IMAGES, 0, size=64)
    return folder / 'voc'


def _records(folder, name):
    scripts.write_records(_shapes(folder), folder, name, drawing.CLASSES)


VOC = [(f'<?xml version="1.0" encoding="{encoding}"?><annotation><filename>x'
        '</filename><object><name>square</name><truncated>0.5</truncated>'
        f'{outline}</object></annotation>', encoding)
       for encoding, outline in (
           ('gbk', '<robndbox><cx>30</cx><cy>30</cy><w>9</w><h>9</h><angle>1'
            '</angle></robndbox>'),
           ('utf-16', '<polygon><pt><x>1</x><y>2</y></pt><pt><x>9</x><y>8</y>'
            '</pt></polygon>'))]
LABELS = {
    'labels': ('damaged.txt', '\n'.join(
        ['# Shapes', *drawing.CLASSES, 'zwölf', '図形', '']),
        '# label:color_rgb:parts:actions\na:1,2,3::\nb:::\n',
        'item {\n  id: 1\n  name: "a"\n}\nitem { id: 2 name: \'b\' }\n'),
    'labels_yaml': ('damaged.yaml', 'nc: 2\nnames: [a, b]\n',
                    'names:\n  0: a\n  1: &x b\nval: *x\n'),
    'labels_csv': ('damaged.csv', 'a,0\n"b, c",1\n')}
YOLO = {'images/a.jpg': None, 'labels/a.txt': '1 .5 .5 .2 .4',
        'images/b.jpg': None, 'labels/b.txt': '', 'classes.txt': 'a\nb'}
CSV = {'a.jpg': None, 'b.jpg': None}
SETS = {
    'yolo_set': (
        yolo.find, YOLO, 'data.yaml',
        'path: .\ntrain: images\nval: [images/b.jpg, images/a.jpg]\nnc: 2\n'
        'names:\n  0: no\n  1: traffic light\n',
        "train: ../images\nkpt_shape: [2, 3]\nnames: ['a', 'b']"),
    'yolo_list': (
        yolo.find, {**YOLO, 'data.yaml': 'train: list.txt\nnames: [a, b]'},
        'list.txt', './images/a.jpg\nimages/b.jpg\n',
        '/x/images/a.jpg\nC:\\x\\b.jpg'),
    'yolo_darknet': (
        yolo.find, {**YOLO, 'obj.names': 'a\nb', 'list.txt': 'images/a.jpg'},
        'obj.data', 'classes = 2\ntrain = list.txt\nnames = x/obj.names\n'),
    'yolo_labels': (
        yolo.find, YOLO, 'labels/a.txt',
        '1 0.5 0.5 0.2 0.4\n\n0 .1 .2 .3 .4 .5 .6\r\n'),
    'csv': (
        csv.find, CSV, 'boxes.csv',
        'filename,width,height,class,xmin,ymin,xmax,ymax\n'
        'a.jpg,60,40,"b, c",6,4,30,20\nb.jpg,60,40,,,,,\n',
        'a.jpg,6,4,30,20,b\nb.jpg,,,,,\na.jpg,6,4,30,20,c\n',
        'filename;xmin;ymin;xmax;ymax;class;x\na.jpg;6,0;4,0;30;20;b;1'),
    'csv_classes': (
        csv.find, {**CSV, 'a.csv': 'a.jpg,6,4,30,20,b'}, 'classes.csv',
        'a,0\nb,1\n'),
    'coco': (
        coco.find, CSV, 'boxes.json',
        '{"images": [{"id": 1, "file_name": "a.jpg", "width": 60, "height": '
        '40}, {"id": "q", "file_name": "x/b.jpg"}], "annotations": [{"id": 1, '
        '"image_id": 1, "category_id": 0, "bbox": [6, 4, 24.5, 16], "iscrowd":'
        ' 1, "area": 9.5, "segmentation": {"counts": [1], "size": [40, 60]}}, '
        '{"image_id": "q", "category_id": 7, "bbox": [1, 2, 3, 4], '
        '"attributes": {"rotation": 30.0}}], "categories": [{"id": 0, "name": '
        '"a"}, {"id": 7, "name": "b", "supercategory": "c"}]}')}

READERS = {
    'archive': Archives, 'kind': Kinds,
    'annotation': Annotations, 'image': Images, 'record': Records,
    'manifest': Manifests, 'caffemodel': CaffeModels, 'image_set': Lists,
    'safetensors': Safetensors,
    **{kind: functools.partial(Labels, name=name, examples=examples)
       for kind, (name, *examples) in LABELS.items()},
    **{kind: functools.partial(
        Sets, find=find, files=files, name=name, examples=examples)
       for kind, (find, files, name, *examples) in SETS.items()},
    **{kind: functools.partial(ForeignRecords, name=name) for kind, name in (
        ('foreign_record', 'train.record'),
        ('foreign_map', 'label_map.pbtxt'))},
    **{kind: functools.partial(Checkpoints, name=name) for kind, name in (
        ('index', 'model.ckpt-7.index'), ('state', 'checkpoint'),
        ('data', 'model.ckpt-7.data-00000-of-00001'),
        ('format_v1', 'model.ckpt-7'))}}
