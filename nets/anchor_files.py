"""Anchors of a data set in a file, as inspect_data.py suggests them.

JSON: `model_name`, whose layers they are for, `anchor_sizes` and
`anchor_ratios`, as in SSDParams.
"""
import json
import math
import os

from common import files
from detection import anchors
from nets import ssd


def write(path: str, network: type[ssd.SSDNet],
          sizes: tuple[tuple[float, ...], ...],
          ratios: tuple[tuple[float, ...], ...]):
    """Writes sizes, in pixels of the network's input, and ratios of anchors.

    With three digits after the point.
    """
    content = {'model_name': network.name, **{
        name: [[round(value, 3) for value in layer] for layer in layers]
        for name, layers in (('anchor_sizes', sizes),
                             ('anchor_ratios', ratios))}}
    lines = ',\n'.join(f'  {json.dumps(key)}: {json.dumps(value)}'
                       for key, value in content.items())
    files.write_whole(path, [f'{{\n{lines}\n}}\n'])


def apply(path: str, network: type[ssd.SSDNet],
          params: ssd.SSDParams) -> ssd.SSDParams:
    """Returns SSDParams with the anchors of a file.

    Raises:
      ValueError: it is no such file, or its anchors are not for the layers of
        the network.
      OSError: it cannot be read.
    """
    with open(os.path.expanduser(path), 'rb') as file:
        content = file.read()
    try:
        found = json.loads(content)
        sizes, ratios = (
            tuple(tuple(map(float, layer)) for layer in found[key])
            for key in ('anchor_sizes', 'anchor_ratios'))
        name = found['model_name']
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f'--anchors={path}: not a file of anchors, as inspect_data.py '
            f'--suggest_anchors writes it: {error!r}.') from None
    wanted = list(map(anchors.num_kinds, params.anchor_sizes,
                      params.anchor_ratios))
    if list(map(anchors.num_kinds, sizes, ratios)) != wanted or (
            [*map(len, sizes)] != [*map(len, params.anchor_sizes)]):
        raise ValueError(
            f'--anchors={path}: is for {name}; {network.name} has '
            f'{", ".join(map(str, wanted))} anchors in a cell of its layers.')
    if not all(math.isfinite(value) and value > 0
               for layer in sizes + ratios for value in layer):
        raise ValueError(
            f'--anchors={path}: sizes and ratios must be above 0.')
    return params._replace(anchor_sizes=sizes, anchor_ratios=ratios)
