"""One VOC annotation file -> Annotation, checked for form; and back."""
import collections
import math
from xml.etree import ElementTree

from defusedxml import ElementTree as SafeElementTree

# filename: str, '' if absent; height, width: int or None if absent.
Annotation = collections.namedtuple(
    'Annotation', ['filename', 'height', 'width', 'objects'])
# bbox_pixels: floats xmin, ymin, xmax, ymax, as the file has them.
Object = collections.namedtuple(
    'Object', ['name', 'bbox_pixels', 'difficult', 'truncated'])


def read_annotation(path):
    """Reads a VOC annotation.

    Missing `difficult` or `truncated` are 0; spaces around names are dropped.

    Args:
      path: file name.

    Returns:
      Annotation.

    Raises:
      ValueError: the file is not a VOC annotation; names file and fault.
      OSError: it cannot be read.
    """
    with open(path, 'rb') as file:
        content = file.read()
    try:
        return _annotation(SafeElementTree.fromstring(content))
    except ElementTree.ParseError as error:
        raise ValueError(f'{path}: not XML: {error}.') from error
    # LookupError: an encoding that Python does not know.
    except (ValueError, LookupError) as error:
        raise ValueError(f'{path}: {error}') from error


def write_annotation(path, annotation):
    """Writes a VOC annotation; `read_annotation` reads the same from it.

    Args:
      path: file name.
      annotation: Annotation, with both sides of the image.

    Raises:
      OSError: it cannot be written.
    """
    root = ElementTree.Element('annotation')
    _add(root, 'filename', annotation.filename)
    size = ElementTree.SubElement(root, 'size')
    _add(size, 'width', annotation.width)
    _add(size, 'height', annotation.height)
    _add(size, 'depth', 3)
    for item in annotation.objects:
        node = ElementTree.SubElement(root, 'object')
        _add(node, 'name', item.name)
        _add(node, 'pose', 'Unspecified')  # labelImg needs it.
        _add(node, 'truncated', item.truncated)
        _add(node, 'difficult', item.difficult)
        bndbox = ElementTree.SubElement(node, 'bndbox')
        for tag, value in zip(
                ('xmin', 'ymin', 'xmax', 'ymax'), item.bbox_pixels,
                strict=True):
            _add(bndbox, tag, f'{value:g}')
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(
        path, encoding='utf-8', xml_declaration=True)


def _add(node, tag, value):
    ElementTree.SubElement(node, tag).text = str(value)


def _annotation(root):
    if root.tag != 'annotation':
        raise ValueError(f'the root is <{root.tag}>, not <annotation>.')
    size = root.find('size')
    return Annotation(
        filename=_text(root, 'filename'),
        height=None if size is None else _side(size, 'height'),
        width=None if size is None else _side(size, 'width'),
        objects=tuple(_object(node, f'object {number}') for number, node
                      in enumerate(root.findall('object'), 1)))


def _object(node, place):
    name = _text(node, 'name')
    if not name:
        raise ValueError(f'{place} has no <name>.')
    bndbox = node.find('bndbox')
    if bndbox is None:
        raise ValueError(f'{place} ({name!r}) has no <bndbox>.')
    return Object(
        name,
        tuple(_number(bndbox, tag, f'{place} ({name!r})')
              for tag in ('xmin', 'ymin', 'xmax', 'ymax')),
        _flag(node, 'difficult', place),
        _flag(node, 'truncated', place))


def _text(node, tag):
    """Returns the text of a child without spaces around, '' if absent."""
    child = node.find(tag)
    return '' if child is None or child.text is None else child.text.strip()


def _number(node, tag, place):
    text = _text(node, tag)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f'{place}: <{tag}> is {text!r}, not a number.')
    return value


def _side(size, tag):
    if size.find(tag) is None:
        return None
    return int(_number(size, tag, 'size'))


def _flag(node, tag, place):
    text = _text(node, tag) or '0'
    if text not in ('0', '1'):
        raise ValueError(f'{place}: <{tag}> is {text!r}, not 0 or 1.')
    return int(text)
