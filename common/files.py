"""Paths of users; files of results, whole, with names for every system."""
import contextlib
import hashlib
import os
import shutil
import urllib.parse
from collections.abc import Iterable
from collections.abc import Iterator

# Systems allow 255, of which endings take some.
_MAX_NAME_BYTES = 200
# Not allowed in file names on some system; % marks what was replaced.
_UNSAFE_IN_FILE_NAMES = '<>:"/\\|?*%'
# In the names of files that are not whole yet.
PARTIAL = '.partial'


def user_path(text: str | os.PathLike) -> str:
    """Returns the path that a user means; all characters stand for themselves.

    ~ is the home folder. Backslashes are what they are on Windows where that
    leads into a folder, and there is no file of that very name.

    Raises:
      ValueError: TensorFlow cannot use it: an address, or not UTF-8.
    """
    path = os.path.expanduser(text)
    if '://' in path:
        raise ValueError(f'{path}: an address; give the path of a file or '
                         'folder of this machine.')
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ValueError(f'{path}: its name is not UTF-8, which TensorFlow '
                         'cannot open; rename it.') from None
    slashed = os.path.expanduser(os.fspath(text).replace('\\', '/'))
    is_meant = os.path.isdir(os.path.dirname(slashed) or '.') and (
        not os.path.lexists(path))
    return slashed if is_meant else path


@contextlib.contextmanager
def whole(path: str) -> Iterator[str]:
    """Makes a file appear whole or not at all.

    Args:
      path: of the file; its folder is made if it is missing.

    Yields:
      The path to write to meanwhile, beside the file and with its ending. It
      becomes `path` at the end, and is removed after an error.
    """
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    root, ending = os.path.splitext(path)
    partial_path = f'{root}.{os.getpid()}{PARTIAL}{ending}'
    try:
        with naming(path):
            yield partial_path
            os.replace(partial_path, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial_path)


def write_whole(path: str, parts: Iterable[str | bytes]):
    """Writes a file that has its name only when it is whole.

    Args:
      path: of the file; its folder is made if it is missing.
      parts: what it holds; str is written as UTF-8.
    """
    with whole(path) as partial_path:
        with open(partial_path, 'wb') as file:
            for part in parts:
                file.write(part.encode() if isinstance(part, str) else part)


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """Puts a path into an OSError that has none: that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(
            error.errno, f'{error.strerror}, on writing', path) from None


def check_folder(folder: str):
    """Makes a folder, unless it is there, and writes a file to try it.

    Raises:
      OSError: if that is not possible.
    """
    path = os.path.join(folder, 'written_to_try')
    write_whole(path, [])
    os.remove(path)


def file_name(text: str) -> str:
    """Returns text, such as a class's name, as a file's name without ending.

    A long one is cut, and has a sum of the whole behind it.
    """
    name = quote(text, _UNSAFE_IN_FILE_NAMES)
    encoded = name.encode()
    if len(encoded) <= _MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return encoded[:_MAX_NAME_BYTES].decode(errors='ignore') + '~' + digest


def quote(name: str, unsafe: str = '') -> str:
    """Returns name with %XX for unsafe and for unprintable characters."""
    return ''.join(
        character if character.isprintable() and character not in unsafe
        else urllib.parse.quote(character, safe='', errors='surrogatepass')
        for character in name)


@contextlib.contextmanager
def workplace(path: str) -> Iterator[str]:
    """Makes the folder `path` + PARTIAL for what is not whole, and removes it.

    What an earlier run that was killed left in it goes first.
    """
    path += PARTIAL
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
