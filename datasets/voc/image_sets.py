"""Lists of images in ImageSets/Main, as VOC, VoTT and CVAT write them.

A line is a name, perhaps in quotes, with its folder, with the ending of its
file, or below the folder of the images; and perhaps columns, of which -1
leaves the image out. VOC's own lists of a class have -1 for its absence, 1
and, for difficult objects, 0.
"""
import os
import re
from collections.abc import Container
from collections.abc import Sequence

from datasets import image_folder
from datasets import text_files

_QUOTED = re.compile(r'"([^"]*)"\s*(.*)')


def path_of(folder: str, image_set: str) -> str:
    """Returns the path of a list of images."""
    name = image_set.removesuffix('.txt')
    return os.path.join(folder, 'ImageSets', 'Main', f'{name}.txt')


def read(path: str, known: Container[str],
         folders: Sequence[str]) -> tuple[list[str], list[str]]:
    """Reads a list.

    Args:
      path: of the list.
      known: keys (`image_folder.key`) of the stems that there are.
      folders: names of those that stems are below.

    Returns:
      Keys of stems in the order of the list: those to use, those with -1.

    Raises:
      ValueError: there is no list, or it is no text; names the file.
    """
    try:
        lines = text_files.read_text(path).split('\n')
    except FileNotFoundError:
        found = image_folder.by_stem(
            image_folder.files_below(os.path.dirname(path)), ('.txt',))
        raise ValueError(
            f'{path} is missing; --image_set can be: '
            f'{", ".join(found) or "nothing in here"}.') from None
    used, unmarked = [], []
    for line in filter(None, map(str.strip, lines)):
        stem, columns = _entry(line, known, folders)
        (unmarked if columns[:1] == ['-1'] else used).append(stem)
    return used, unmarked


def _entry(line, known, folders):
    """Returns the stem of a line and what follows it."""
    quoted = _QUOTED.fullmatch(line)
    first, *columns = [quoted[1], *quoted[2].split()] if (
        quoted) else line.split()
    # Names may have blanks, quotes or not.
    splits = [(first, columns)] if quoted else [
        (line, []), (line.rsplit(None, 1)[0], line.split()[-1:]),
        (first, columns)]
    for text, rest in splits:
        stem = next(filter(known.__contains__, _stems(text, folders)), None)
        if stem is not None:
            return stem, rest
    return _stems(first, ())[-1], columns


def _stems(text, folders):
    """Returns the keys that a name may stand for."""
    name = image_folder.key(text)
    stem, ending = os.path.splitext(name)
    names = [name] + [stem] * (
        ending.lower() in (*image_folder.EXTENSIONS, '.xml'))
    return names + [
        match[1] for folder in folders for one in names
        if (match := re.fullmatch(rf'(?:.*/)?{re.escape(folder)}/(.+)', one))]
