"""Which checkpoint a path means: a folder, a prefix, a file, an archive."""
import contextlib
import ntpath
import os
import re
import shutil
import sys
import tarfile
import zipfile

import tensorflow.compat.v1 as tf

from common import commands
from common import files
from engine import backends
from engine.checkpoints import file_kinds
from engine.checkpoints import metadata
from engine.checkpoints import reader

# In the folder of a training that scores itself: its best weights.
BEST = 'best.ckpt'

# A part of a checkpoint of format V2, behind its prefix, and one of format
# V1, which is a single file, its prefix's namesake.
_PART = re.compile(r'(.+)\.(?:index|meta|data-\d{5}-of-\d{5})$')
_WHOLE = re.compile(r'(.+\.ckpt(?:-\d+)?)$')
_ARCHIVE_ENDINGS = ('.zip', '.tar', '.tgz', '.tar.gz')
_CHUNK_BYTES = 1 << 20


def find(path: str, which: str | None = 'latest') -> str:
    """Returns the prefix of the checkpoint that `path` means.

    Args:
      path: a folder, a prefix, any of a checkpoint's files, or the archive
        (.zip, .tar, .tar.gz) of one, which is unpacked beside it.
      which: of a folder, 'best' or 'latest'; None for the best if there is
        one.

    Raises:
      ValueError: there is no checkpoint, or several that could be meant; says
        what is there instead.
    """
    path = files.user_path(path)
    if os.path.isdir(path):
        best = os.path.join(path, BEST)
        if which == 'best' or which is None and exists(best):
            _check_best(best)
            return best
        # What is named may not have been copied, and the rest have no step.
        prefix = None if newest(path) is None else latest(path)
        if prefix is not None:
            return prefix
        path = _only_one(path)
    if _is_archive(path):
        return _unpack(path)
    prefix = prefix_of(path) or path.removesuffix('.zip')
    if exists(prefix):
        is_v2 = os.path.isfile(f'{prefix}.index')
        what = None if is_v2 else file_kinds.describe(prefix)
        if what is not None:
            raise ValueError(f'{prefix}: {what}')
        return prefix
    if _is_archive(prefix + '.zip'):
        return _unpack(prefix + '.zip')
    raise ValueError(
        f'{prefix}.index: is missing; a checkpoint has it beside its .data-...'
        if os.path.isfile(path) else
        f'{path}: no such checkpoint; give a folder, or a path without its '
        'ending .index or .data-.... checkpoints/README.md says where '
        'published ones are.')


def _check_best(prefix):
    """Raises ValueError if there is no best checkpoint, or it is damaged."""
    if not exists(prefix):
        raise ValueError(
            f'--which=best: there is no {prefix}; a training writes it that '
            'scores itself (--eval_split_name).')
    fault = reader.fault(prefix)
    if fault is not None:
        raise ValueError(
            f'{fault}; the training writes it anew when it goes on. '
            '--which=latest takes the latest checkpoint.')


def describe(prefix: str) -> str:
    """Returns which checkpoint was taken, its step and, if known, score."""
    about = metadata.read(prefix) or {}
    text = f'{prefix}: step {reader.global_step(prefix)}'
    if 'score' in about:
        text += ', the best of its training by {metric}, {value:.4f} on ' \
                '{dataset} {split}'.format(**about['score'])
    return text + '.'


def _only_one(folder):
    """Returns the path of a folder's only checkpoint, or of its archive."""
    names = os.listdir(folder)
    found = prefixes(names) or [name for name in names if name.endswith(
        '.ckpt.zip') and not name.startswith('._')]
    exported = [os.path.join(folder, name) for name in sorted(names)
                if backends.is_exported(os.path.join(folder, name))]
    if not found and exported:
        raise ValueError(
            f'{folder}: the folder has exported files and no checkpoint; to '
            'detect or evaluate, give the path of one: '
            f'{", ".join(exported)}.')
    if not found:
        what = file_kinds.describe(folder)
        if what is None:
            archives = ' or '.join(
                commands.flag('checkpoint_path', os.path.join(folder, name))
                for name in sorted(names) if name.endswith(_ARCHIVE_ENDINGS))
            what = 'the folder has no checkpoint' + (
                f'; {archives} takes the one in that archive.' if archives
                else '.')
        raise ValueError(f'{folder}: {what}')
    if len(found) > 1:
        raise ValueError(
            f'{folder}: the folder has several checkpoints and no file '
            'named "checkpoint"; give the path of one: '
            f'{", ".join(os.path.join(folder, name) for name in found)}.')
    path = os.path.join(folder, found[0])
    # The archive may be newer: it is compared.
    return f'{path}.zip' if f'{found[0]}.zip' in names else path


def exists(prefix: str) -> bool:
    """Whether there is a checkpoint; tf.train's takes [ ] for a pattern."""
    return os.path.isfile(f'{prefix}.index') or os.path.isfile(prefix)


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
    """Returns the prefix that the file "checkpoint" names, None if none.

    Whatever folder it names, even one of Windows, `folder` is meant.
    """
    try:
        state = tf.train.get_checkpoint_state(folder)
    except (tf.errors.OpError, ValueError):  # It is cut, or no text.
        return None
    name = '' if state is None else ntpath.basename(
        state.model_checkpoint_path)
    return None if not name or '\0' in name else os.path.join(folder, name)


def newest(folder: str) -> str | None:
    """Returns the prefix that is named, else that of the highest step.

    Only what is there, however damaged; `latest` reads it. None if none is,
    or no such folder.
    """
    if not os.path.isdir(folder):
        return None
    named = named_latest(folder)
    return next(filter(exists, [*filter(None, [named]), *numbered(folder)]),
                None)


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
    """Whether a path is that of a checkpoint, not of another's weights."""
    if not os.path.isfile(path):
        return os.path.isdir(path) or any(
            os.path.exists(path + ending) for ending in ('.index', '.zip'))
    return (_PART.match(path) is not None or _is_archive(path)
            or file_kinds.kind(path) == 'checkpoint')


def _is_archive(path):
    return file_kinds.kind(path) in ('zip', 'tar')


def _unpack(path):
    """Unpacks a checkpoint beside its archive; returns its prefix.

    Folders in it are dropped. A file that is there already, with the same
    content, is left as it is.

    Raises:
      ValueError: it holds no checkpoint, several, is damaged, or would
        overwrite a file of other content.
    """
    folder = os.path.dirname(path)
    try:
        with _opened(path) as (names, members, open_member):
            parts = {os.path.basename(name): member for name, member
                     in zip(names, members, strict=True) if prefix_of(name)}
            found = prefixes(list(parts))
            if len(found) != 1 or len(parts) < sum(
                    prefix_of(name) is not None for name in names):
                raise ValueError(
                    'it must hold one checkpoint (.index and .data-..., or '
                    f'one .ckpt); it holds {sorted(names)[:5]}.')
            for name, member in parts.items():
                _extract(open_member, member, os.path.join(folder, name))
    except file_kinds.ARCHIVE_ERRORS as error:
        if getattr(error, 'errno', None) is not None:  # Of writing it.
            raise
        reason = str(error).partition(':\n')[0]  # Of each way to open a tar.
        raise ValueError(f'{path}: cannot be unpacked: {reason}') from None
    return os.path.join(folder, found[0])


@contextlib.contextmanager
def _opened(path):
    """Opens an archive; yields names, members, and what opens a member."""
    if file_kinds.kind(path) == 'zip':
        with zipfile.ZipFile(path) as archive:
            yield archive.namelist(), archive.infolist(), archive.open
    else:
        with tarfile.open(path) as archive:
            members = [member for member in archive if member.isfile()]
            yield ([member.name for member in members], members,
                   archive.extractfile)


def _extract(open_member, member, path):
    if os.path.lexists(path):
        with open_member(member) as source:
            if os.path.isfile(path) and _is_same(source, path):
                return
        raise ValueError(
            f'{path} is there, and is not what the archive holds; move it '
            f'away, or give {prefix_of(path)} if it is the one you mean.')
    with files.whole(path) as partial_path:
        with open_member(member) as source, open(
                partial_path, 'wb') as target:
            shutil.copyfileobj(source, target)


def _is_same(source, path):
    """Whether an open file has the content of another."""
    with open(path, 'rb') as file:
        while chunk := file.read(_CHUNK_BYTES):
            if chunk != source.read(len(chunk)):
                return False
    return not source.read(1)
