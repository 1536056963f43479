"""Finds YOLO sets and reads their label files.

A set is data.yaml (or another YAML with `names` and the splits), darknet's
obj.data with its lists, or classes.txt beside images and labels. An image's
labels are where YOLO looks for them: the last folder `images` of its path is
`labels`, the ending is .txt; else beside the image. A line is `class cx cy w
h`, parts of the image, or `class x1 y1 x2 y2 x3 y3 ...`, a polygon.
"""
import math
import os
from typing import NamedTuple

from datasets import file_trees
from datasets import samples
from datasets import text_files
from datasets.yolo import sets

# Repairs.
KEYPOINTS_LEFT_OUT = 'keypoints_left_out'
NO_LABEL_FILE = 'image_without_label_file'  # It has no objects: YOLO's rule.

# Values are written with few digits; that much is no fault.
_ROUNDING = 1e-3
# Of sides that leave the image by the rounding of centre and size.
_ROUNDING_OF_SIDES = 2e-6


class _Image(NamedTuple):
    """One image of a split."""
    text: str  # What the set calls it.
    place: str  # Where.
    path: str | None  # None if it is missing.
    is_found_by_end: bool = False
    label_path: str | None = None


def find(dataset_dir: str, output_name: str, images_dir: str | None = None,
         annotations_dir: str | None = None) -> list[file_trees.Part] | None:
    """Returns a source for each split, or None if there is no YOLO set.

    Args:
      dataset_dir: folder of data.yaml, obj.data or classes.txt; or one of
        these files.
      output_name: of the records; the split is appended.
      images_dir: makes one split of the images below it.
      annotations_dir: where the labels are, instead of YOLO's rule.

    Raises:
      ValueError: the files of the set contradict each other, or something
        that they name is missing.
    """
    root, path = file_trees.absolute(dataset_dir), None
    if os.path.isfile(root):
        path, root = root, os.path.dirname(root)
    tree = file_trees.FileTree(filter(None, (
        root, images_dir, annotations_dir)))
    found = sets.find(tree, path)
    notes, used = [], [] if found is None else list(found.used)
    if images_dir is not None:
        images = {None: _images_of_folder(
            tree, file_trees.absolute(images_dir))}
    elif found is None or not found.splits:
        images = _images_by_folder(tree)
    else:
        images = {file_trees.SPLITS[split]: _images_of_split(
            tree, found, split, notes, used) for split in found.splits}
    looked_up = {}
    for split, some in images.items():
        images[split] = [
            one if one.path is None else one._replace(
                label_path=_label_path(tree, one.path, annotations_dir,
                                       looked_up)) for one in some]
    if found is None or not found.splits:
        if not any(one.label_path for some in images.values() for one in some):
            return None
        if found is None:
            _refuse_without_names(images)
            return None
    return _parts(tree, found, images, output_name, notes, used, looked_up)


def _parts(tree, found, images, output_name, notes, used, looked_up):
    label_folders = set(map(os.path.dirname, looked_up))

    def reason_of(path):
        if file_trees.is_image(path):
            return 'image in no split'
        if (path.endswith('.txt') and os.path.dirname(path) in label_folders
                and os.path.basename(path) not in sets.NAMES_FILES):
            return 'label file without image'
        return 'other file'

    left_out = tree.left_out(
        [[path for one in some for path in (one.path, one.label_path)
          if path is not None] for some in images.values()], used, reason_of)

    def read(name, image):
        return _annotated(name, image, found)

    parts = []
    for (split, some), others in zip(images.items(), left_out, strict=True):
        entries = {}
        for image in some:
            name = image.text if image.path is None else tree.name(image.path)
            entries[name] = image
        folders = [folder for kind in ('path', 'label_path')
                   for folder in file_trees.common_folders(filter(None, (
                       getattr(image, kind) for image in some)))]
        folder = folders[0] if folders else found.path
        if not any(image.label_path for image in some):
            raise ValueError(
                f'{found.path}: none of the {len(some)} images in {folder} '
                f'has a label file; that of '
                f'{file_trees.shown(next(iter(entries)))} would be '
                f'{_wanted(some, looked_up)}. Leave such a split out.')
        parts.append(file_trees.Part(
            folder, file_trees.output_name(output_name, split, images),
            entries, read, sets.without_background(found.labels), notes,
            others, folders[1:]))
    return parts


def _wanted(images, looked_up):
    """Returns where the label file of an image was looked for first."""
    image = next((one.path for one in images if one.path is not None), None)
    return next((path for path, owner in looked_up.items() if owner == image),
                'a .txt file of the same name')


def _images_of_folder(tree, folder):
    tree.add(folder)
    for labels in _label_folders(folder):
        tree.add(labels)
    images = tree.images_below(folder)
    if not images:
        raise ValueError(f'{folder}: no image below it.')
    return [_Image(path, path, path) for path in images]


def _images_by_folder(tree):
    """Returns {split: images} by the names of their folders."""
    images = {}
    for path in tree:
        if file_trees.is_image(path):
            split = file_trees.split_of(tree.name(path))
            images.setdefault(split, []).append(
                _Image(path, path, path))
    if len(images) > 1:
        images.pop(None, None)
    return images


def _images_of_split(tree, found, split, notes, used):
    """Returns the images of one of the set's splits."""
    images = {}
    for entry in found.splits[split]:
        path, is_literal = _existing(entry, found.bases)
        if path is None:
            raise ValueError(
                f'{found.path}: {split} is {file_trees.shown(entry)}, and '
                'there is no such folder or list of images; correct it, or '
                'remove it.')
        if not is_literal:
            notes.append(f'{found.path}: {split} is {entry}; found as {path}.')
        if os.path.isdir(path):
            some = _images_of_folder(tree, path)
        elif file_trees.is_image(path):
            some = [_Image(entry, found.path, path)]
        else:
            used.append(path)
            some = _images_of_list(tree, path, found, split)
        for image in some:
            images.setdefault(image.path or image.text, image)
    return list(images.values())


def _existing(text, bases):
    """Returns the path of a folder or file, and whether it is as written."""
    parts = file_trees.parts_of(text)
    ends = [parts[first:] for first in range(len(parts))]
    candidates = [(os.path.expanduser(text), True)] + [
        # ../valid/images is not images.
        (os.path.join(*end), False) for end in ends if end != ['images']]
    for candidate, is_literal in candidates:
        for base in bases:
            path = os.path.abspath(os.path.join(base, candidate))
            if os.path.isdir(path) or os.path.isfile(path):
                return path, is_literal
    return None, False


def _images_of_list(tree, path, found, split):
    """Returns the images that a text file lists, one a line."""
    lines = text_files.read_text(path).split('\n')
    images = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if line:
            image = _Image(line, f'{path}, line {number}', None)
            if file_trees.is_image(line):
                image = _Image(*image[:2], *tree.resolve(
                    line, [os.path.dirname(path), *found.bases],
                    file_trees.SPLITS[split]))
            if images.setdefault(image.path or line, image) is not image:
                raise ValueError(f'{image.place}: {file_trees.shown(line)} is '
                                 'named twice.')
    if not images:
        raise ValueError(f'{path} names no image.')
    for image in images.values():
        if image.path is not None:
            for labels in _label_folders(os.path.dirname(image.path)):
                tree.add(labels)
    return list(images.values())


def _label_folders(folder):
    """Returns where the labels of the images of a folder may be."""
    parts = folder.split(os.sep)
    for index in reversed(range(len(parts))):
        if parts[index].lower() == 'images':
            return [os.sep.join([*parts[:index], name, *parts[index + 1:]])
                    for name in ('labels', 'Labels')]
    return []


def _label_path(tree, image_path, annotations_dir, looked_up):
    """Returns the path of an image's label file, or None.

    looked_up: {path of a label file: image path}, filled here.
    """
    folder, file_name = os.path.split(image_path)
    file_name = os.path.splitext(file_name)[0] + '.txt'
    if annotations_dir is not None:
        root = file_trees.absolute(annotations_dir)
        parts = file_trees.parts_of(tree.name(image_path))[:-1]
        folders = [os.path.join(root, *parts[first:])
                   for first in range(len(parts) + 1)]
    else:
        folders = [*_label_folders(folder), folder]
    for folder in folders:
        path = os.path.join(folder, file_name)
        looked_up.setdefault(path, image_path)
        if tree.find(path) is not None:
            return tree.find(path)
    return None


def _refuse_without_names(images):
    """Raises ValueError if the labels are YOLO's: without names of classes."""
    path = next(one.label_path for some in images.values() for one in some
                if one.label_path)
    try:
        line = text_files.read_text(path).strip().partition('\n')[0]
        _object(line.split(), [''] * 10_000, None)
    except ValueError:
        return
    raise ValueError(f'{path} is a label file of YOLO, but nothing tells the '
                     'names of the classes; write them to classes.txt, one a '
                     'line in the order of their ids.')


def _annotated(name, image, found):
    if image.path is None:
        return samples.Annotated(name, image.place, faults=[samples.Fault(
            samples.MISSING_IMAGE, f'no image {file_trees.shown(image.text)}')])
    repairs = [file_trees.FOUND_BY_END] if image.is_found_by_end else []
    objects, faults = [], []
    if image.label_path is None:
        repairs.append(NO_LABEL_FILE)
    else:
        try:
            objects, faults, done = read_label_file(
                image.label_path, found.labels, found.num_values)
            repairs += done
        except (ValueError, OSError) as error:
            message = str(error).removeprefix(f'{image.label_path}: ')
            faults = [samples.Fault(
                samples.BAD_ANNOTATION, message.rstrip('.'))]
    return file_trees.with_image(samples.Annotated(
        name, image.label_path or image.path, file_name=name, objects=objects,
        faults=faults, repairs=repairs, is_relative=True), image.path)


def read_label_file(
        path: str, labels: tuple[str, ...], num_values: int | None = None
        ) -> tuple[list[samples.Object], list[samples.Fault], list[str]]:
    """Reads the objects of an image.

    Args:
      path: of the text file.
      labels: names of the classes in the order of their ids, from 0 on.
      num_values: of a line, if it has keypoints, which are left out.

    Returns:
      objects, a fault for each line that cannot be read, kinds of repairs.

    Raises:
      ValueError: it is no text; names the file.
      OSError: it cannot be read.
    """
    objects, faults, repairs = [], [], []
    for number, line in enumerate(text_files.read_text(path).split('\n'), 1):
        fields = line.split()
        if fields:
            try:
                item, repair = _object(fields, labels, num_values)
            except ValueError as error:
                faults.append(samples.Fault(
                    samples.BAD_ANNOTATION, f'line {number}: {error}'))
                continue
            objects.append(item)
            repairs += repair
    return objects, faults, repairs


def _object(fields, labels, num_values):
    """Returns the Object of a line, and a list of what was repaired."""
    is_polygon = (num_values is None and len(fields) >= 7
                  and len(fields) % 2 == 1)
    if not is_polygon and len(fields) != (num_values or 5):
        raise ValueError(
            f'{len(fields)} values; {num_values or 5} values expected'
            + ': class cx cy w h' * (num_values is None)
            + ' (remove a confidence or an id of tracking)' * (
                len(fields) == 6))
    name = _class_name(fields[0], labels)
    values = [_part(text) for text in (
        fields[1:] if is_polygon else fields[1:5])]
    if is_polygon:
        xs, ys = values[::2], values[1::2]
        return samples.Object(
            name, (min(xs), min(ys), max(xs), max(ys))), [
                samples.POLYGON_BOX]
    x, y, width, height = values
    sides = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return samples.Object(name, tuple(map(_unrounded, sides))), (
        [] if num_values is None else [KEYPOINTS_LEFT_OUT])


def _class_name(text, labels):
    index = file_trees.number(text)
    if not index.is_integer():
        raise ValueError(
            f'class {file_trees.shown(text)} is not a whole number')
    if not 0 <= index < len(labels):
        raise ValueError(f'class {text[:40]} is not one of the ids 0 to '
                         f'{len(labels) - 1}')
    return labels[int(index)]


def _part(text):
    value = file_trees.number(text)
    if not -_ROUNDING <= value <= 1 + _ROUNDING:
        raise ValueError(f'{text[:40]} is not within 0 and 1: not a part of '
                         'the image (a value in pixels?)')
    return value


def _unrounded(side):
    """Returns a side of a box; on the image's, if rounding took it off."""
    nearest = min(max(side, 0.), 1.)
    return nearest if math.isclose(
        side, nearest, abs_tol=_ROUNDING_OF_SIDES) else side
