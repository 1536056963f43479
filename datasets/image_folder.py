"""The images below one folder: found by name or stem, and there alone.

Names have '/' between folders, whatever the system, and are compared as
text_files does. What systems and their archives put beside a user's files is
never seen: names that begin with a dot, and __MACOSX.
"""
import functools
import os
from collections.abc import Iterable
from collections.abc import Sequence

from datasets import text_files

# Of what image_files reads.
EXTENSIONS = (
    '.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.bmp', '.webp', '.tif', '.tiff',
    '.gif', '.avif', '.heic', '.heif', '.jp2', '.pbm', '.pgm', '.ppm', '.pnm')


def files_below(folder: str) -> list[str]:
    """Returns the sorted names of all files below a folder, if there is one.

    Links to folders are followed, but nothing is listed twice by one.
    """
    found, pending, seen = [], [''], set()
    while pending:
        below = pending.pop()
        path = os.path.join(folder, below)
        place = os.path.realpath(path)
        if place in seen or not os.path.isdir(path):
            continue
        seen.add(place)
        with os.scandir(path) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                if entry.is_dir():
                    pending.append(f'{below}{entry.name}/')
                # Not what never ends: a pipe, a device.
                elif entry.is_file() or entry.is_symlink():
                    found.append(below + entry.name)
    return sorted(found)


def by_stem(names: Iterable[str],
            extensions: Sequence[str]) -> dict[str, list[str]]:
    """Returns {key of the stem: names of the files} with these extensions.

    The extensions may be in upper or lower case.
    """
    found = {}
    for name in names:
        stem, ending = os.path.splitext(name)
        if ending.lower() in extensions:
            found.setdefault(key(stem), []).append(name)
    return found


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one of the system's."""
    return name[0] == '.' or name == '__MACOSX'


def key(name: str) -> str:
    """Returns a file's name, of any system, as names are compared."""
    return text_files.normalised(name.replace('\\', '/')).removeprefix('./')


class ImageFolder:
    """Finds images; the folder itself may be a link to anywhere.

    It is listed once, when something is looked for.
    """

    def __init__(self, path: str):
        self.path = path
        self.name = os.path.basename(os.path.abspath(path))

    @functools.cached_property
    def files(self) -> list[str]:
        """Returns the names of all files, images or not."""
        return files_below(self.path)

    @functools.cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """Returns {key of the stem: names of the images}."""
        return by_stem(self.files, EXTENSIONS)

    @functools.cached_property
    def by_stem_unread(self) -> dict[str, str]:
        """Returns {key of the stem: name of a file} of what is not read."""
        stems = ((os.path.splitext(name), name) for name in self.files)
        return {key(stem): name for (stem, ending), name in stems
                if ending.lower() not in (*EXTENSIONS, '.xml')}

    def find(self, file_name: str) -> str | None:
        """Returns the name of a file as it is on the disk, None if absent.

        A name that leads out of the folder is that of no file.
        """
        return self._by_name.get(key(file_name))

    def path_of(self, file_name: str) -> str:
        """Returns the path of a file, for a name from here.

        Raises:
          ValueError: it is a link that leads out of the folder.
        """
        path = os.path.join(self.path, file_name)
        if os.path.islink(path) or os.path.dirname(file_name):
            target, root = os.path.realpath(path), os.path.realpath(self.path)
            if os.path.commonpath([target, root]) != root:
                raise ValueError(
                    f'a link that leads out of {self.name}, to {target!r}; '
                    f'copy the file, or make {self.name} itself the link')
        return path

    @functools.cached_property
    def _by_name(self):
        return {key(name): name for name in self.files}
