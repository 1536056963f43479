"""Where images come from: files, recordings, cameras and streams.

A source has `files`, the paths or the address that it reads (without a
password), `num`, how many there are to come, None if nobody knows, `is_video`,
whether they are frames of one video, `is_live`, whether they come at their
own pace, `samples()`, the detections.Samples themselves, and `account()`, what
detections.json says of it in the end.
"""
import os
import time
from collections import abc

import cv2

from common import files
from datasets import image_folder
from engine.detecting import captures
from engine.detecting import image_lists
from engine.detecting import images
from engine.detecting import options
from engine.detecting import recordings
from engine.detecting import streams

Source = images.Images | recordings.Recording | streams.Live


def open_source(chosen: options.Source, output_dir: str | None = None,
                open_capture: captures.Open = captures.open_capture,
                clock: abc.Callable[[], float] = time.monotonic) -> Source:
    """Returns what --input means.

    Args:
      chosen: what and how.
      output_dir: a folder that is not looked into.
      open_capture: opens videos, cameras and streams.
      clock: tells the seconds, for live sources.

    Raises:
      ValueError: it is nothing of that, or cannot be opened; or something
        else was chosen that does not fit it.
    """
    for name, lowest in (('every_n_frames', 1), ('start', 0), ('end', 0),
                         ('max_seconds', 0)):
        value = getattr(chosen, name)
        if value is not None and not value >= lowest:  # Nor NaN.
            raise ValueError(f'--{name}={value}: it must be at least {lowest}.')
    what = str(chosen.input)
    path = what if '://' in what else files.user_path(what)
    is_there = os.path.exists(path)
    is_camera = what.isdecimal() and not is_there
    no_folder = f'--input={captures.shown(what)} is no folder'
    if not is_camera and not captures.is_address(path) and not _is_video(path):
        _refuse(chosen, f'it is for videos, --input={what} is none',
                'every_n_frames', 'start', 'end')
        _refuse(chosen, f'it is for cameras and streams, --input={what} is '
                'neither', 'camera_size', 'max_seconds')
        if not os.path.isdir(path):
            _refuse(chosen, no_folder, 'recursive')
        return images.Images(_listed(chosen, path, output_dir))
    _refuse(chosen, no_folder, 'recursive')
    target = int(what) if is_camera else path
    capture = open_capture(target)
    if not capture.isOpened():
        capture.release()
        raise ValueError(f'--input={captures.shown(what)}: '
                         f'{captures.why_not_open(target)}')
    try:
        return _video(chosen, target, open_capture, capture, clock)
    except BaseException:
        capture.release()
        raise


def _is_video(path):
    if not os.path.isfile(path):
        return False
    ending = os.path.splitext(path)[1].lower()
    # A film of JPEGs begins as one of them does.
    return ending in image_lists.VIDEO_EXTENSIONS or (
        ending not in (*image_folder.EXTENSIONS, '.txt')
        and not cv2.haveImageReader(path))


def _listed(chosen, path, output_dir):
    try:
        if os.path.isdir(path):
            return image_lists.of_folder(path, chosen.recursive, output_dir)
        if not os.path.isfile(path):
            return image_lists.of_pattern(path)
        return (image_lists.of_list if path.lower().endswith('.txt') else
                image_lists.of_file)(path)
    except ValueError as error:
        raise ValueError(f'--input={error}') from error


def _video(chosen, target, open_capture, capture, clock):
    """Returns a Recording or a Live of an open capture."""
    shown = captures.shown(target)
    is_camera = isinstance(target, int)
    is_address = not is_camera and captures.is_address(target)
    is_live = is_camera or is_address and captures.number(
        capture, cv2.CAP_PROP_FRAME_COUNT) < 1
    if not is_camera:
        _refuse(chosen, f'--input={shown} is no camera', 'camera_size')
    name = f'camera_{target}' if is_camera else 'stream' if is_address else (
        os.path.splitext(os.path.basename(target))[0])
    if is_live:
        _refuse(chosen, f'--input={shown} has no beginning and no end, and '
                'gives the newest frame; --max_seconds ends it',
                'every_n_frames', 'start', 'end')
        return streams.Live(target, name, open_capture, capture,
                            chosen.camera_size, chosen.max_seconds, clock)
    _refuse(chosen, f'--input={shown} is a recording; --end ends it',
            'max_seconds')
    if chosen.end is not None and not chosen.end > (chosen.start or 0):
        raise ValueError(f'--end={chosen.end:g}: it must be after --start='
                         f'{chosen.start or 0:g}.')
    return recordings.Recording(
        target, name, open_capture, capture, chosen.every_n_frames,
        chosen.start, chosen.end)


def _refuse(chosen, reason, *names):
    """Raises ValueError if a flag is given that does not fit the input."""
    for name in names:
        value = getattr(chosen, name)
        if value != options.Source._field_defaults[name]:
            raise ValueError(f'--{name}={value}: {reason}; leave it out.')
