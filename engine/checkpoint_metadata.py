"""`ssd_metadata`: what a checkpoint says of itself, as JSON."""
import collections
import json

from nets import nets_factory

NAME = 'ssd_metadata'
VERSION = 1
PARAMS_KEYS = ('anchor_sizes', 'anchor_ratios', 'anchor_steps',
               'anchor_offset', 'prior_scaling')
# Far above any network's, far below what takes up a machine.
_MAX_BYTES = 1 << 24
_MAX_ANCHORS = 100  # Per cell.
_MAX_NUMBER = 1e6


def parse(content):
    """Returns the metadata as a dict of JSON's types.

    Args:
      content: what the variable holds, bytes.

    Raises:
      ValueError: if it is damaged or of another version; it begins with
        NAME and is to be put behind the file's name.
    """
    if not isinstance(content, bytes) or len(content) > _MAX_BYTES:
        raise ValueError(f'{NAME} is damaged: it is not a text of at most '
                         f'{_MAX_BYTES} bytes.')
    try:
        metadata = json.loads(content)
        version = metadata['format_version']
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f'{NAME} is damaged: {error!r}.') from None
    if version != VERSION:
        raise ValueError(f'{NAME} is of version {str(version)[:20]}; this '
                         f'program reads version {VERSION}.')
    missing = {'model_name', 'classes', *PARAMS_KEYS} - set(metadata)
    if missing:
        raise ValueError(f'{NAME} lacks {", ".join(sorted(missing))}.')
    _check_classes(metadata['classes'])
    _check_params(metadata)
    return metadata


def _check_classes(names):
    if not isinstance(names, list) or not names:
        raise _fault('classes', names, 'a list of names')
    for name in names:
        if not (isinstance(name, str) and name and name.isprintable()):
            raise _fault('classes', name, 'names of printable characters')
    (name, count), = collections.Counter(names).most_common(1)
    if count > 1:
        raise _fault('classes', name, 'there once')


def _check_params(metadata):
    """Raises ValueError unless the parameters fit the network they name."""
    name = metadata['model_name']
    if not isinstance(name, str):
        raise _fault('model_name', name, 'a name')
    try:
        params = nets_factory.get_network(name).default_params
    except ValueError as error:
        raise ValueError(f'{NAME}: {error}') from None
    num_layers = len(params.feat_layers)
    for key in ('anchor_sizes', 'anchor_ratios'):
        layers = metadata[key]
        if not (isinstance(layers, list) and len(layers) == num_layers
                and all(_are_positive(layer) for layer in layers)):
            raise _fault(
                key, layers, f'{num_layers} lists of positive numbers')
    if not all(1 <= len(sizes) <= 2 for sizes in metadata['anchor_sizes']):
        raise _fault('anchor_sizes', metadata['anchor_sizes'],
                     'one or two sizes per layer')
    for key, num in (('anchor_steps', num_layers),
                     ('prior_scaling', len(params.prior_scaling))):
        if not (_are_positive(metadata[key]) and len(metadata[key]) == num):
            raise _fault(key, metadata[key], f'{num} positive numbers')
    if not _are_positive([metadata['anchor_offset']]):
        raise _fault(
            'anchor_offset', metadata['anchor_offset'], 'a positive number')


def _are_positive(values):
    """Whether values is a list of few finite numbers above 0."""
    return isinstance(values, list) and len(values) <= _MAX_ANCHORS and all(
        isinstance(value, (int, float)) and not isinstance(value, bool)
        and 0 < value <= _MAX_NUMBER  # Not true for NaN.
        for value in values)


def _fault(key, value, rule):
    return ValueError(
        f'{NAME}: {key} is {str(value)[:60]!r}; it must be {rule}.')
