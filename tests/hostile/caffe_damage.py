"""Ways in which .caffemodel files come to harm that are still protobufs."""
import random

import numpy as np
from google.protobuf import descriptor
from google.protobuf import message

from engine.importing import caffe_pb2
from tests.hostile import damage

_FIELD = descriptor.FieldDescriptor
_WHOLE = (0, 1, 2, 3, 300, 512, 2 ** 31 - 1)
VALUES = {
    **dict.fromkeys((_FIELD.CPPTYPE_INT32, _FIELD.CPPTYPE_INT64,
                     _FIELD.CPPTYPE_UINT32), _WHOLE),
    _FIELD.CPPTYPE_FLOAT: (0, -1, .5, 1, 1e-40, 3e38, np.nan, np.inf, 300),
    _FIELD.CPPTYPE_BOOL: (False, True), _FIELD.CPPTYPE_ENUM: (0, 3, 4, 14),
    _FIELD.CPPTYPE_STRING: (
        '', 'x', 'a\nb', 'data', 'conv1', 'conv4_3_norm', 'fc7_mbox_conf',
        'conv11_mbox_loc_new', 'mbox_conf', 'mbox_loc', 'Convolution', 'Concat',
        'BatchNorm', 'Scale', 'PReLU')}


def damage_layers(content: bytes, rng: random.Random) -> bytes:
    """Removes, repeats or changes layers; bytes, if there are none."""
    network = caffe_pb2.NetParameter()
    try:
        network.ParseFromString(content)
    except message.DecodeError:
        return damage.damage_bytes(content, rng)
    layers = network.layer or network.layers
    for _ in range(rng.choice((1, 1, 3)) if layers else 0):
        index, way = rng.randrange(len(layers)), rng.randrange(8)
        if way == 0 and len(layers) > 1:
            del layers[index]
        elif way == 1:
            layers.add().CopyFrom(layers[index])
        else:
            _damage_message(layers[index], rng)
    return network.SerializeToString()


def _damage_message(part, rng):
    """Changes, clears or adds a value of any field, or of a field's."""
    field = rng.choice(part.DESCRIPTOR.fields)
    value, is_clear = getattr(part, field.name), rng.random() < .2
    is_repeated = hasattr(value, 'extend')
    if is_clear:
        part.ClearField(field.name)
    elif field.message_type is not None:
        if is_repeated:
            value = rng.choice([*value, value.add()])
        _damage_message(value, rng)
    else:
        new = rng.choice(VALUES[field.cpp_type])
        if field.type == field.TYPE_BYTES:
            new = damage.damage_bytes(value, rng)
        if not is_repeated:
            setattr(part, field.name, new)
        elif value and rng.random() < .7:
            value[rng.randrange(len(value))] = new
        else:
            value.append(new)
