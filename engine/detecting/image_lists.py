"""Which image files an input means, and which files it leaves out, and why."""
import glob
import os
import typing

import cv2

from common import files
from datasets import image_folder
from datasets import text_files

VIDEO_EXTENSIONS = (
    '.3gp', '.asf', '.avi', '.flv', '.h264', '.h265', '.hevc', '.m2ts', '.m4v',
    '.mjpeg', '.mjpg', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.mts', '.ogv',
    '.ts', '.webm', '.wmv')
# Reasons.
NO_IMAGE = 'no image'
VIDEO = 'a video; it is an --input of its own'
FOLDER = 'a folder; --recursive goes into it'
CLOSED = 'a folder without the permission to look into it'
HIDDEN = 'hidden'
RESULTS = '--output_dir'
ABSENT = 'no such file'
SPECIAL = 'neither file nor folder'
TWICE = 'listed twice'
UNUSABLE = 'a name that cannot be used'
_MAX_EXAMPLES = 3


class Listing(typing.NamedTuple):
    """Files: paths to use, their names in results, names left out."""
    paths: list[str]
    names: list[str]  # With '/' for folders.
    left_out: dict[str, list[str]]  # By reason.


def of_file(path: str) -> Listing:
    """Returns a Listing of one file."""
    return Listing([path], [os.path.basename(path)], {})


def of_folder(folder: str, is_recursive: bool,
              output_dir: str | None = None) -> Listing:
    """Returns the images in a folder; is_recursive: and below it.

    Raises:
      ValueError: there is none.
    """
    used, left_out, seen = [], {}, set()
    results = output_dir and os.path.realpath(output_dir)

    def look_into(below):
        place = os.path.realpath(os.path.join(folder, below))
        if place in seen:  # Links may lead in a circle.
            return
        seen.add(place)
        for name in sorted(os.listdir(os.path.join(folder, below))):
            path = os.path.join(folder, below, name)
            reason = _reason_of(path, is_by_ending=True)
            if reason == FOLDER and os.path.realpath(path) == results:
                reason = RESULTS
            elif reason == FOLDER and not os.access(path, os.R_OK | os.X_OK):
                reason = CLOSED
            if reason is None:
                used.append(below + name)
            elif reason == FOLDER and is_recursive:
                look_into(f'{below}{name}/')
            else:
                left_out.setdefault(reason, []).append(below + name)

    look_into('')
    if not used:
        raise ValueError('; '.join([
            f'{folder}: the folder has no image (they end in '
            f'{", ".join(image_folder.EXTENSIONS)})', *described(left_out)])
            + '.')
    return Listing([os.path.join(folder, *name.split('/')) for name in used],
                   used, left_out)


def of_pattern(path: str) -> Listing:
    """Returns the files that a pattern means, such as photos/*.jpg.

    Folders that are there have no special characters.

    Raises:
      ValueError: there is none.
    """
    folder = os.path.dirname(path)  # As far as it is there, no pattern.
    while folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    paths = glob.glob(
        glob.escape(folder) + path[len(folder):], recursive=True)
    listing = _of_paths(sorted(paths))
    if not listing.paths:
        raise ValueError(f'{path}: ' + (
            '; '.join(described(listing.left_out)) + '.' if listing.left_out
            else 'no such file, folder or pattern; a camera is a number, a '
            'stream an address such as rtsp://host/path.'))
    return listing


def of_list(path: str) -> Listing:
    """Returns the files whose paths a text file has, one a line.

    They are relative to the current folder or to that of the list.

    Raises:
      ValueError: it has none, or is in no known encoding.
      OSError: it cannot be read.
    """
    paths, unusable = [], []
    for line in text_files.read_text(path).split('\n'):
        if not line.strip():
            continue
        try:
            meant = files.user_path(line.strip())
            beside = os.path.join(os.path.dirname(path), meant)
            paths.append(beside if os.path.exists(beside)
                         and not os.path.exists(meant) else meant)
        except ValueError:
            unusable.append(line.strip())
    listing = _of_paths(paths)
    if unusable:
        listing.left_out[UNUSABLE] = unusable
    if not listing.paths:
        raise ValueError('; '.join([
            f'{path}: the list has no path of an image, one a line',
            *described(listing.left_out)]) + '.')
    return listing


def described(left_out: dict[str, list[str]]) -> list[str]:
    """Returns what was left out, for a message: counts, reasons, examples."""
    return [
        f'{len(names)} left out ({reason}: {", ".join(names[:_MAX_EXAMPLES])}'
        + ', ...' * (len(names) > _MAX_EXAMPLES) + ')'
        for reason, names in left_out.items()]


def _of_paths(paths):
    """Returns a Listing; names are the paths from where they differ on."""
    used, left_out = {}, {}  # {absolute path: path}
    for path in paths:
        place = os.path.abspath(path)
        reason = TWICE if place in used else (
            ABSENT if not os.path.lexists(path) else
            _reason_of(path, is_by_ending=False))
        if reason is None:
            used[place] = path
        else:
            left_out.setdefault(reason, []).append(path)
    root = os.path.commonpath(list(map(os.path.dirname, used)) or ['/'])
    names = [os.path.relpath(place, root).replace(os.sep, '/')
             for place in used]
    return Listing(list(used.values()), names, left_out)


def _reason_of(path, is_by_ending):
    """Returns why a file or folder is not used; None if it is.

    is_by_ending: nobody has named it.
    """
    name, ending = os.path.split(path)[1], os.path.splitext(path)[1].lower()
    if image_folder.is_hidden(name) and is_by_ending:
        return HIDDEN
    if os.path.isdir(path):
        return FOLDER
    if not os.path.isfile(path):
        return SPECIAL
    if ending in image_folder.EXTENSIONS:
        return None
    if ending in VIDEO_EXTENSIONS:
        return VIDEO
    return NO_IMAGE if is_by_ending and not cv2.haveImageReader(path) else None
