"""What a COCO file says: images, annotations and categories, joined by ids.

Ids are the file's own: whole numbers or texts, also 0. A bbox is x, y, width
and height, from 0 on. Outlines are not looked at.
"""
import collections
import json
import math
import os
import urllib.parse
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from datasets import file_trees
from datasets import label_map
from datasets import samples
from datasets import text_files

IMAGE_LISTED_TWICE = 'image_listed_twice'

LISTS = ('images', 'annotations', 'categories')
_TOO_LARGE = 1e15


class Content(NamedTuple):
    """What a file says."""
    # By name. What cannot be told an image of is there too, 'annotations[7]'.
    annotated: dict[str, samples.Annotated]
    category_ids: dict[str, int | str]  # By name, in the order of the ids.
    notes: Sequence[str]
    unlisted: dict[str, int]  # Number of annotations, by id of their image.


def read(path: str, tree: file_trees.FileTree, bases: Sequence[str],
         split: str | None) -> Content:
    """Reads a COCO file.

    Args:
      path: of the file.
      tree: the files among which its images are.
      bases: folders that names of images are relative to.
      split: of file_trees, if known: no image of another one is meant.

    Raises:
      ValueError: it is no COCO file, or none of its annotations is of one of
        its images.
      OSError: it cannot be read.
    """
    text = text_files.read_text(path)
    try:
        fields = json.loads(text, object_hook=_without_outline)
    except RecursionError:
        fields = None
    except ValueError as error:
        raise ValueError(f'{path} is not JSON: {error}.') from error
    del text  # As large as all that was read from it.
    if not isinstance(fields, dict) or not all(
            isinstance(fields.get(key), list) for key in LISTS):
        raise ValueError(f'{path} is not a COCO file; it must have lists of '
                         f'{", ".join(LISTS)}.')
    return _Joiner(path, tree, bases, split).join(
        **{key: fields[key] for key in LISTS})


def format_image(annotated: samples.Annotated) -> dict:
    """Returns the entry of an image, of its image_id, file_name and size."""
    height, width = annotated.size
    return {'id': annotated.image_id, 'file_name': annotated.file_name,
            'width': width, 'height': height}


def format_annotations(
        annotated: samples.Annotated, category_ids: Mapping[str, int],
        scores: Sequence[float], first_id: int) -> list[dict]:
    """Returns the entries of an image's objects, bboxes in pixels.

    Args:
      annotated: with its image_id.
      category_ids: by the names of classes.
      scores: of the objects; other programs than the readers here know them.
      first_id: of the entries.
    """
    entries = []
    for number, (item, score) in enumerate(
            zip(annotated.objects, scores, strict=True), first_id):
        xmin, ymin, xmax, ymax = item.bbox
        width, height = round(xmax - xmin, 2), round(ymax - ymin, 2)
        entries.append({
            'id': number, 'image_id': annotated.image_id,
            'category_id': category_ids[item.name],
            'bbox': [xmin, ymin, width, height],
            'area': round(width * height, 2), 'iscrowd': 0, 'score': score})
    return entries


class _Joiner:
    """Joins the lists of a file by their ids."""

    def __init__(self, path, tree, bases, split):
        self._path = path
        self._tree = tree
        self._bases = bases
        self._split = split
        self._annotated = {}  # By name; objects, faults, repairs are lists.
        self._names = {}  # {id as a text: name}
        self._files = {}  # {path, else name: name}
        self._categories = {}  # {id as a text: (id, name)}
        self._category_ids = {}  # {name: id}
        self._unlisted = collections.Counter()  # Annotations, by their image.
        self._joined = set()  # Names of images that are listed twice.

    def join(self, images, annotations, categories):
        """Returns the Content of the lists."""
        groups = _groups(categories, annotations)
        for kind, entries, add in (
                ('categories', categories, self._add_category),
                ('images', images, self._add_image),
                ('annotations', annotations, self._add_annotation)):
            for index, fields in enumerate(entries):
                try:
                    if not isinstance(fields, dict):
                        raise ValueError('it is not an object')
                    if fields not in groups:
                        add(fields)
                except ValueError as error:
                    self._add_fault(f'{kind}[{index}]', error)
        self._check(images, annotations, categories)
        for name in self._joined:
            objects = self._annotated[name].objects
            objects[:] = dict.fromkeys(objects)
        return Content(
            self._annotated, {name: category_id for category_id, name in sorted(
                self._categories.values(), key=_order)},
            [f'{self._path}: {text_files.shown(fields["name"])} is no class: '
             'it has no objects, and names the group of the others or the '
             'background.' for fields in groups], self._unlisted)

    def _check(self, images, annotations, categories):
        """Raises ValueError if the lists as a whole tell nothing."""
        for kind, entries in ('image', images), ('category', categories):
            if not entries:
                raise ValueError(f'{self._path} lists no {kind}.')
        if not any(one.image for one in self._annotated.values()):
            raise ValueError(
                f'{self._path}: none of its {len(images)} images is in '
                f'{" or ".join(self._bases)}; give --images_dir.')
        if annotations and self._unlisted.total() == len(annotations):
            raise ValueError(
                f'{self._path}: none of its {len(annotations)} annotations is '
                'of one of its images; an image_id must be the id of one.')

    def _add(self, name, **fields):
        """Returns the Annotated of a name, which is made if there is none."""
        return self._annotated.setdefault(name, samples.Annotated(
            name, f'{self._path}, {name}', objects=[], faults=[],
            **{'repairs': [], **fields}))

    def _add_fault(self, name, message, kind=samples.BAD_ANNOTATION):
        self._add(name).faults.append(samples.Fault(kind, str(message)))

    def _add_category(self, fields):
        category_id, name = _id(fields, 'id'), _text(fields, 'name')
        shown = text_files.shown(name)
        if name.lower() == label_map.BACKGROUND:
            raise ValueError(f'{shown} is no class, but it has objects')
        if self._category_ids.setdefault(name, category_id) != category_id:
            raise ValueError(f'{shown} has the id {category_id} and the id '
                             f'{self._category_ids[name]}')
        _, other = self._categories.setdefault(
            str(category_id), (category_id, name))
        if other != name:
            raise ValueError(f'id {category_id} is that of {shown} and of '
                             f'{text_files.shown(other)}')

    def _add_image(self, fields):
        image_id, name = _id(fields, 'id'), _text(fields, 'file_name')
        size, text = _size(fields), name
        if '://' in name:
            text = urllib.parse.unquote(urllib.parse.urlsplit(name).path)
        path, repairs = self._tree.resolve(text, self._bases, self._split)
        first = self._files.setdefault(path or name, name)
        if name not in self._annotated:
            self._add(name, image=path, size=size, image_id=image_id,
                      repairs=repairs, file_name=(
                          os.path.basename(path) if repairs
                          else '/'.join(file_trees.parts_of(text))))
            if path is None:
                self._add_fault(name, (
                    f'no image, or several: {text_files.shown(name)} was '
                    f'looked for in {self._bases[0]}'), samples.MISSING_IMAGE)
        elif None not in (size, self._annotated[name].size) and (
                size != self._annotated[name].size):
            self._add_fault(name, 'it is listed with different sizes')
        else:
            self._annotated[name].repairs.append(IMAGE_LISTED_TWICE)
            self._joined.add(name)
        self._check_same(name, first, f'both are {path}')
        other = self._names.setdefault(str(image_id), name)
        self._check_same(name, other, f'both have the id {image_id}')

    def _check_same(self, name, other, reason):
        if name != other:
            for one, another in ((name, other), (other, name)):
                self._add_fault(
                    one, f'{reason}: this and {text_files.shown(another)}')

    def _add_annotation(self, fields):
        image_id = str(_id(fields, 'image_id'))
        if image_id not in self._names:
            self._unlisted[image_id] += 1
            return
        annotated, kind = (self._annotated[self._names[image_id]],
                           samples.BAD_ANNOTATION)
        try:
            category_id = _id(fields, 'category_id')
            if str(category_id) not in self._categories:
                kind = samples.UNKNOWN_CLASS
                raise ValueError(
                    f'its category_id is {text_files.shown(category_id)}, '
                    'which is not among the categories')
            item, repairs = _object(
                fields, self._categories[str(category_id)][1])
        except ValueError as error:
            annotated.faults.append(samples.Fault(
                kind, f'annotation {fields.get("id")!r}: {error}'))
        else:
            annotated.objects.append(item)
            annotated.repairs.extend(repairs)


def _without_outline(fields):
    """Returns an object of the JSON without what most of a file is."""
    if 'segmentation' in fields:
        fields['segmentation'] = bool(fields['segmentation'])
    return fields


def _groups(categories, annotations):
    """Returns the categories that are no classes.

    Roboflow's first one is the project's name: the group of all the others.
    """
    used = {str(fields.get('category_id')) for fields in annotations
            if isinstance(fields, dict)}
    categories = [fields for fields in categories if isinstance(fields, dict)]
    names = {str(fields.get('supercategory')) for fields in categories
             if fields.get('supercategory') != fields.get('name')}
    return [fields for fields in categories
            if str(fields.get('id')) not in used
            and fields.get('supercategory') in (None, '', 'none')
            and isinstance(fields.get('name'), str)
            and (fields['name'] in names
                 or fields['name'].lower() == label_map.BACKGROUND)]


def _id(fields, key):
    """Returns an id: a whole number or a text."""
    value = fields.get(key)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or (
            isinstance(value, str) and not text_files.is_printable(value)):
        raise ValueError(f'its {key} is {text_files.shown(value)}, not a whole '
                         'number or a text')
    return value


def _order(category):
    """Returns what sorts categories: numbers, also as texts, come first."""
    text = str(category[0])
    return ((0, int(text), '') if text.removeprefix('-').isdecimal()
            else (1, 0, text))


def _text(fields, key):
    value = fields.get(key)
    if not isinstance(value, str) or not value.strip() or not (
            text_files.is_printable(value)):
        raise ValueError(f'its {key} is {text_files.shown(value)}, not a text '
                         'that can be printed')
    return text_files.normalised(value.strip())


def _size(fields):
    """Returns height and width of an image, or None."""
    size = tuple(_number(fields[key], key) if fields.get(key) else 0
                 for key in ('height', 'width'))
    if min(size) < 0:
        raise ValueError(f'its height and width are {size}')
    return tuple(map(int, size)) if min(size) >= 1 else None


def _object(fields, name):
    """Returns the Object of an annotation, and what was done for it."""
    bbox = fields.get('bbox')
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError(f'its bbox is {text_files.shown(bbox)}, not [x, y, '
                         'width, height]')
    x, y, width, height = (_number(side, 'bbox') for side in bbox)
    is_crowd = fields.get('iscrowd') or 0
    if is_crowd not in (0, 1):
        raise ValueError(f'its iscrowd is {text_files.shown(is_crowd)}, not 0 '
                         'or 1')
    area = (width * height if fields.get('area') is None
            else _number(fields['area'], 'area'))
    attributes, repairs = fields.get('attributes'), []
    angle = (attributes.get('rotation') if isinstance(attributes, dict)
             else None)
    # CVAT's boxes are turned about their centre, in degrees; its outlines, and
    # the boxes around them, are turned already.
    if angle and not fields.get('segmentation'):
        bbox = samples.around_rotated(
            x + width / 2, y + height / 2, width, height,
            math.radians(_number(angle, 'rotation')))
        repairs = [samples.ROTATED_BOX]
    else:
        bbox = x, y, x + width, y + height
    return samples.Object(name, bbox, is_crowd=int(is_crowd),
                          area=abs(area)), repairs


def _number(value, key):
    """Returns a number as a float; sums and products of it are finite."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError
        number = float(value)
        if not abs(number) < _TOO_LARGE:  # Not true for nan either.
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(f'its {key} has {text_files.shown(value)}, not a '
                         'number') from None
    return number
