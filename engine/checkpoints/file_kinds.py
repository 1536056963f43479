"""What a file is, told by its first bytes and by the names in it.

Never by its ending: the page of an error, a pointer and a file of another
framework may have any.
"""
import lzma
import os
import re
import struct
import tarfile
import zipfile
import zlib

from common import commands

# The last bytes of a table: of a V1 checkpoint, as of an .index.
_TABLE_MAGIC = 0xdb4775248b80fb57.to_bytes(8, 'little')
_HEAD_BYTES = 4096
# What the modules of archives raise where one is damaged.
ARCHIVE_ERRORS = (zipfile.BadZipFile, tarfile.TarError, zlib.error,
                  lzma.LZMAError, struct.error, EOFError, RuntimeError,
                  ValueError, OSError)
# What a file of a kind begins with.
_MAGICS = (
    (b'\x89HDF\r\n\x1a\n', 'hdf5'),
    # torch.save until version 1.6: a pickle of its magic number.
    (b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.', 'torch'),
    (b'\x93NUMPY', 'numpy'),
    *((b'\x80%c' % protocol, 'pickle') for protocol in range(2, 6)),
    (b'PK\3\4', 'zip'), (b'PK\5\6', 'zip'),
    *((magic, 'packed') for magic in (
        b'\x1f\x8b', b'BZh', b'\xfd7zXZ\0', b"7z\xbc\xaf'\x1c", b'Rar!\x1a\7')),
    (b'version https://git-lfs', 'lfs'))
_TEXTS = (
    (r'model_checkpoint_path:', 'state'), (r'<', 'markup'), (r'[{[]', 'json'),
    (r'(#.*\s+)*(name\s*:|layers?\s*\{|input(_dim|_shape)?\s*[:{])',
     'prototxt'))
_TAKEN = ('; this program takes checkpoints of TensorFlow, and converts '
          'weights of Caffe and PyTorch.')
_CONVERTED = ('; to convert those of an SSD or of VGG-16: python '
              'caffe_to_tensorflow.py {flag}')
_SENTENCES = {
    'missing': 'not there; check the path.',
    'empty': 'an empty file; copy or download it again.',
    'markup': 'a web page or an error of a server (it begins with {text!r}), '
              'saved in place of the file; download it again.',
    'json': 'JSON (it begins with {text!r}), as a server sends on an error in '
            'place of the file; download it again.',
    'text': 'text (it begins with {text!r}), no model; check the path, or '
            'download it again.',
    'lfs': 'a pointer of Git LFS, which stands for the file; fetch that by '
           'git lfs pull.',
    'state': "the list of a folder's checkpoints; give the folder, or one of "
             'them.',
    'prototxt': 'the description of a Caffe network (.prototxt), which has no '
                'weights; give the .caffemodel.',
    'hdf5': 'an HDF5 file, as Keras writes them' + _TAKEN,
    'keras': 'a model of Keras' + _TAKEN,
    'tflite': 'a model of TensorFlow Lite' + _TAKEN,
    'onnx': 'a model of ONNX' + _TAKEN,
    'darknet': 'weights of Darknet (YOLO)' + _TAKEN,
    'numpy': 'arrays of NumPy' + _TAKEN,
    'pickle': 'a pickle of Python' + _TAKEN,
    'graph': 'a frozen graph, whose weights cannot be restored; give the '
             'checkpoint that it was made of.',
    'saved_model': 'a SavedModel; give the checkpoint that it was made of, '
                   'or, for one of TensorFlow 1, its variables/variables.',
    'packed': 'a packed file, but no archive (.tar, .zip) of a checkpoint; '
              'unpack it, and give what is in it.',
    'caffe': 'weights of Caffe' + _CONVERTED,
    'torch': 'weights of PyTorch' + _CONVERTED,
    'safetensors': 'weights of PyTorch (safetensors)' + _CONVERTED,
}


def describe(path: str) -> str | None:
    """Returns what a file or folder is that is no checkpoint, and what to do.

    It is one sentence, to stand behind the path. None for checkpoints and
    archives, and for what is not known.
    """
    what = kind(path)
    if what not in _SENTENCES:
        return None
    text = _text(_read_head(path)) if os.path.isfile(path) else None
    return _SENTENCES[what].format(
        flag=commands.flag('caffemodel_path', path),
        text=' '.join((text or '').split())[:40])


def kind(path: str) -> str | None:
    """Returns the kind of a file, a word; None if it is not known.

    'checkpoint' (a V1 checkpoint, or an .index), 'zip' and 'tar' (archives,
    also .tar.gz and the like), or one of `describe`: 'caffe', 'torch',
    'safetensors', ...
    """
    if os.path.isdir(path):
        return 'saved_model' if any(
            os.path.isfile(os.path.join(path, f'saved_model.{ending}'))
            for ending in ('pb', 'pbtxt')) else None
    if not os.path.isfile(path):
        return None if os.path.exists(path) else 'missing'
    head, size = _read_head(path), os.path.getsize(path)
    if not head:
        return 'empty'
    with open(path, 'rb') as file:
        file.seek(max(size - len(_TABLE_MAGIC), 0))
        if file.read() == _TABLE_MAGIC:
            return 'checkpoint'
    if head[257:262] == b'ustar':
        return 'tar'
    for magic, what in _MAGICS:
        if head.startswith(magic):
            return (_kind_of_zip(path) if what == 'zip' else
                    'tar' if what == 'packed' and _is_tar(path) else what)
    if head[4:8] == b'TFL3':
        return 'tflite'
    text = _text(head)
    if text is not None:
        return next((what for pattern, what in _TEXTS
                     if re.match(pattern, text.lstrip())), 'text')
    if head[8:9] == b'{' and int.from_bytes(head[:8], 'little') < size:
        return 'safetensors'
    return _kind_of_message(head) or (
        'darknet' if _is_darknet(head, size) else None)


def _read_head(path):
    with open(path, 'rb') as file:
        return file.read(_HEAD_BYTES)


def _text(head):
    """Returns the first bytes of a text as str, None if it is no text."""
    encoding = 'utf-16' if head[:2] in (b'\xff\xfe', b'\xfe\xff') else (
        'utf-8-sig')
    # The last character may be cut.
    text = head.decode(encoding, 'replace').rstrip('\ufffd')
    return text if all(character.isprintable() or character.isspace()
                       for character in text.replace('\ufffd', '\0')) else None


def _kind_of_zip(path):
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except ARCHIVE_ERRORS:
        return 'zip'  # Whoever unpacks it says what is wrong.
    if any(name.endswith('/data.pkl') for name in names):
        return 'torch'
    if {'config.json', 'metadata.json'} <= set(names):
        return 'keras'
    if names and all(name.endswith('.npy') for name in names):
        return 'numpy'
    return 'zip'


def _is_tar(path):
    try:
        return tarfile.is_tarfile(path)
    except ARCHIVE_ERRORS:
        return False


def _kind_of_message(head):
    """Returns the kind of a file of protobuf, by its first fields."""
    fields = list(_fields(head))
    starts = dict(reversed(fields))  # Of the first field of each number.
    number, start = fields[0] if fields else (None, b'')
    if number == 1 and start is None:  # A version.
        if starts.get(2, b'') and starts[2].startswith(b'\n'):  # A MetaGraph.
            return 'saved_model'
        return 'onnx' if starts.keys() & {7, 8} else None
    if number == 1 and start.startswith(b'\n'):  # A node, which has a name.
        return 'graph'
    return 'caffe' if starts.keys() & {2, 100} else None


def _fields(head):
    """Yields the number and first bytes of a message's first fields.

    The bytes are None for a number. What is no message, or of a kind that
    no model begins with, ends it.
    """
    place = 0
    while place < len(head):
        key, place = _varint(head, place)
        value, place = _varint(head, place)
        if place > len(head) or key & 7 not in (0, 2) or not key >> 3:
            return
        if key & 7 == 0:
            yield key >> 3, None
        else:
            yield key >> 3, head[place:place + 16]
            place += value


def _varint(head, place):
    """Returns the number at a place, and the place behind it."""
    value = 0
    for shift, byte in enumerate(head[place:]):
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            return value, place + shift + 1
    return value, len(head) + 1  # It is cut off.


def _is_darknet(head, size):
    """Whether it begins as Darknet's: versions, images seen; then floats."""
    if len(head) < 20:
        return False
    major, minor, revision = struct.unpack_from('<3i', head)
    return (major == 0 and minor in (1, 2) and 0 <= revision < 10
            and size % 4 == 0)
