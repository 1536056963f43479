"""What the scripts that kill processes share."""
import argparse
import pathlib
import tempfile
import time
from collections.abc import Callable

from common import files


def main(run: Callable[[pathlib.Path, int, int], str], description: str):
    """Parses the command line; prints what run(folder, kills, seed) tells."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(run(pathlib.Path(folder), options.kills, options.seed))


def wait(is_running: Callable[[], bool], is_moment: Callable[[], bool],
         seconds: float = 0):
    """Returns some seconds after a moment, or when nothing runs any more."""
    while is_running() and not is_moment():
        time.sleep(.0002)
    if is_running():
        time.sleep(seconds)


def identity(path: pathlib.Path) -> int | None:
    """Returns a number that changes with the file; None if there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """Returns {path: content} of the files that have their final names."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob('*') if path.is_file()
            and files.PARTIAL not in str(path.relative_to(folder))
            and not path.name.startswith('events.out')}
