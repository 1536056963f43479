"""Finds CSV files of boxes and reads them.

The TF Object Detection API's have a header: filename, width, height, class,
xmin, ymin, xmax, ymax, in any order. keras-retinanet's have none: path, x1,
y1, x2, y2, class; a file of `class,id` may be beside them. In both a row is an
object, and one without box and class is an image without objects.
"""
import csv
import io
import itertools
import os
from collections.abc import Sequence
from typing import NamedTuple

from datasets import file_trees
from datasets import label_map
from datasets import samples
from datasets import text_files

_SIDES = ('xmin', 'ymin', 'xmax', 'ymax')
_SIZE = ('width', 'height')
_RETINANET = ('filename', *_SIDES, 'class')
# keras-retinanet's names, which some write into a header.
_SYNONYMS = {'path': 'filename', 'x1': 'xmin', 'y1': 'ymin', 'x2': 'xmax',
             'y2': 'ymax'}
# Rows that tell what a file is.
_NUM_TELLING = 20


class _Table(NamedTuple):
    """The rows of a file."""
    path: str
    delimiter: str
    columns: Sequence[str]
    rows: list[tuple[int, list[str]]]  # Line and fields.
    notes: list[str]


def format_rows(annotated: samples.Annotated | None,
                scores: Sequence[float] = ()) -> str:
    """Returns the rows of an image, from which `find`'s sources read the same.

    Args:
      annotated: an image's file_name, size and objects, whose bboxes are in
        pixels; None for the header.
      scores: of the objects.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    if annotated is None:
        writer.writerow(['filename', *_SIZE, 'class', *_SIDES, 'score'])
    else:
        image = [annotated.file_name, *annotated.size[::-1]]
        writer.writerows(
            [[*image, item.name, *item.bbox, score] for item, score
             in zip(annotated.objects, scores, strict=True)]
            or [[*image] + [''] * 6])
    return text.getvalue()


def format_labels(labels: Sequence[str]) -> str:
    """Returns keras-retinanet's list of classes."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(
        [name, number] for number, name in enumerate(labels))
    return text.getvalue()


def find(dataset_dir: str, output_name: str, images_dir: str | None = None,
         annotations_dir: str | None = None) -> list[file_trees.Part] | None:
    """Returns a source for each CSV file of boxes, or None if there is none.

    Args:
      dataset_dir: folder of the files, which are found below it too; or one
        of them.
      output_name: of the records; the split is appended.
      images_dir: what the names of images are relative to, instead of the
        folder of their file.
      annotations_dir: folder of the files, or one of them.

    Raises:
      ValueError: the files contradict each other, or one is broken.
    """
    folder, _ = file_trees.folder_and_file(dataset_dir)
    root, given = file_trees.folder_and_file(annotations_dir or dataset_dir)
    tree = file_trees.FileTree((folder, images_dir))
    tree.add(root)
    tables, lists = {}, []
    for path in tree.below(root) if given is None else [given]:
        table = _read_table(path) if path.lower().endswith('.csv') else None
        if isinstance(table, _Table):
            split = file_trees.split_in(os.path.basename(path)) or (
                file_trees.split_of(tree.name(path)))
            if split in tables:
                _refuse_two(tables[split], table)
            tables[split] = table
        elif table is not None:
            lists.append(path)
    if not tables:
        return None
    if None in tables and len(tables) > 1:
        _refuse_two(tables.pop(None), next(iter(tables.values())))
    labels = _labels(lists)
    parts = [file_trees.Part(
        table.path, file_trees.output_name(output_name, split, tables),
        _annotated(tree, table, split, images_dir, labels), labels,
        table.notes) for split, table in tables.items()]
    tree.account_for(
        parts, [*lists, *(table.path for table in tables.values())],
        lambda path: ('image that no row names' if file_trees.is_image(path)
                      else 'other file'))
    return parts


def _refuse_two(one, other):
    raise ValueError(
        f'{one.path} and {other.path} both have boxes, and their names do '
        'not tell that they are different splits; choose one by '
        '--annotations_dir=FILE.')


def _read_table(path):
    """Returns a _Table, () for a list of classes, or None for others.

    Raises:
      ValueError: it has boxes, and something is wrong with it as a whole.
    """
    text = text_files.read_text(path)
    for delimiter in ',;':
        head, _ = _rows(text, delimiter, _NUM_TELLING)
        if not head:
            return None
        columns = [' '.join(name.lower().split()) for name in head[0][1]]
        columns = [_SYNONYMS.get(name, name) for name in columns]
        notes = ['the delimiter is ;'] if delimiter == ';' else []
        if set(columns) >= set(_SIDES):
            _check_columns(path, columns)
            extra = [name for name in columns
                     if name not in (*_RETINANET, *_SIZE)]
            if extra:
                notes.append(f'columns that are not read: {", ".join(extra)}')
            first = 1
        elif any(_is_retinanet(fields, delimiter) for _, fields in head):
            columns, first = _RETINANET, 0
        elif 'class' in os.path.basename(path).lower() and all(
                len(fields) == 2 for _, fields in head):
            return ()
        else:
            continue
        rows, error = _rows(text, delimiter)
        if error is not None:
            raise ValueError(f'{path}, {error}.')
        if not rows[first:]:
            raise ValueError(f'{path} names no image.')
        return _Table(path, delimiter, columns, rows[first:],
                      [f'{path}: {note}.' for note in notes])
    return None


def _rows(text, delimiter, number=None):
    """Returns [(line, fields)] of rows that are not blank, and an error.

    number: stop after so many rows.
    """
    reader, rows, line = csv.reader(
        io.StringIO(text), delimiter=delimiter, strict=True), [], 1
    try:
        for fields in itertools.islice(reader, number):
            if any(map(str.strip, fields)):
                rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        return rows, f'line {line}: {error}'
    return rows, None


def _check_columns(path, columns):
    for name in (*_RETINANET, *_SIZE):
        if columns.count(name) > 1 or (
                name in _RETINANET and name not in columns):
            raise ValueError(
                f'{path} has {columns.count(name)} columns {name}, and needs '
                f'one; its columns are {", ".join(columns)[:200]}.')


def _is_retinanet(fields, delimiter):
    """Whether a row is of a path, a box and a class, or of a path alone."""
    if len(fields) != len(_RETINANET) or not fields[0].strip():
        return False
    try:
        return not any(map(str.strip, fields[1:])) or bool(
            [_number(text, delimiter) for text in fields[1:5]])
    except ValueError:
        return False


def _labels(lists):
    """Returns the names in the files of class,id; None if there is none."""
    all_labels = {path: label_map.read_labels(path) for path in lists}
    if len(set(all_labels.values())) > 1:
        raise ValueError(f'{" and ".join(lists)} have different classes; keep '
                         'one.')
    return next(iter(all_labels.values()), None)


def _annotated(tree, table, split, images_dir, labels):
    """Returns {name: Annotated} of a file, in the order of their first rows."""
    bases = [os.path.dirname(table.path) if images_dir is None
             else file_trees.absolute(images_dir)]
    index, found, annotated = table.columns.index('filename'), {}, {}
    told = {}  # {name: size, and the line that tells it}
    for line, fields in table.rows:
        text = fields[index].strip() if index < len(fields) else ''
        if text not in found:
            found[text] = tree.resolve(text, bases, split) if text else (
                None, [])
        path, repairs = found[text]
        name = tree.name(path) if path else text or f'line {line}'
        if name not in annotated:
            annotated[name] = samples.Annotated(
                name, f'{table.path}, {name}', name, path, objects=[],
                faults=[], repairs=list(repairs))
            if text and not path:
                annotated[name].faults.append(file_trees.no_image(text))
        try:
            row = _row(table, fields)
            _check_size(told, name, _size(row, table.delimiter), line)
            annotated[name].objects.extend(
                _objects(row, table.delimiter, labels))
        except ValueError as error:
            annotated[name].faults.append(samples.Fault(
                samples.BAD_ANNOTATION, f'line {line}: {error}'))
    return {name: one._replace(size=told.get(name, [None])[0])
            for name, one in annotated.items()}


def _row(table, fields):
    """Returns {column: text} of the fields of a row."""
    if len(fields) != len(table.columns):
        raise ValueError(f'{len(fields)} fields; {len(table.columns)} are '
                         'expected')
    row = dict(zip(table.columns, map(str.strip, fields), strict=True))
    if not row['filename']:
        raise ValueError('no name of an image')
    return row


def _objects(row, delimiter, labels):
    """Returns a list of the Object of a row, [] if it tells of none."""
    if not any(row[name] for name in (*_SIDES, 'class')):
        return []
    bbox = []
    for side in _SIDES:
        try:
            bbox.append(_number(row[side], delimiter))
        except ValueError as error:
            raise ValueError(f'{side} {error}') from error
    name = text_files.normalised(row['class'])
    if not name:
        raise ValueError('no class')
    if labels is not None and name not in labels:
        raise ValueError(f'class {text_files.shown(name)} is not in the list '
                         'of classes')
    return [samples.Object(name, tuple(bbox))]


def _size(row, delimiter):
    """Returns (height, width), or None if they are not told."""
    width, height = (row.get(name, '') for name in _SIZE)
    if not width and not height:
        return None
    size = _number(height, delimiter), _number(width, delimiter)
    if not all(side >= 0 and side.is_integer() for side in size):
        raise ValueError(f'the size {width[:20]} x {height[:20]} is not of '
                         'whole pixels')
    return tuple(map(int, size)) if all(size) else None


def _check_size(told, name, size, line):
    """Notes the size of an image; raises ValueError if it was another one."""
    known, first = told.setdefault(name, (size, line)) if size else (None, 0)
    if known != size:
        raise ValueError(
            '{1} x {0} pixels'.format(*size) + ', but {1} x {0}'.format(
                *known) + f' in line {first}')


def _number(text, delimiter):
    """Returns a number; decimal commas are read where they part nothing."""
    return file_trees.number(
        text.replace(',', '.') if delimiter == ';' else text)
