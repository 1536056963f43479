"""Files of class names, as tools write them, in the order of their ids."""
import csv
import functools
import json
import re
from collections.abc import Iterable

import yaml
from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory
from google.protobuf import text_format

from datasets import text_files

# What stands for no class, in lower case: Caffe's, CVAT's, LabelMe's, TFLite's.
_NO_CLASS = ('background', '__background__', '_background_',
             'none_of_the_above', '__ignore__', '???')
# CVAT's and Datumaro's label:color_rgb:parts:actions.
_CVAT_LINE = re.compile(r'(.*):(?:\d+,\d+,\d+)?:[^:]*:[^:]*')
_CVAT_HEAD = re.compile(r'#\s*label\s*:')
# Names that are for machines: of knowledge graphs, and Caffe's COCO's.
_CODE = re.compile(r'/[mg]/\w+|\d+')


def parse(text: str, path: str) -> list[tuple[str, str]]:
    """Returns (place, name) of the classes in a file, without a background.

    The file is a list, one name a line, where # and a blank begin a comment;
    CVAT's labelmap.txt; label_map.pbtxt of the TF Object Detection API;
    Caffe's labelmap.prototxt; a YAML with `names`; a CSV of name and id.

    Raises:
      ValueError: it is none of them; does not name the file.
    """
    lines = [(number, line.strip())
             for number, line in enumerate(text.split('\n'), 1)]
    lines = [(number, line) for number, line in lines if line]
    listed = [(number, line) for number, line in lines
              if line != '#' and not line.startswith(('# ', '#\t'))]
    ending = path.lower().rpartition('.')[2]
    if re.match(r'item\s*:?\s*\{', ' '.join(line for _, line in listed)):
        found = _of_items(text)
    elif ending in ('yaml', 'yml'):
        found = _numbered('name', names_of_yaml(parsed_yaml(text)))
    elif ending == 'csv':
        found = _of_csv(lines)
    elif any(_CVAT_HEAD.match(line) for _, line in lines):
        found = _of_cvat(listed)
    else:
        _refuse_others(text)
        found = [(f'line {number}', line) for number, line in listed]
    return [(place, name) for place, name in found
            if name.lower() not in _NO_CLASS]


def names_of_items(text: str) -> dict[int, str]:
    """Returns {id: name} of a label_map.pbtxt, sorted, without a background.

    Raises:
      ValueError: it is none; does not name the file.
    """
    return {key: name for key, (_, name) in sorted(_items(text).items())
            if name.lower() not in _NO_CLASS}


def _of_items(text):
    return [item for _, item in sorted(_items(text).items())]


def _items(text):
    """Reads item { id: 1 name: 'cat' }, or Caffe's with `label` for `id`.

    Returns {id: (place, name)}.
    """
    try:
        items = text_format.Parse(
            text, _item_map()(), allow_unknown_field=True).item
    except (text_format.ParseError, RecursionError) as error:
        raise ValueError('it is not a map of labels: '
                         f'{_one_line(error)}.') from error
    names = {}
    for number, item in enumerate(items, 1):
        key = next((getattr(item, field) for field in ('id', 'label')
                    if item.HasField(field)), None)
        if key is None or key in names:
            raise ValueError(
                f'item {number} has '
                + ('no id.' if key is None else f'the id {key} again.'))
        is_code = item.display_name and _CODE.fullmatch(item.name or '0')
        names[key] = (f'item {number}',
                      item.display_name if is_code else item.name)
    return names


@functools.cache
def _item_map():
    """Returns the class of messages that hold either kind of items."""
    file = descriptor_pb2.FileDescriptorProto(
        name='label_files.proto', package='label_files', syntax='proto2')
    field = descriptor_pb2.FieldDescriptorProto
    file.message_type.add(name='Item').field.extend(
        field(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
        for number, (name, kind) in enumerate((
            ('name', field.TYPE_STRING), ('display_name', field.TYPE_STRING),
            ('id', field.TYPE_INT32), ('label', field.TYPE_INT32)), 1))
    file.message_type.add(name='Map').field.add(
        name='item', number=1, type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED, type_name='.label_files.Item')
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName('label_files.Map'))


def parsed_yaml(text: str) -> object:
    """Returns the lists, dicts and str of a YAML.

    Raises:
      ValueError: it is none; does not name the file.
    """
    try:
        # Without types: a class may be called no, 1 or null.
        return yaml.BaseLoader(text).get_single_data()
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f'it is not YAML: {_one_line(error)}.') from error


def names_of_yaml(content: object) -> dict[int, str]:
    """Returns {id: name} of `names` in a YAML, sorted, or of a YAML's list.

    Raises:
      ValueError: there is neither; does not name the file.
    """
    names = content.get('names') if isinstance(content, dict) else content
    if isinstance(names, dict):
        names = _by_id((name, key) for key, name in names.items())
    elif isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(
            isinstance(name, str) for name in names.values()):
        raise ValueError('it has no `names`, a list or id: name.')
    return names


def _one_line(error):
    return ' '.join(str(error).split())[:200].rstrip('.')


def _of_csv(lines):
    """Reads keras-retinanet's name,id."""
    try:
        rows = [[field.strip() for field in row]
                for row in csv.reader(line for _, line in lines)]
    except csv.Error as error:
        raise ValueError(f'it is not a CSV: {error}.') from error
    if any(len(row) != 2 for row in rows):
        raise ValueError('it is a CSV, and its lines are not name,id.')
    return _numbered('class', _by_id(rows))


def _numbered(kind, names):
    """Returns (place, name) of {id: name}."""
    return [(f'{kind} {number}', name)
            for number, name in enumerate(names.values(), 1)]


def _by_id(rows: Iterable[tuple[str, str]]) -> dict[int, str]:
    """Returns {id: name} of (name, id), sorted."""
    names = {}
    for name, key in rows:
        if not re.fullmatch('[0-9]{1,9}', key) or int(key) in names:
            raise ValueError(
                f'the id of {text_files.shown(name)} is '
                f'{text_files.shown(key)}, which is no number or that of '
                'another.')
        names[int(key)] = name
    return dict(sorted(names.items()))


def _of_cvat(lines):
    found = []
    for number, line in lines:
        match = _CVAT_LINE.fullmatch(line)
        if match is None:
            raise ValueError(f'line {number} is {text_files.shown(line)}, not '
                             'label:color_rgb:parts:actions.')
        found.append((f'line {number}', match[1]))
    return found


def _refuse_others(text):
    """Raises ValueError if a file is in no way a list."""
    kind = None
    if re.match(r'\s*<(\?xml|!doctype|html|annotation)', text, re.IGNORECASE):
        kind = 'XML or a web page'
    elif text.lstrip()[:1] in ('{', '['):
        try:
            kind = 'JSON' if json.loads(text) else None
        except (ValueError, RecursionError):
            pass  # A name may begin so.
    if kind is not None:
        raise ValueError(f'it is {kind}; give the class names one a line.')
