"""H.264 and sound, by the program ffmpeg, where it is at hand."""
import contextlib
import errno
import functools
import os
import re
import shutil
import subprocess
from collections import abc

import numpy as np

HOW_TO_GET = "install ffmpeg, or: pip install '.[video]'"


@functools.cache
def find() -> str | None:
    """Returns the path of an ffmpeg that encodes H.264, or None.

    It is the system's, else that of the package imageio-ffmpeg.
    """
    for path in filter(None, (shutil.which('ffmpeg'), _of_package())):
        with contextlib.suppress(OSError):
            encoders = subprocess.run(
                [path, '-hide_banner', '-encoders'], capture_output=True,
                stdin=subprocess.DEVNULL, check=False).stdout
            if b'libx264 ' in encoders:
                return path
    return None


def _of_package():
    try:
        import imageio_ffmpeg
        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # It has none for this system.
        return None


@contextlib.contextmanager
def encoding(program: str, path: str, size: tuple[int, int],
             frames_per_second: float,
             ) -> abc.Iterator[abc.Callable[[np.ndarray], None]]:
    """Makes an MP4 that browsers play: the block to write frames in.

    Args:
      program: as of `find`.
      path: of the file.
      size: width and height of the frames, in pixels.
      frames_per_second: at which it plays.

    Yields:
      A function that adds a frame, uint8 [height, width, 3], RGB.

    Raises:
      OSError: it cannot be written; says why.
    """
    width, height = size
    process = subprocess.Popen(
        [program, '-loglevel', 'error', '-nostdin', '-y', '-f', 'rawvideo',
         '-pixel_format', 'rgb24', '-video_size', f'{width}x{height}',
         '-framerate', f'{frames_per_second:.6f}', '-i', 'pipe:0',
         # Its colors need even sides.
         '-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2', '-c:v', 'libx264',
         '-preset', 'veryfast', '-crf', '20', '-pix_fmt', 'yuv420p',
         '-movflags', '+faststart', os.path.abspath(path)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True)  # Ctrl-C is for us: it ends with the input.

    def write(frame):
        try:
            process.stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            _check(process)
            raise

    try:
        yield write
        _check(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _check(process):
    """Waits for the end; raises OSError if it failed."""
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    errors = process.stderr.read()
    if process.wait():
        raise OSError(errno.EIO, f'ffmpeg: {_reason(process, errors)}')


def add_sound(program: str, path: str, sound_file: str, start_seconds: float,
              seconds: float) -> str | None:
    """Adds the sound of another file to an MP4, if it has any.

    Args:
      program: as of `find`.
      path: of the MP4, which is replaced.
      sound_file: a video.
      start_seconds, seconds: where the MP4 begins, from the first picture of
        that video on; how long it is.

    Returns:
      Why it was not possible, in a line; None if it was.
    """
    about = _run(program, '-hide_banner', '-i', os.path.abspath(sound_file)
                 ).stderr.decode(errors='replace')
    if 'Stream #' in about and 'Audio: ' not in about:
        return None
    start_seconds += _seconds_before_pictures(about)
    root, ending = os.path.splitext(path)
    sounding = f'{root}.sound{ending}'
    try:
        process = _run(
            program, '-loglevel', 'error', '-y', '-i', os.path.abspath(path),
            '-ss', f'{start_seconds:.6f}', '-i', os.path.abspath(sound_file),
            '-map', '0:v', '-map', '1:a:0?', '-c:v', 'copy', '-c:a', 'aac',
            '-t', f'{seconds:.6f}', '-movflags', '+faststart',
            os.path.abspath(sounding))
        if process.returncode:
            return _reason(process, process.stderr)
        os.replace(sounding, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(sounding)
    return None


def _run(program, *arguments):
    """Runs ffmpeg to its end; Ctrl-C is not for it."""
    return subprocess.run(
        [program, '-nostdin', *arguments], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True, check=False)


def _seconds_before_pictures(about):
    """Returns how long a file runs before its first picture is shown.

    about: what ffmpeg tells of the file; it does not tell a start of 0.
    """
    starts = (re.search(pattern, about) for pattern in (
        r'Stream #.*: Video: .*, start (-?[\d.]+)',
        r'Duration: .*, start: (-?[\d.]+)'))
    pictures, file = (0 if start is None else float(start[1])
                      for start in starts)
    return max(pictures - file, 0)


def _reason(process, errors):
    """Returns why ffmpeg failed: its last line, without the part of it."""
    lines = errors.decode(errors='replace').split('\n')
    line = next((line for line in reversed(lines) if line.strip()), (
        f'it ended with status {process.returncode}'))
    return re.sub(r'^\[[^]]* @ 0x[0-9a-f]+\] ', '', line).strip()
