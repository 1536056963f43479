"""Writes .safetensors files, byte by byte, and names and shapes in them."""
import json
import struct

import numpy as np

# Of the convolutions in VGG's Sequential: number -> inputs, outputs, kernel.
VGG = {
    0: (3, 64, 3), 2: (64, 64, 3), 5: (64, 128, 3), 7: (128, 128, 3),
    10: (128, 256, 3), 12: (256, 256, 3), 14: (256, 256, 3),
    17: (256, 512, 3), 19: (512, 512, 3), 21: (512, 512, 3),
    24: (512, 512, 3), 26: (512, 512, 3), 28: (512, 512, 3),
    31: (512, 1024, 3), 33: (1024, 1024, 1)}


def safetensors(tensors):
    """Returns the bytes of a file of {name: array}."""
    dtypes = {'float32': 'F32', 'float16': 'F16', 'float64': 'F64',
              'bfloat16': 'BF16', 'int64': 'I64'}
    header, place = {}, 0
    for name, values in tensors.items():
        header[name] = {'dtype': dtypes[values.dtype.name],
                        'shape': values.shape,
                        'data_offsets': (place, place + values.nbytes)}
        place += values.nbytes
    text = json.dumps(header).encode()
    return b''.join([struct.pack('<Q', len(text)), text, *(
        values.tobytes() for values in tensors.values())])


def convolutions(modules, width=1., seed=0):
    """Returns random tensors, such that a network's outputs come out near 1.

    Args:
      modules: {name: (inputs, outputs, kernel)}.
      width: of all channels but an image's and a head's outputs, relative.
    """
    generator, found = np.random.default_rng(seed), {}
    for name, (num_inputs, num_outputs, side) in modules.items():
        if num_inputs > 3:
            num_inputs = int(num_inputs * width)
        deviation = np.sqrt(2 / (num_inputs * side ** 2))
        found[f'{name}.weight'] = generator.normal(
            0, deviation, (num_outputs, num_inputs, side, side))
        found[f'{name}.bias'] = generator.normal(0, .1, num_outputs)
    return {name: values.astype(np.float32) for name, values in found.items()}
