"""Data sets that name images by their paths (YOLO, CSV): what they share.

The files below a set's folders are listed once. Images are looked up among
them, and what nothing names is told.
"""
import collections
import os
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from datasets import image_folder
from datasets import samples
from datasets import text_files

# How tools call the parts of a set -> how records call them.
SPLITS = {'train': 'train', 'training': 'train', 'val': 'val', 'valid': 'val',
          'validation': 'val', 'test': 'test', 'testing': 'test'}

# Of images that are not where the annotation says: a repair.
FOUND_BY_END = 'image_found_by_end_of_path'


class Part:
    """The images of one split: a Source.

    Attributes:
      folder: of the images, or the file that lists them.
      output_name: of the records.
      labels: names of the classes, in the order of the set's ids; None if
        the set has no list of them.
      notes: sentences that tell how the files were read.
    """

    def __init__(self, folder: str, output_name: str, entries: dict[str, Any],
                 read: Callable[[str, Any], samples.Annotated],
                 labels: tuple[str, ...] | None, notes: Sequence[str],
                 left_out: dict[str, list[str]], needed: Sequence[str] = ()):
        """Takes {name: entry} of its images; `read` is given both.

        needed: folders besides `folder` that must be there to the end.
        """
        self.folder = folder
        self.output_name = output_name
        self.labels = labels
        self.notes = tuple(notes)
        self._entries = entries
        self._read = read
        self._left_out = left_out
        self._needed = (folder, *needed)

    def names(self) -> list[str]:
        """Returns the images; raises ValueError if one cannot be shown."""
        for name in self._entries:
            if not text_files.is_printable(name):
                raise ValueError(f'{self.folder}: {shown(name)} has '
                                 'characters that cannot be shown; rename it.')
        return list(self._entries)

    def load(self, name: str) -> samples.Annotated:
        """Reads one of them."""
        return self._read(name, self._entries[name])

    def left_out(self) -> dict[str, list[str]]:
        """Returns {reason: files found that no name stands for}."""
        return self._left_out

    def missing(self) -> str | None:
        """Returns the folder or file that is gone, or None."""
        return next((path for path in self._needed
                     if not os.path.exists(path)), None)


class FileTree:
    """The files below some folders, by path and by name."""

    def __init__(self, folders: Iterable[str]):
        self.folders = [absolute(folder) for folder in folders]
        self._listed = set()
        self._paths = {}
        self._by_name = collections.defaultdict(list)
        for folder in self.folders:
            self.add(folder)

    def add(self, folder: str):
        """Adds the files below a folder, if they are not known already."""
        if folder in self._listed:
            return
        self._listed.add(folder)
        for name in image_folder.files_below(folder):
            path = os.path.join(folder, *name.split('/'))
            key = text_files.normalised(path)
            if key not in self._paths:
                self._paths[key] = path
                self._listed.add(os.path.dirname(path))
                self._by_name[os.path.basename(key)].append(path)

    def __iter__(self):
        return iter(self._paths.values())

    def name(self, path: str) -> str:
        """Returns a path relative to the first folder that it is below."""
        for folder in self.folders:
            if path.startswith(os.path.join(folder, '')):
                return os.path.relpath(path, folder).replace(os.sep, '/')
        return path

    def find(self, path: str) -> str | None:
        """Returns the path of a file however its name is composed."""
        return self._paths.get(text_files.normalised(path))

    def images_below(self, folder: str) -> list[str]:
        """Returns the paths of the images below a folder."""
        start = os.path.join(folder, '')
        return [path for path in self if path.startswith(start)
                and is_image(path)]

    def resolve(self, text: str, bases: Iterable[str],
                split: str | None = None) -> tuple[str | None, bool]:
        """Finds the file that a set calls `text`, perhaps on another system.

        Args:
          text: a path, relative to one of `bases` or not.
          bases: folders, in the order of preference.
          split: one of SPLITS' values, if known.

        Returns:
          Its path; None if there is none, or more than one that could be
          meant. Whether it was found by the end of its path alone: it is then
          the one file that shares most of it, and not of another split.
        """
        for base in bases:
            path = os.path.abspath(os.path.join(base, text))
            if self.find(path) is None and os.path.isfile(path):
                self.add(os.path.dirname(path))
            if self.find(path) is not None:
                return self.find(path), False
        parts = parts_of(text)
        by_length = collections.defaultdict(list)
        for path in self._by_name[text_files.normalised(parts[-1])] if (
                parts) else ():
            if split is None or split_of(self.name(path)) in (None, split):
                by_length[_num_shared(parts, parts_of(path))].append(path)
        best = by_length[max(by_length)] if by_length else ()
        return (best[0], True) if len(best) == 1 else (None, False)

    def left_out(self, used: Sequence[Iterable[str]], also_used: Iterable[str],
                 reason_of: Callable[[str], str]) -> list[dict]:
        """Returns for each of `used` {reason: files that nothing names}.

        Args:
          used: for each split, the paths of its files.
          also_used: paths of further ones.
          reason_of: path -> reason.
        """
        folders = [{os.path.dirname(path) for path in some} for some in used]
        everything = set(also_used).union(*used)
        result = [collections.defaultdict(list) for _ in used]
        for path in self:
            if path not in everything:
                folder = os.path.dirname(path)
                owner = next((i for i, some in enumerate(folders)
                              if folder in some), 0)
                result[owner][reason_of(path)].append(self.name(path))
        return [dict(one) for one in result]


def absolute(path: str) -> str:
    """Returns a path that a user typed: ~ is expanded, nothing else."""
    return os.path.abspath(os.path.expanduser(path))


def common_folders(paths: Iterable[str]) -> list[str]:
    """Returns a list of the folder that has all files; empty without any."""
    folders = {os.path.dirname(path) for path in paths}
    return [os.path.commonpath(folders)] if folders else []


def is_image(path: str) -> bool:
    """Whether a file has the ending of an image."""
    return os.path.splitext(path)[1].lower() in image_folder.EXTENSIONS


def parts_of(path: str) -> list[str]:
    """Returns the names in a path of any system, without . and ..."""
    return [part for part in re.split(r'[/\\]+', path)
            if part not in ('', '.', '..')]


def split_of(path: str) -> str | None:
    """Returns the split that one of the folders of a path is called by."""
    return next((SPLITS[part.lower()] for part in parts_of(path)[:-1]
                 if part.lower() in SPLITS), None)


def output_name(given: str, split: str | None, splits: Mapping) -> str:
    """Returns the name of a split's records: <name>_<split>.

    A split at the end of the given name is that of a single one, else it is
    replaced.
    """
    name, _, last = given.rpartition('_')
    is_told = name and last in SPLITS.values()
    if split is None or (is_told and len(splits) == 1):
        return given
    return f'{name if is_told else given}_{split}'


def shown(text: str) -> str:
    """Returns a text of a file for a message, quoted and not too long."""
    return repr(text if len(text) <= 200 else f'{text[:200]}...')


def number(text: str) -> float:
    """Returns a finite number; raises ValueError, which names the text."""
    try:
        value = float('' if '_' in text else text)  # 1_0 is no 10.
    except ValueError:
        value = float('nan')
    if value - value != 0:
        raise ValueError(f'{shown(text)} is not a number')
    return value


def with_image(annotated: samples.Annotated,
               path: str) -> samples.Annotated:
    """Returns it with the bytes of its image, or with one fault more."""
    try:
        with open(path, 'rb', buffering=0) as file:
            return annotated._replace(content=file.readall())
    except OSError as error:
        return annotated._replace(faults=[
            *annotated.faults,
            samples.unreadable_image(annotated.file_name, error)])


def _num_shared(parts, others):
    """Returns how many names at their ends two paths share."""
    shared = 0
    for one, other in zip(reversed(parts), reversed(others), strict=False):
        if not text_files.same(one, other):
            break
        shared += 1
    return shared
