"""The images of one folder: found by name or by stem, read from there alone."""
import functools
import os
import pathlib

# In the order of preference.
EXTENSIONS = ('.jpg', '.jpeg', '.png', '.bmp')


class ImageFolder:
    """Finds and reads images; the folder itself may be a link to anywhere."""

    def __init__(self, path: str):
        self.path = path
        self.name = os.path.basename(os.path.normpath(path))

    def find(self, file_name: str, stem: str) -> str | None:
        """Returns the name of an image in the folder, None if there is none.

        It is `file_name`, unless that leads out of the folder or is missing;
        else the stem with one of EXTENSIONS, in upper or lower case.
        """
        # Both kinds of separators: annotations travel between systems.
        path = pathlib.PureWindowsPath(file_name)
        if (file_name.isprintable() and '..' not in path.parts
                and not path.anchor
                and os.path.isfile(os.path.join(self.path, file_name))):
            return file_name
        return self._by_stem.get(stem)

    def read(self, file_name: str) -> bytes:
        """Returns the bytes of an image, for a name from `find`.

        Raises:
          ValueError: it is a link that leads out of the folder.
          OSError: it cannot be read.
        """
        path = os.path.join(self.path, file_name)
        if os.path.islink(path) or os.path.dirname(file_name):
            target, root = os.path.realpath(path), os.path.realpath(self.path)
            if os.path.commonpath([target, root]) != root:
                raise ValueError(
                    f'a link that leads out of {self.name}, to {target!r}; '
                    f'copy the file, or make {self.name} itself the link')
        # Buffering costs more than the reading of so small a file.
        with open(path, 'rb', buffering=0) as file:
            return file.readall()

    @functools.cached_property
    def _by_stem(self):
        """Returns {stem: name of the file with the preferred extension}."""
        names = os.listdir(self.path) if os.path.isdir(self.path) else ()
        parts = [os.path.splitext(name) for name in sorted(names, reverse=True)]
        return {stem: stem + ending for preferred in reversed(EXTENSIONS)
                for stem, ending in parts if ending.lower() == preferred}
