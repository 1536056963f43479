"""Files of results: names that every system takes, written as a whole."""
import contextlib
import hashlib
import os
import urllib.parse

# Systems allow 255, of which endings take some.
_MAX_NAME_BYTES = 200
# Not allowed in file names on some system; % marks what was replaced.
_UNSAFE_IN_FILE_NAMES = '<>:"/\\|?*%'


def write_whole(path, parts):
    """Writes a file that has its name only when it is whole.

    Args:
      path: of the file; its folder is made if it is missing.
      parts: iterable of str, written as UTF-8, or of bytes.
    """
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    partial_path = f'{path}.{os.getpid()}.partial'
    try:
        with naming(path), open(partial_path, 'wb') as file:
            for part in parts:
                file.write(part.encode() if isinstance(part, str) else part)
        os.replace(partial_path, path)
    except BaseException:
        if os.path.exists(partial_path):
            os.remove(partial_path)
        raise


@contextlib.contextmanager
def naming(path):
    """Puts a path into an OSError that has none: that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(
            error.errno, f'{error.strerror}, on writing', path) from None


def check_folder(folder):
    """Makes a folder, unless it is there, and writes a file to try it.

    Raises:
      OSError: if that is not possible.
    """
    path = os.path.join(folder, 'written_to_try')
    write_whole(path, [])
    os.remove(path)


def file_name(text):
    """Returns text, such as a class's name, as a file's name without ending.

    A long one is cut, and has a sum of the whole behind it.
    """
    name = quote(text, _UNSAFE_IN_FILE_NAMES)
    encoded = name.encode()
    if len(encoded) <= _MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return encoded[:_MAX_NAME_BYTES].decode(errors='ignore') + '~' + digest


def quote(name, unsafe=''):
    """Returns name with %XX for unsafe and for unprintable characters."""
    return ''.join(
        character if character.isprintable() and character not in unsafe
        else urllib.parse.quote(character, safe='', errors='surrogatepass')
        for character in name)
