"""Which checkpoint a path means: a folder, a prefix, a file, an archive."""
import os
import re
import shutil
import struct
import sys
import zipfile
import zlib

import tensorflow.compat.v1 as tf

from common import files
from engine.checkpoints import reader

# A part of a checkpoint of format V2, behind its prefix, and one of format
# V1, which is a single file, its prefix's namesake.
_PART = re.compile(r'(.+)\.(?:index|meta|data-\d{5}-of-\d{5})$')
_WHOLE = re.compile(r'(.+\.ckpt(?:-\d+)?)$')
# The last bytes of a table: of a V1 checkpoint, as of an .index.
_TABLE_MAGIC = 0xdb4775248b80fb57.to_bytes(8, 'little')


def find(path: str) -> str:
    """Returns the prefix of the checkpoint that `path` means.

    Args:
      path: a folder (its latest checkpoint), a prefix, any of a checkpoint's
        files, or the archive (.zip) of one, which is unpacked beside it.

    Raises:
      ValueError: there is no checkpoint, or several that could be meant.
    """
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        prefix = latest(path)
        if prefix is not None:
            return prefix
        names = os.listdir(path)
        found = prefixes(names) or [name for name in names if name.endswith(
            '.ckpt.zip') and not name.startswith('._')]
        if not found:
            raise ValueError(f'{path}: the folder has no checkpoint.')
        if len(found) > 1:
            raise ValueError(
                f'{path}: the folder has several checkpoints and no file '
                'named "checkpoint"; give the path of one: '
                f'{", ".join(os.path.join(path, name) for name in found)}.')
        path = os.path.join(path, found[0])
        if f'{found[0]}.zip' in names:  # Which may be newer: it is compared.
            path += '.zip'
    prefix = prefix_of(path) or path.removesuffix('.zip')
    is_archive = path.endswith('.zip') and os.path.exists(path)
    if tf.train.checkpoint_exists(prefix) and not is_archive:
        return prefix
    if not os.path.exists(prefix + '.zip'):
        raise ValueError(
            f'{path}: no such checkpoint; give a folder, or a path '
            'without its ending .index or .data-....')
    return _unpack(prefix + '.zip')


def latest(folder: str) -> str | None:
    """Returns the prefix of a training's latest whole checkpoint.

    It is the one that the file "checkpoint" names; where that is damaged, or
    what it names is, the one of the highest step that is whole, and stderr
    says so. What it names is looked for in the folder itself, so that a copy
    of a folder means its own files. None if it has none with a step.

    Raises:
      ValueError: there are such checkpoints, but none is whole.
    """
    named, faults = named_latest(folder), []
    state_path = os.path.join(folder, 'checkpoint')
    if named is None and os.path.exists(state_path):
        faults.append(f'{state_path} names no checkpoint')
    for prefix in dict.fromkeys([*filter(None, [named]), *numbered(folder)]):
        fault = reader.fault(prefix)
        if fault is None:
            if faults:
                print(f'{"; ".join(faults)}; {prefix} is used.',
                      file=sys.stderr)
            return prefix
        faults.append(fault)
    if faults:
        raise ValueError(f'{"; ".join(faults)}; there is no whole checkpoint '
                         f'in {folder}.')
    return None


def named_latest(folder: str) -> str | None:
    """Returns the prefix that the file "checkpoint" names, None if none."""
    try:
        state = tf.train.get_checkpoint_state(folder)
    except (tf.errors.OpError, ValueError):  # It is cut, or no text.
        return None
    name = '' if state is None else os.path.basename(
        state.model_checkpoint_path)
    return None if not name or '\0' in name else os.path.join(folder, name)


def numbered(folder: str) -> list[str]:
    """Returns the prefixes in a folder that end in a step, latest first."""
    steps = {prefix: int(match[1]) for prefix in prefixes(os.listdir(folder))
             if (match := re.search(r'-(\d+)$', prefix))}
    return [os.path.join(folder, prefix)
            for prefix in sorted(steps, key=steps.get, reverse=True)]


def prefix_of(name: str) -> str | None:
    """Returns the prefix that a file's name belongs to, None if to none."""
    if os.path.basename(name).startswith('._'):  # Archives of macOS.
        return None
    match = _PART.match(name) or _WHOLE.match(name)
    return match and match[1]


def prefixes(names: list[str]) -> list[str]:
    """Returns the prefixes of the checkpoints among names of files."""
    return sorted({prefix_of(name) for name in names
                   if prefix_of(name) == name or name.endswith('.index')
                   and prefix_of(name)})


def is_checkpoint(path: str) -> bool:
    """Whether a path is that of a checkpoint, not of a .caffemodel."""
    if not os.path.isfile(path):
        return os.path.isdir(path) or any(
            os.path.exists(path + ending) for ending in ('.index', '.zip'))
    if _PART.match(path) or path.endswith('.zip'):
        return True
    with open(path, 'rb') as file:
        file.seek(max(os.path.getsize(path) - len(_TABLE_MAGIC), 0))
        return file.read() == _TABLE_MAGIC


def _unpack(path):
    """Unpacks a zipped checkpoint beside its archive; returns its prefix.

    Folders in it are dropped. A file that is there already, with the same
    content, is left as it is.

    Raises:
      ValueError: it holds no checkpoint, several, is damaged, or would
        overwrite a file of other content.
    """
    folder = os.path.dirname(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist()
                     if prefix_of(info.filename)]
            members = {
                os.path.basename(info.filename): info for info in infos}
            names = prefixes(list(members))
            if len(names) != 1 or len(members) < len(infos):
                raise ValueError(
                    'it must hold one checkpoint (.index and .data-..., or '
                    'one .ckpt); it holds '
                    f'{sorted(archive.namelist())[:5]}.')
            for name, info in members.items():
                _extract(archive, info, os.path.join(folder, name))
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError,
            RuntimeError, ValueError) as error:
        raise ValueError(f'{path}: cannot be unpacked: {error}') from None
    return os.path.join(folder, names[0])


def _extract(archive, info, path):
    if os.path.lexists(path):
        if os.path.isfile(path) and _crc(path) == info.CRC:
            return
        raise ValueError(
            f'{path} is there, and is not what the archive holds; move it '
            f'away, or give {prefix_of(path)} if it is the one you mean.')
    with files.whole(path) as partial_path:
        with archive.open(info) as source, open(
                partial_path, 'wb') as target:
            shutil.copyfileobj(source, target)


def _crc(path):
    """Returns a file's checksum, as archives hold it."""
    crc = 0
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            crc = zlib.crc32(chunk, crc)
    return crc
