"""One VOC annotation file -> Annotation, checked for form; and back."""
import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

from datasets import samples

_SIDES = ('xmin', 'ymin', 'xmax', 'ymax')


class Annotation(NamedTuple):
    """An annotation: filename '', height and width None where absent."""
    filename: str
    height: int | None
    width: int | None
    objects: Sequence[samples.Object]


def read_annotation(path: str) -> Annotation:
    """Reads a VOC annotation.

    Missing `difficult` or `truncated` are 0; spaces around names are dropped.

    Raises:
      ValueError: the file is not a VOC annotation; names file and fault.
      OSError: it cannot be read.
    """
    try:
        # Buffering costs more than the reading of so small a file.
        with open(path, 'rb', buffering=0) as file:
            return _annotation(_parse(file.readall()))
    except expat.ExpatError as error:
        raise ValueError(f'{path}: not XML: {error}.') from error
    # LookupError: an encoding that Python does not know.
    except (ValueError, LookupError) as error:
        raise ValueError(f'{path}: {error}') from error


def format_annotation(annotation: Annotation) -> bytes:
    """Returns XML, from which `read_annotation` reads the same."""
    root = _element('annotation', {
        'filename': annotation.filename, 'size': {
            'width': annotation.width, 'height': annotation.height,
            'depth': 3}})
    for item in annotation.objects:
        sides = (f'{value:g}' for value in item.bbox)
        root.append(_element('object', {
            'name': item.name, 'pose': 'Unspecified',  # labelImg needs it.
            'truncated': item.truncated, 'difficult': item.difficult,
            'bndbox': dict(zip(_SIDES, sides, strict=True))}))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding='utf-8', xml_declaration=True)


def _element(tag, content):
    """Returns an Element with a text or, if `content` is a dict, children."""
    element = ElementTree.Element(tag)
    if isinstance(content, dict):
        element.extend(_element(*item) for item in content.items())
    else:
        element.text = str(content)
    return element


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
        raise ValueError(f'the root is <{root.tag}>, not <annotation>.')
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
    place = f'object {number} ({name!r})'
    if 'bndbox' not in fields:
        raise ValueError(f'{place} has no <bndbox>.')
    bndbox = _fields(fields['bndbox'])
    return samples.Object(
        name, tuple(_number(bndbox, side, place) for side in _SIDES),
        _flag(fields, 'difficult', place), _flag(fields, 'truncated', place))


def _fields(node):
    """Returns the children of an element, {tag: the first one}."""
    return {child.tag: child for child in reversed(node)}


def _text(fields, tag):
    """Returns the text of a child without spaces around, '' if absent."""
    text = fields[tag].text if tag in fields else None
    return '' if text is None else text.strip()


def _number(fields, tag, place):
    text = _text(fields, tag)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f'{place}: <{tag}> is {text!r}, not a number.')
    return value


def _side(size, tag):
    return int(_number(size, tag, 'size')) if tag in size else None


def _flag(fields, tag, place):
    text = _text(fields, tag) or '0'
    if text not in ('0', '1'):
        raise ValueError(f'{place}: <{tag}> is {text!r}, not 0 or 1.')
    return int(text)
