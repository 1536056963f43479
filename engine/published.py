"""Checkpoints as others published them: zipped, without state, foreign."""
import os
import re
import shutil
import struct
import zipfile
import zlib

from engine import checkpoint_tables

# A part of a checkpoint of format V2; its prefix is the first group.
PART = re.compile(r'(.+)\.(?:index|meta|data-\d{5}-of-\d{5})$')
# One of format V1 is a single file, its prefix's namesake.
WHOLE = re.compile(r'.+\.ckpt(-\d+)?$')
# Trained weights shrink by a tenth, an optimiser's zeros by more.
_MAX_RATIO = 100
_ALWAYS_ALLOWED_BYTES = 1 << 26
# Variables of github.com/HiKapok/SSD.TensorFlow.
HIKAPOK_SCOPE = 'multibox_head'


def prefix_of(name):
    """Returns the prefix that a file's name belongs to, None if to none."""
    if os.path.basename(name).startswith('._'):  # Archives of macOS.
        return None
    part = PART.match(name)
    if part:
        return part[1]
    return name if WHOLE.match(name) else None


def is_checkpoint(path):
    """Whether a path is that of a checkpoint, not of a .caffemodel."""
    if not os.path.isfile(path):
        return os.path.isdir(path) or any(
            os.path.exists(path + ending) for ending in ('.index', '.zip'))
    if PART.match(path) or path.endswith('.zip'):
        return True
    with open(path, 'rb') as file:
        file.seek(max(os.path.getsize(path) - len(checkpoint_tables.MAGIC), 0))
        return file.read() == checkpoint_tables.MAGIC


def unpack(path):
    """Unpacks a zipped checkpoint beside its archive; returns its prefix.

    A file that is there already, of the same size, is left as it is.

    Args:
      path: .zip, with the files of one checkpoint; folders in it are dropped.

    Raises:
      ValueError: if it holds no checkpoint, several, is damaged or made to
        do harm, or would overwrite another file.
    """
    folder = os.path.dirname(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist()
                     if prefix_of(info.filename)]
            files = {os.path.basename(info.filename): info for info in infos}
            names = prefixes(files)
            if len(names) != 1 or len(files) < len(infos):
                raise ValueError(
                    'it must hold one checkpoint (.index and .data-..., or '
                    'one .ckpt); it holds '
                    f'{sorted(archive.namelist())[:5]}.')
            _check_sizes(infos, os.path.getsize(path))
            for name, info in files.items():
                _extract(archive, info, os.path.join(folder, name))
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError,
            OverflowError, RuntimeError, ValueError) as error:
        raise ValueError(f'{path}: cannot be unpacked: {error}') from None
    return os.path.join(folder, names[0])


def _check_sizes(infos, archive_bytes):
    """Raises ValueError for an archive that is made to do harm."""
    num_bytes = sum(info.file_size for info in infos)
    if num_bytes > max(_MAX_RATIO * archive_bytes, _ALWAYS_ALLOWED_BYTES):
        raise ValueError(
            f'its {archive_bytes} bytes would become {num_bytes}; weights do '
            'not shrink so much. Unpack it yourself if you trust it.')
    for info in infos:
        if (info.compress_type not in (zipfile.ZIP_STORED,
                                       zipfile.ZIP_DEFLATED)
                or not info.filename.isprintable()):
            raise ValueError(
                f'{info.filename!r} has a name or a compression that no '
                'published checkpoint has.')


def only_checkpoint(folder):
    """Returns the prefix of the only checkpoint of a folder without state.

    Raises:
      ValueError: if there is none, or several.
    """
    names = os.listdir(folder)
    found = [os.path.join(folder, name) for name in prefixes(names)]
    if len(found) == 1:
        return found[0]
    zips = [name for name in names
            if name.endswith('.ckpt.zip') and not name.startswith('._')]
    if not found and len(zips) == 1:
        return unpack(os.path.join(folder, zips[0]))
    if not found:
        raise ValueError(f'{folder}: the folder has no checkpoint.')
    raise ValueError(
        f'{folder}: the folder has several checkpoints and no file named '
        f'"checkpoint"; give the path of one: {", ".join(found)}.')


def check_names(names, prefix):
    """Raises ValueError for variables of a project that cannot be converted.

    Args:
      names: of the variables of a checkpoint.
      prefix: of the checkpoint, for the message.
    """
    if any(f'/{HIKAPOK_SCOPE}/' in name for name in names):
        raise ValueError(
            f'{prefix}: a checkpoint of HiKapok/SSD.TensorFlow. Its anchors '
            'have another order (the larger square first) and other sizes '
            '(112.5 pixels for 111), and its extra layers pad on one side '
            'only, so that its weights detect wrongly in this network; use a '
            'Caffe model or start from VGG-16 instead.')


def prefixes(names):
    """Returns the prefixes of the checkpoints among names of files."""
    return sorted({prefix_of(name) for name in names
                   if prefix_of(name) == name or name.endswith('.index')
                   and prefix_of(name)})


def _extract(archive, info, path):
    if os.path.lexists(path):
        if os.path.isfile(path) and os.path.getsize(path) == info.file_size:
            return
        raise ValueError(
            f'{path} is there, and is another file; move it away.')
    temporary_path = f'{path}.part'
    try:
        with archive.open(info) as source, open(
                temporary_path, 'wb') as target:
            shutil.copyfileobj(source, target)
        os.replace(temporary_path, path)
    finally:
        if os.path.exists(temporary_path):
            os.remove(temporary_path)
