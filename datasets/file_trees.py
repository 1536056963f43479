"""Data sets that name images by their paths (YOLO, CSV, COCO): what they share.

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

from common import files
from datasets import image_folder
from datasets import samples
from datasets import text_files

# How tools call the parts of a set -> how records call them.
SPLITS = {'train': 'train', 'training': 'train', 'val': 'val', 'valid': 'val',
          'validation': 'val', 'test': 'test', 'testing': 'test',
          'trainval': 'trainval'}

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
      category_ids: {class name: the set's id}, if records are to keep them.
      files: set of the paths of its images and of other files.
    """

    def __init__(self, folder: str, output_name: str,
                 annotated: dict[str, samples.Annotated],
                 labels: tuple[str, ...] | None, notes: Sequence[str],
                 files: Sequence[str] = (), read: Callable[
                     [samples.Annotated], samples.Annotated] | None = None,
                 category_ids: dict[str, int | str] | None = None):
        """Takes {name: Annotated} of the images.

        files: paths of its other files, whose folder is needed to the end.
        read: returns an Annotated with what is still to be read of it.
        """
        self.folder = folder
        self.output_name = output_name
        self.labels = labels
        self.notes = tuple(notes)
        self.category_ids = category_ids
        self.files = {one.image for one in annotated.values() if one.image}
        self._needed = [folder]
        for some in (self.files, files):
            self._needed += common_folders(some)
        self.files.update(files)
        self._annotated = annotated
        self._read = read
        self._left_out = {}

    def names(self) -> list[str]:
        """Returns the images; raises ValueError if one cannot be shown."""
        for name in self._annotated:
            if not text_files.is_printable(name):
                raise ValueError(
                    f'{self.folder}: {text_files.shown(name)} has characters '
                    'that cannot be shown; rename it.')
        return list(self._annotated)

    def load(self, name: str) -> samples.Annotated:
        """Reads one of them."""
        annotated = self._annotated[name]
        return annotated if self._read is None else self._read(annotated)

    def leave_out(self, reason: str, names: Iterable[str]):
        """Tells of files that are not used."""
        self._left_out.setdefault(reason, []).extend(names)

    def left_out(self) -> dict[str, list[str]]:
        """Returns {reason: files found that no name stands for}."""
        return self._left_out

    def missing(self) -> str | None:
        """Returns the folder or file that is gone, or None."""
        return next((path for path in self._needed
                     if not os.path.exists(path)), None)


class FileTree:
    """The files below some folders, by path and by name."""

    def __init__(self, folders: Iterable[str | None]):
        """Lists the folders, but for what is None."""
        self.folders = [absolute(folder) for folder in folders if folder]
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

    def below(self, folder: str) -> list[str]:
        """Returns the paths of the files below a folder."""
        start = os.path.join(folder, '')
        return [path for path in self if path.startswith(start)]

    def name(self, path: str) -> str:
        """Returns a path relative to the first folder that it is below."""
        for folder in self.folders:
            if path.startswith(os.path.join(folder, '')):
                return os.path.relpath(path, folder).replace(os.sep, '/')
        return path

    def find(self, path: str) -> str | None:
        """Returns the path of a file however its name is composed."""
        return self._paths.get(text_files.normalised(path))

    def resolve(self, text: str, bases: Iterable[str],
                split: str | None = None) -> tuple[str | None, list[str]]:
        """Finds the file that a set calls `text`, perhaps on another system.

        Args:
          text: a path, relative to one of `bases` or not.
          bases: folders, in the order of preference.
          split: one of SPLITS' values, if known.

        Returns:
          Its path; None if there is none, or more than one that could be
          meant. Repairs: FOUND_BY_END if it was found by the end of its path
          alone: it is then the one file that shares most of it, and not of
          another split.
        """
        for base in bases:
            path = os.path.abspath(os.path.join(base, text))
            if self.find(path) is None and os.path.isfile(path):
                self.add(os.path.dirname(path))
            if self.find(path) is not None:
                return self.find(path), []
        parts = parts_of(text)
        by_length = collections.defaultdict(list)
        for path in self._by_name[text_files.normalised(parts[-1])] if (
                parts) else ():
            if split in (None, 'trainval') or (
                    split_of(self.name(path)) in (None, split)):
                by_length[_num_shared(parts, parts_of(path))].append(path)
        best = by_length[max(by_length)] if by_length else ()
        return (best[0], [FOUND_BY_END]) if len(best) == 1 else (None, [])

    def account_for(self, parts: Sequence[Part], used: Iterable[str],
                    reason_of: Callable[[str], str]):
        """Tells the parts of a set which files none of them uses, and why.

        Args:
          parts: of all files; each is told those in the folders of its own.
          used: paths of the set's other files.
          reason_of: path -> reason.
        """
        folders = [set(map(os.path.dirname, part.files)) for part in parts]
        everything = set(used).union(*(part.files for part in parts))
        for path in self:
            if path not in everything:
                owner = next((part for part, some in zip(
                    parts, folders, strict=True)
                    if os.path.dirname(path) in some), parts[0])
                owner.leave_out(reason_of(path), [self.name(path)])


def absolute(path: str) -> str:
    """Returns a path that a user typed: ~ is expanded, nothing else."""
    return os.path.abspath(files.user_path(path))


def folder_and_file(path: str) -> tuple[str, str | None]:
    """Returns a data set's folder and, if `path` is of its file, that too."""
    path = absolute(path)
    return (os.path.dirname(path), path) if os.path.isfile(path) else (
        path, None)


def common_folders(paths: Iterable[str]) -> list[str]:
    """Returns a list of the folder that has all files; empty without any."""
    folders = set(map(os.path.dirname, paths))
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


def split_in(name: str) -> str | None:
    """Returns the split that a word of a name is, as in instances_val2017."""
    return next((SPLITS[word] for word in re.split('[^a-z]+', name.lower())
                 if word in SPLITS), None)


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


def no_image(text: str) -> samples.Fault:
    """Returns the Fault that there is no image that a set calls `text`."""
    return samples.Fault(samples.MISSING_IMAGE,
                         f'no image {text_files.shown(text)}')


def number(text: str) -> float:
    """Returns a finite number; raises ValueError, which names the text."""
    try:
        value = float('' if '_' in text else text)  # 1_0 is no 10.
    except ValueError:
        value = float('nan')
    if value - value != 0:
        raise ValueError(f'{text_files.shown(text)} is not a number')
    return value


def _num_shared(parts, others):
    """Returns how many names at their ends two paths share."""
    shared = 0
    for one, other in zip(reversed(parts), reversed(others), strict=False):
        if not text_files.same(one, other):
            break
        shared += 1
    return shared
