"""One VOC annotation file -> Annotation, checked for form; and back."""
import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

from datasets import samples
from datasets import text_files

_SIDES = ('xmin', 'ymin', 'xmax', 'ymax')
# What flags are called besides numbers, of which KITTI has fractions.
_FLAGS = {'0': 0, '1': 1, '': 0, 'unspecified': 0, 'false': 0, 'no': 0,
          'true': 1, 'yes': 1}


class Annotation(NamedTuple):
    """An annotation: filename '', height and width None where absent or 0."""
    filename: str
    height: int | None
    width: int | None
    objects: Sequence[samples.Object]
    repairs: Sequence[str] = ()  # Kinds, one for each thing.


def read_annotation(path: str) -> Annotation:
    """Reads a VOC annotation.

    Missing `difficult` or `truncated` are 0, fractions of them 1; spaces
    around names are dropped. Rotated boxes and polygons become the boxes
    around them. Parts of objects are not read.

    Raises:
      ValueError: the file is not a VOC annotation; names file and fault.
      OSError: it cannot be read.
    """
    text = text_files.read_text(path)
    try:
        return _annotation(_parse(text))
    except expat.ExpatError as error:
        raise ValueError(f'{path}: not XML: {error}.') from error
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def format_annotation(annotation: Annotation) -> bytes:
    """Returns XML, from which `read_annotation` reads the same."""
    root = _element('annotation', {
        'filename': annotation.filename, 'size': {
            'width': annotation.width, 'height': annotation.height,
            'depth': 3}})
    for item in annotation.objects:
        sides = (f'{value:.10g}' for value in item.bbox)
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


def _parse(text):
    """Returns the root Element of an XML document, whatever it declares.

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
    parser.Parse(text, True)
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
    objects, repairs = [], []
    for number, node in enumerate(root.findall('object'), 1):
        item = _fields(node)
        if 'deleted' in item and _text(item, 'deleted') == '1':  # LabelMe's.
            repairs.append(samples.DROPPED_DELETED_OBJECT)
        else:
            objects.append(_object(item, number, repairs))
    return Annotation(
        filename=_text(fields, 'filename'), height=_side(size, 'height'),
        width=_side(size, 'width'), objects=tuple(objects),
        repairs=tuple(repairs))


def _object(fields, number, repairs):
    """Returns the Object; appends to `repairs` what is done for it."""
    name = text_files.normalised(_text(fields, 'name'))
    if not name:
        raise ValueError(f'object {number} has no <name>.')
    place = f'object {number} ({text_files.shown(name)})'
    if 'bndbox' in fields:
        bndbox = _fields(fields['bndbox'])
        bbox = tuple(_number(bndbox, side, place) for side in _SIDES)
    elif 'robndbox' in fields:
        bbox = _around_rotated(_fields(fields['robndbox']), place)
        repairs.append(samples.ROTATED_BOX)
    elif 'polygon' in fields:
        bbox = _around_polygon(fields['polygon'], place)
        repairs.append(samples.POLYGON_BOX)
    else:
        raise ValueError(f'{place} has no <bndbox>.')
    return samples.Object(name, bbox, _flag(fields, 'difficult', repairs),
                          _flag(fields, 'truncated', repairs))


def _around_rotated(fields, place):
    """Returns the sides of the box around one of roLabelImg."""
    x, y, width, height, angle = (
        _number(fields, tag, place) for tag in ('cx', 'cy', 'w', 'h', 'angle'))
    if abs(angle) > 2 * math.pi:
        raise ValueError(f'{place}: <angle> is {angle:g}; it must be in '
                         'radians, at most 2 pi.')
    return samples.around_rotated(x, y, width, height, angle)


def _around_polygon(polygon, place):
    """Returns the sides of the box around <pt><x/><y/></pt> or <x1/><y1/>."""
    corners = {'x': [], 'y': []}
    for child in polygon.iter():
        axis = child.tag[:1]
        if axis in corners and (child.tag[1:] or '0').isdecimal():
            corners[axis].append(_number({child.tag: child}, child.tag, place))
    if not corners['x'] or len(corners['x']) != len(corners['y']):
        raise ValueError(f'{place}: <polygon> has no corners with x and y.')
    return (*map(min, corners.values()), *map(max, corners.values()))


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
        raise ValueError(
            f'{place}: <{tag}> is {text_files.shown(text)}, not a number.')
    return value


def _side(size, tag):
    """Returns a side of the image; None where it is not told, or 0."""
    return int(_number(size, tag, 'size')) or None if _text(size, tag) else None


def _flag(fields, tag, repairs):
    """Returns 0 or 1; what is neither is 0, and a repair."""
    text = _text(fields, tag).lower()
    if text in _FLAGS:
        return _FLAGS[text]
    try:
        return int(float(text) > 0)
    except ValueError:
        repairs.append(samples.UNKNOWN_FLAG)
        return 0
