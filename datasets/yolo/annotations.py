"""Finds YOLO sets and reads their label files.

A set is data.yaml (or another YAML with `names` and the splits), darknet's
obj.data with its lists, or classes.txt beside images and labels. An image's
labels are where YOLO looks for them: the last folder `images` of its path is
`labels`, the ending is .txt; else beside the image. A line is `class cx cy w
h`, parts of the image, or `class x1 y1 x2 y2 x3 y3 ...`, a polygon.
"""
import functools
import math
import os
from collections.abc import Sequence

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
    root, path = file_trees.folder_and_file(dataset_dir)
    tree = file_trees.FileTree((root, images_dir, annotations_dir))
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
    labels_dir = annotations_dir and file_trees.absolute(annotations_dir)
    images = {split: {one.name: _with_place(tree, one, labels_dir)
                      for one in some} for split, some in images.items()}
    if found is None or not found.splits:
        path = next((one.place for some in images.values()
                     for one in some.values() if _has_labels(one)), None)
        if path is None:
            return None
        if found is None:
            _refuse_without_names(path)
            return None
    return _parts(tree, found, images, output_name, notes, used, labels_dir)


def _image(name, path, repairs=()):
    """Returns the Annotated of an image before its labels are looked for."""
    return samples.Annotated(name, path, name, path, repairs=[*repairs],
                             is_relative=True)


def _has_labels(annotated):
    return (annotated.image is not None
            and NO_LABEL_FILE not in annotated.repairs)


def _label_paths(annotated, labels_dir):
    """Returns where the label file of an image may be, likely first."""
    if annotated.image is None:
        return []
    folder, file_name = os.path.split(annotated.image)
    folders = [*_label_folders(folder), folder]
    if labels_dir is not None:
        parts = file_trees.parts_of(annotated.name)[:-1]
        folders = [os.path.join(labels_dir, *parts[first:])
                   for first in range(len(parts) + 1)]
    stem = os.path.splitext(file_name)[0]
    return [os.path.join(folder, f'{stem}.txt') for folder in folders]


def _with_place(tree, annotated, labels_dir):
    """Returns an Annotated whose place is its label file, if it has one."""
    path = next(filter(None, map(
        tree.find, _label_paths(annotated, labels_dir))), None)
    if path is not None:
        return annotated._replace(place=path)
    return annotated if annotated.image is None else annotated._replace(
        repairs=[*annotated.repairs, NO_LABEL_FILE])


def _parts(tree, found, images, output_name, notes, used, labels_dir):
    label_folders = {
        os.path.dirname(path) for some in images.values()
        for one in some.values() for path in (
            [one.place] if _has_labels(one)
            else _label_paths(one, labels_dir))}

    def reason_of(path):
        if file_trees.is_image(path):
            return 'image in no split'
        return 'label file without image' if (
            path.endswith('.txt') and os.path.dirname(path) in label_folders
            and os.path.basename(path) not in sets.NAMES_FILES) else (
                'other file')

    parts = []
    for split, some in images.items():
        folder, = file_trees.common_folders(filter(None, (
            one.image for one in some.values()))) or [found.path]
        label_files = [one.place for one in some.values() if _has_labels(one)]
        if not label_files:
            wanted = next(filter(None, (
                _label_paths(one, labels_dir) for one in some.values())),
                ['a .txt file of the same name'])[0]
            raise ValueError(
                f'{found.path}: none of the {len(some)} images in {folder} '
                f'has a label file; that of '
                f'{text_files.shown(next(iter(some)))} would be {wanted}. '
                'Leave such a split out.')
        parts.append(file_trees.Part(
            folder, file_trees.output_name(output_name, split, images), some,
            sets.without_background(found.labels), notes, label_files,
            functools.partial(_with_objects, found)))
    tree.account_for(parts, used, reason_of)
    return parts


def _images_of_folder(tree, folder):
    tree.add(folder)
    for labels in _label_folders(folder):
        tree.add(labels)
    images = list(filter(file_trees.is_image, tree.below(folder)))
    if not images:
        raise ValueError(f'{folder}: no image below it.')
    return [_image(tree.name(path), path) for path in images]


def _images_by_folder(tree):
    """Returns {split: images} by the names of their folders."""
    images = {}
    for path in filter(file_trees.is_image, tree):
        name = tree.name(path)
        images.setdefault(file_trees.split_of(name), []).append(
            _image(name, path))
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
                f'{found.path}: {split} is {text_files.shown(entry)}, and '
                'there is no such folder or list of images; correct it, or '
                'remove it.')
        if not is_literal:
            notes.append(f'{found.path}: {split} is {entry}; found as {path}.')
        if os.path.isdir(path):
            some = _images_of_folder(tree, path)
        elif file_trees.is_image(path):
            some = [_image(tree.name(path), path)]
        else:
            used.append(path)
            some = _images_of_list(tree, path, found, split)
        for image in some:
            images.setdefault(image.name, image)
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
        if not line:
            continue
        place = f'{path}, line {number}'
        file, repairs = tree.resolve(
            line, [os.path.dirname(path), *found.bases],
            file_trees.SPLITS[split]) if file_trees.is_image(line) else (
                None, [])
        image = _image(tree.name(file), file, repairs) if file else (
            samples.Annotated(line, place, faults=[file_trees.no_image(line)]))
        if images.setdefault(image.name, image) is not image:
            raise ValueError(
                f'{place}: {text_files.shown(line)} is named twice.')
        if file:
            for labels in _label_folders(os.path.dirname(file)):
                tree.add(labels)
    if not images:
        raise ValueError(f'{path} names no image.')
    return list(images.values())


def _label_folders(folder):
    """Returns where the labels of the images of a folder may be."""
    parts = folder.split(os.sep)
    for index in reversed(range(len(parts))):
        if parts[index].lower() == 'images':
            return [os.sep.join([*parts[:index], name, *parts[index + 1:]])
                    for name in ('labels', 'Labels')]
    return []


def _refuse_without_names(path):
    """Raises ValueError if a label file is YOLO's: without names of classes."""
    try:
        line = text_files.read_text(path).strip().partition('\n')[0]
        _object(line.split(), [''] * 10_000, None)
    except ValueError:
        return
    raise ValueError(f'{path} is a label file of YOLO, but nothing tells the '
                     'names of the classes; write them to classes.txt, one a '
                     'line in the order of their ids.')


def _with_objects(found, annotated):
    """Returns the Annotated of an image with what its label file says."""
    if not _has_labels(annotated):
        return annotated
    try:
        objects, faults, repairs = read_label_file(
            annotated.place, found.labels, found.num_values)
    except (ValueError, OSError) as error:
        return annotated._replace(
            faults=[samples.bad_annotation(annotated.place, error)])
    return annotated._replace(objects=objects, faults=faults,
                              repairs=[*annotated.repairs, *repairs])


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


def format_label_file(annotated: samples.Annotated,
                      labels: Sequence[str]) -> str:
    """Returns text, from which `read_label_file` reads the same.

    Args:
      annotated: an image's size and objects, whose bboxes are in pixels.
      labels: as read_label_file.
    """
    height, width = annotated.size
    lines = []
    for item in annotated.objects:
        xmin, ymin, xmax, ymax = item.bbox
        values = ((xmin + xmax) / 2 / width, (ymin + ymax) / 2 / height,
                  (xmax - xmin) / width, (ymax - ymin) / height)
        lines.append(' '.join([str(labels.index(item.name)), *(
            f'{value:.8f}' for value in values)]) + '\n')
    return ''.join(lines)


def _object(fields, labels, num_values):
    """Returns the Object of a line, and a list of what was repaired."""
    # After a box trackers write a confidence and an id.
    is_polygon = (num_values is None and len(fields) % 2 == 1 and (
        len(fields) > 7 or len(fields) == 7 and fields[6] not in ('0', '1')))
    if not is_polygon and len(fields) != (num_values or 5):
        raise ValueError(
            f'{len(fields)} values; {num_values or 5} values expected'
            + ': class cx cy w h' * (num_values is None)
            + ' (remove a confidence or an id of tracking)' * (
                len(fields) in (6, 7)))
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
            f'class {text_files.shown(text)} is not a whole number')
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
