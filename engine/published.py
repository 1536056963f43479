"""Checkpoints as others published them: zipped, without state, foreign."""
import glob
import os
import re
import shutil
import zipfile
import zlib

# A checkpoint's files; its prefix is the first group.
CHECKPOINT_FILE = re.compile(r'(.+)\.(?:index|meta|data-\d{5}-of-\d{5})$')
# Variables of github.com/HiKapok/SSD.TensorFlow.
HIKAPOK_SCOPE = 'multibox_head'


def unpack(path):
    """Unpacks a zipped checkpoint beside its archive; returns its prefix.

    A file that is there already, of the same size, is left as it is.

    Args:
      path: .zip, with the files of one checkpoint; folders in it are dropped.

    Raises:
      ValueError: if it holds no checkpoint, several, or is damaged.
    """
    folder = os.path.dirname(path)
    try:
        with zipfile.ZipFile(path) as archive:
            files = {os.path.basename(info.filename): info
                     for info in archive.infolist()
                     if CHECKPOINT_FILE.match(info.filename)}
            names = {CHECKPOINT_FILE.match(name)[1] for name in files}
            if len(names) != 1 or f'{min(names)}.index' not in files:
                raise ValueError(
                    f'{path}: it must hold one checkpoint (.index and '
                    f'.data-...); it holds {sorted(archive.namelist())[:5]}.')
            for name, info in files.items():
                _extract(archive, info, os.path.join(folder, name))
    except (zipfile.BadZipFile, zlib.error, EOFError,
            RuntimeError) as error:
        raise ValueError(f'{path}: a damaged archive: {error}') from error
    return os.path.join(folder, names.pop())


def only_checkpoint(folder):
    """Returns the prefix of the only checkpoint of a folder without state.

    Raises:
      ValueError: if there is none, or several.
    """
    prefixes = sorted(
        path.removesuffix('.index')
        for path in glob.glob(os.path.join(glob.escape(folder), '*.index')))
    if len(prefixes) == 1:
        return prefixes[0]
    zips = glob.glob(os.path.join(glob.escape(folder), '*.ckpt.zip'))
    if not prefixes and len(zips) == 1:
        return unpack(zips[0])
    if not prefixes:
        raise ValueError(f'{folder}: the folder has no checkpoint.')
    raise ValueError(
        f'{folder}: the folder has several checkpoints and no file named '
        f'"checkpoint"; give the path of one: {", ".join(prefixes)}.')


def check_names(names, prefix):
    """Raises ValueError for variables of a project that cannot be converted.

    Args:
      names: of the variables of a checkpoint.
      prefix: of the checkpoint, for the message.
    """
    if any(f'/{HIKAPOK_SCOPE}/' in name for name in names):
        raise ValueError(
            f'{prefix}: a checkpoint of HiKapok/SSD.TensorFlow. Its anchors '
            'have another order and other sizes, and its extra layers pad '
            'otherwise, so that its weights do not fit this network; start '
            'from a Caffe model or from VGG-16 instead.')


def _extract(archive, info, path):
    if os.path.exists(path) and os.path.getsize(path) == info.file_size:
        return
    temporary_path = f'{path}.part'
    try:
        with archive.open(info) as source, open(
                temporary_path, 'wb') as target:
            shutil.copyfileobj(source, target)
        os.replace(temporary_path, path)
    finally:
        if os.path.exists(temporary_path):
            os.remove(temporary_path)
