"""Ways to damage a checkpoint, for fuzz_checkpoints.py."""
import copy
import json
import pathlib
import struct

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import tensor_bundle_pb2

from engine import checkpoints
from nets import ssd_vgg_300

NAME = 'model.ckpt-7'
_DATA = f'{NAME}.data-00000-of-00001'
_NUMBERS = (-2 ** 63, -1, 0, 1, 2, 255, 2 ** 31, 2 ** 32, 2 ** 62, 2 ** 63 - 1)
_JSON_VALUES = (
    None, True, 0, -1, 10 ** 9, 10 ** 400, float('nan'), float('inf'), 1e-320,
    '', '../../x', '\x1b[2J', '\0', '<b>', 'x' * 10000, '\ud800', [], {},
    [[]], [[[[1]]]], ['a', 'a'], [1] * 1000, {'a': {'a': {}}})
_TRAILER_BYTES = 5  # Of a block: its compression, and a sum.
METADATA = json.dumps(checkpoints.metadata.make(
    ssd_vgg_300.SSDQuarterNet(), ['cat', 'dög']))


def save(folder):
    """Writes a whole checkpoint for each of KINDS, each to its folder."""
    for kind in KINDS:
        version = (tf.train.SaverDef.V1 if kind == 'format_V1'
                   else tf.train.SaverDef.V2)
        _save(pathlib.Path(folder, kind), version)


def _save(folder, version):
    folder.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable('global_step', initializer=tf.constant(7, tf.int64))
        for dtype in (tf.float32, tf.float64, tf.bool):
            tf.get_variable(dtype.name, initializer=tf.ones([3, 5], dtype))
        if version == tf.train.SaverDef.V2:
            tf.get_variable(checkpoints.metadata.NAME, initializer=METADATA)
        session.run(tf.global_variables_initializer())
        tf.train.Saver(write_version=version, save_relative_paths=True).save(
            session, str(folder / NAME), write_meta_graph=False)


def damage_bytes(path, random):
    """Flips bits, cuts, zeros, repeats or inserts bytes of a file."""
    content = bytearray(path.read_bytes())
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        place = random.randrange(len(content) + 1)
        length = random.choice((1, 4, 16, 512))
        part = content[place:place + length]
        way = random.randrange(6)
        if way <= 1 and part:
            content[place] ^= 1 << random.randrange(8)
        elif way == 2:
            del content[place:]
        elif way == 3:
            content[place:place + length] = bytes(len(part))
        elif way == 4:
            content[place:place] = part
        else:
            content[place:place] = random.randbytes(length)
    path.write_bytes(content)


def damaged_metadata(random):
    """Returns ssd_metadata, bytes, with wrong values or wrong bytes."""
    metadata = json.loads(METADATA)
    for _ in range(random.choice((1, 1, 2))):
        parent, key = metadata, random.choice(sorted(metadata))
        while isinstance(parent[key], list) and random.random() < .6:
            parent = parent[key]
            if not parent:
                parent.append(None)
            key = random.randrange(len(parent))
        way = random.random()
        if way < .1:
            del parent[key]
            break
        parent[key] = ([parent[key]] if way < .2 else
                       {'a': parent[key]} if way < .25 else
                       [parent[key]] * 50 if way < .3 else
                       copy.deepcopy(random.choice(_JSON_VALUES)))
    content = json.dumps(metadata).encode()
    if random.random() < .3:
        place = random.randrange(len(content))
        content = (content[:place] + random.randbytes(random.randrange(3))
                   + content[place + random.randrange(40):])
    return content


def _index(folder):
    return folder / f'{NAME}.index'


def damage_entries(folder, random):
    """Puts wrong entries into an .index, with sums that fit."""
    path = _index(folder)
    with open(path, 'rb') as file:
        entries = list(checkpoints.tables.read(file))
    for _ in range(random.choice((1, 1, 2))):
        place = random.randrange(len(entries))
        key, value = entries[place]
        way = random.random()
        if way < .1:
            del entries[place]
        elif way < .2:
            entries.insert(place, entries[place])
        elif way < .25:
            entries[place] = random.randbytes(4), value
        elif way < .3:
            entries[place] = key, random.randbytes(20)
            break
        elif place == 0:
            header = tensor_bundle_pb2.BundleHeaderProto.FromString(value)
            header.num_shards = random.choice((-1, 0, 2, 2 ** 31 - 1))
            header.version.min_consumer = random.choice((0, 0, 10 ** 6))
            entries[0] = b'', header.SerializeToString()
        else:
            entries[place] = key, _damaged_entry(value, random)
    path.write_bytes(_table(entries))


def _damaged_entry(value, random):
    entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
    number = random.choice(_NUMBERS)
    way = random.randrange(8)
    if way == 0:
        entry.dtype = random.choice(range(130))
    elif way == 1 and entry.shape.dim:
        random.choice(entry.shape.dim).size = number
    elif way == 2:
        for _ in range(random.choice((1, 3, 300))):
            entry.shape.dim.add().size = number
    elif way == 3:
        entry.shape.unknown_rank = True
    elif way in (4, 5):
        setattr(entry, ('offset', 'size')[way - 4], number)
    elif way == 6:
        entry.shard_id = number % 2 ** 31
    else:
        for _ in range(random.choice((1, 2))):
            entry.slices.add().extent.add(start=number, length=number)
    return entry.SerializeToString()


def _table(entries):
    """Returns a table of (key, value)."""
    content = _block(entries)
    place = _varint(0) + _varint(len(content) - _TRAILER_BYTES)
    index = _block([(b'\xff', place)])
    notes = _block([])
    footer = b''.join(map(_varint, (
        len(content) + len(index), len(notes) - _TRAILER_BYTES,
        len(content), len(index) - _TRAILER_BYTES)))
    return (content + index + notes + footer.ljust(40, b'\0')
            + checkpoints.tables.MAGIC)


def _block(entries):
    content = b''.join(
        _varint(0) + _varint(len(key)) + _varint(len(value)) + key + value
        for key, value in entries)
    content += struct.pack('<II', 0, 1) + b'\0'  # A restart; not compressed.
    return content + struct.pack('<I', _masked_sum(content))


def _varint(number):
    return bytes([number]) if number < 128 else (
        bytes([number & 127 | 128]) + _varint(number >> 7))


def _masked_sum(content):
    """Returns the CRC-32C of bytes as TensorFlow masks it."""
    value = 0xffffffff
    for byte in content:
        value = value >> 8 ^ _SUMS[(value ^ byte) & 255]
    value ^= 0xffffffff
    return ((value >> 15 | value << 17) + 0xa282ead8) & 0xffffffff


def _sum_of_byte(value):
    for _ in range(8):
        value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
    return value


_SUMS = [_sum_of_byte(value) for value in range(256)]
# What is damaged -> function of a folder and a random.Random.
KINDS = {
    'index': lambda folder, random: damage_bytes(_index(folder), random),
    'entries': damage_entries,
    'data': lambda folder, random: damage_bytes(folder / _DATA, random),
    'state': lambda folder, random: damage_bytes(
        folder / 'checkpoint', random),
    'format_V1': lambda folder, random: damage_bytes(folder / NAME, random),
}
