"""What the files of a YOLO set tell: names of classes, splits, paths.

They are data.yaml (or another YAML with `names`), darknet's obj.data with its
lists, or a list of names alone.
"""
import os
from collections.abc import Iterable
from collections.abc import Sequence
from typing import NamedTuple

import yaml

from datasets import file_trees
from datasets import label_files
from datasets import label_map
from datasets import text_files

NAMES_FILES = ('classes.txt', 'obj.names', '_darknet.labels')

_SPLITS = ('train', 'val', 'valid', 'test')
# Of files that are read: 10,000 classes take a fifth of it.
_MAX_BYTES = 2 ** 20


class Set(NamedTuple):
    """What the files of a set tell."""
    path: str  # Of the file that has the most to tell.
    labels: tuple[str, ...]  # Of ids 0, 1, ...
    # Folders, images and lists of images as the set calls them.
    splits: dict[str, list[str]]
    bases: list[str]  # They are relative to one of these folders.
    used: list[str]  # Paths of the files that were read for this.
    num_values: int | None = None  # Of a line, if it has keypoints.


def find(tree: file_trees.FileTree, path: str | None = None) -> Set | None:
    """Returns what is told, or None if no file is of a YOLO set.

    Args:
      tree: the files.
      path: of the one file to look at; None for all.

    Raises:
      ValueError: a file is broken, contradicts itself or another.
    """
    paths = [path for path in (tree if path is None else [path])
             if path.endswith(('.yaml', '.yml', '.data', *NAMES_FILES))
             and os.path.isfile(path)
             and os.path.getsize(path) <= _MAX_BYTES]
    return _of_yaml(paths) or _of_darknet(tree, paths) or _of_names(paths)


def format_yaml(labels: Sequence[str], **splits: str) -> str:
    """Returns a data.yaml, from which `find` reads the same.

    splits: as train='images.txt'.
    """
    return yaml.safe_dump({**splits, 'names': dict(enumerate(labels))},
                          allow_unicode=True, sort_keys=False)


def _of_yaml(paths):
    """Returns the Set of a YAML file, None if there is none."""
    paths = [path for path in paths if path.endswith(('.yaml', '.yml'))]
    found = {}
    for path in sorted(paths, key=lambda path: path.count(os.sep)):
        if found and path.count(os.sep) > next(iter(found)).count(os.sep):
            break
        text = text_files.read_text(path)
        if 'names' in text:
            content = _named(path, label_files.parsed_yaml, text)
            if isinstance(content, dict) and 'names' in content:
                found[path] = content
    chosen = [path for path in found
              if os.path.basename(path).startswith('data.')] or list(found)
    if len(chosen) > 1:
        raise ValueError(
            f'{chosen[0]} and {chosen[1]} both tell a YOLO set; give one as '
            '--dataset_dir.')
    return _named(chosen[0], _set_of_yaml, found[chosen[0]], chosen[0]) if (
        chosen) else None


def _named(path, function, *args):
    """Returns function(*args); puts the path before what it raises."""
    try:
        return function(*args)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def _set_of_yaml(content, path):
    folder = os.path.dirname(path)
    root = os.path.abspath(os.path.join(folder, os.path.expanduser(
        _text(content.get('path', ''), 'path'))))
    splits = {}
    for split in _SPLITS:
        entries = content.get(split, [])
        entries = [_text(entry, split) for entry in (
            entries if isinstance(entries, list) else [entries])]
        entries = [entry for entry in entries
                   if entry.lower() not in ('', '~', 'null')]
        if entries and file_trees.SPLITS[split] in map(
                file_trees.SPLITS.get, splits):
            raise ValueError('it has both val and valid; keep one.')
        if entries:
            splits[split] = entries
    names = label_files.names_of_yaml(content)
    if list(names) != list(range(len(names))):
        raise ValueError(f'the ids of its {len(names)} names are not 0 to '
                         f'{len(names) - 1}.')
    labels = _checked(names.values(), f'{path}, names')
    _check_count('nc', content.get('nc'), labels)
    return Set(path, labels, splits, [root, folder], [path],
                _num_values(content.get('kpt_shape')))


def _text(value, key):
    if not isinstance(value, str):
        raise ValueError(f'{key} is a {type(value).__name__}; it is the path '
                         'of a folder or of a list of images.')
    return value


def _check_count(key, value, labels):
    if value not in (None, '', str(len(labels))):
        raise ValueError(f'{key} is {str(value)[:40]}, but there are '
                         f'{len(labels)} names.')


def _num_values(shape):
    """Returns how many values a line with these keypoints has, or None."""
    if shape is None:
        return None
    if not isinstance(shape, list) or len(shape) != 2 or not all(
            isinstance(one, str) and one.isdecimal() and len(one) < 5
            for one in shape):
        raise ValueError('kpt_shape is not two numbers.')
    return 5 + int(shape[0]) * int(shape[1])


def _of_darknet(tree, paths):
    """Returns the Set of darknet's obj.data, None if there is none."""
    for path in paths:
        if not path.endswith('.data'):
            continue
        try:
            lines = text_files.read_text(path).split('\n')
        except ValueError:
            continue  # Others call their binary files so, too.
        values = {key.strip(): value.strip() for key, equals, value
                  in (line.partition('=') for line in lines) if equals}
        if not values.keys() >= {'names', 'train'}:
            continue
        # Its paths are relative to where darknet is started.
        bases = [os.path.dirname(path), os.path.dirname(os.path.dirname(path))]
        names_path, _ = tree.resolve(values['names'], bases)
        if names_path is None:
            raise ValueError(
                f'{path}: no file {text_files.shown(values["names"])}, its '
                'list of names.')
        labels = _labels_of_lines(names_path)
        _named(path, _check_count, 'classes', values.get('classes'), labels)
        return Set(path, labels, {split: [values[split]] for split in _SPLITS
                                   if values.get(split)},
                    bases, [path, names_path])
    return None


def _of_names(paths):
    """Returns the Set of a list of names alone, None if there is none."""
    paths = [path for path in paths if os.path.basename(path) in NAMES_FILES]
    labels = {path: _labels_of_lines(path) for path in paths}
    for path in paths[1:]:
        if labels[path] != labels[paths[0]]:
            raise ValueError(f'{paths[0]} and {path} have different names of '
                             'classes.')
    return Set(paths[0], labels[paths[0]], {}, [], paths) if paths else None


def _labels_of_lines(path):
    # A blank line would be a class: the ids count lines.
    lines = text_files.read_text(path).rstrip().split('\n')
    return _checked([line.strip() for line in lines], path)


def _checked(names, origin):
    """Returns the names of ids 0, 1, ...: the background may be one."""
    names = list(map(text_files.normalised, names))
    label_map.check(without_background(names), origin)
    return tuple(names)


def without_background(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the names of classes: the background needs none."""
    return tuple(name for name in names
                 if name.lower() != label_map.BACKGROUND)
