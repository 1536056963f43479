"""One VOC annotation file -> Annotation, checked for form; and back."""
import collections
import math
import os
import stat
from xml.etree import ElementTree
from xml.parsers import expat

# More is no annotation, and would take gigabytes when it is parsed.
MAX_BYTES = 2 ** 24

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
    try:
        return _annotation(_parse(_content(path)))
    except expat.ExpatError as error:
        raise ValueError(f'{path}: not XML: {error}.') from error
    # LookupError: an encoding that Python does not know.
    except (ValueError, LookupError) as error:
        raise ValueError(f'{path}: {error}') from error


def format_annotation(annotation):
    """Returns bytes, from which `read_annotation` reads the same.

    Args:
      annotation: Annotation, with both sides of the image.
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
    return ElementTree.tostring(
        root, encoding='utf-8', xml_declaration=True)


def _add(node, tag, value):
    ElementTree.SubElement(node, tag).text = str(value)


def _content(path):
    """Returns the bytes of an annotation file."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError('not a file.')
    if status.st_size > MAX_BYTES:
        raise ValueError(f'{status.st_size:,} bytes are no annotation; at '
                         f'most {MAX_BYTES:,}.')
    # Buffering costs more than the reading of so small a file.
    with open(path, 'rb', buffering=0) as file:
        return file.read(MAX_BYTES)


def _parse(content):
    """Returns the root Element of an XML document.

    The parser and the builder are those of ElementTree, written in C;
    ElementTree's own way of joining them lets no one forbid a DOCTYPE, and
    defusedxml's is written in Python and takes three times as long.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.Parse(content, True)
    return builder.close()


def _refuse_doctype(*declaration):
    # Without one there are no entities: none that grow to gigabytes, and
    # none that read other files.
    raise ValueError('it has a <!DOCTYPE>, which may declare entities; no '
                     'annotation needs one: remove it.')


def _annotation(root):
    if root.tag != 'annotation':
        raise ValueError(f'the root is <{root.tag[:80]}>, not <annotation>.')
    fields = _fields(root)
    size = _fields(fields.get('size', ()))
    return Annotation(
        filename=_text(fields, 'filename'),
        height=_side(size, 'height'),
        width=_side(size, 'width'),
        objects=tuple(_object(node, number) for number, node
                      in enumerate(root.findall('object'), 1)))


def _object(node, number):
    fields = _fields(node)
    name = _text(fields, 'name')
    if not name:
        raise ValueError(f'object {number} has no <name>.')
    place = f'object {number} ({_brief(name)})'
    if 'bndbox' not in fields:
        raise ValueError(f'{place} has no <bndbox>.')
    bndbox = _fields(fields['bndbox'])
    return Object(
        name,
        (_number(bndbox, 'xmin', place), _number(bndbox, 'ymin', place),
         _number(bndbox, 'xmax', place), _number(bndbox, 'ymax', place)),
        _flag(fields, 'difficult', place),
        _flag(fields, 'truncated', place))


def _fields(node):
    """Returns the children of an element, {tag: the first one}."""
    return {child.tag: child for child in reversed(node)}


def _text(fields, tag):
    """Returns the text of a child without spaces around, '' if absent."""
    text = fields[tag].text if tag in fields else None
    return '' if text is None else text.strip()


def _brief(text):
    """Returns text for a message, in quotes."""
    return repr(text if len(text) <= 80 else text[:80] + '...')


def _number(fields, tag, place):
    text = _text(fields, tag)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f'{place}: <{tag}> is {_brief(text)}, not a number.')
    return value


def _side(size, tag):
    return int(_number(size, tag, 'size')) if tag in size else None


def _flag(fields, tag, place):
    text = _text(fields, tag) or '0'
    if text not in ('0', '1'):
        raise ValueError(f'{place}: <{tag}> is {_brief(text)}, not 0 or 1.')
    return int(text)
