"""Kills evaluations while they write: no half-written result may be left.

    python -m benchmarks.kill_evaluation --kills=20 --seed=0 \
        --dataset_dir=demo/records --dataset_name=shapes \
        --checkpoint_path=checkpoints/ssd_300_vgg_quarter_shapes.ckpt

Each evaluation is killed (SIGKILL) at a random moment within two seconds of
its first file of results. Exit status 1 if any of its files is not whole.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

SECONDS = 2  # In which an evaluation of few images writes its results.


def faults(folder):
    """Returns the files of results, of their final names, that are cut."""
    found = []
    for path in folder.rglob('*'):
        if path.is_dir() or path.name.startswith('events.out'):
            continue
        content = path.read_bytes()
        if path.suffix == '.json':
            is_whole = content.endswith(b'}\n') and json.loads(content)
        elif path.suffix == '.html':
            is_whole = content.endswith(b'</html>\n')
        elif path.suffix == '.png':
            is_whole = content[-8:-4] == b'IEND'
        elif path.suffix in ('.txt', '.csv'):
            is_whole = not content or content.endswith(b'\n')
        else:
            is_whole = path.suffix == '.partial'
        if not is_whole:
            found.append(path.name)
    return found


def kill_one(command, folder, seconds):
    """Runs an evaluation, kills it; returns the number of its files."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and not any(
                folder.glob('comp4*')) and not any(folder.glob('*.json*')):
            time.sleep(.005)
        time.sleep(seconds)
    finally:
        process.kill()
        process.wait()
    return sum(path.is_file() for path in folder.rglob('*'))


def main():
    """Kills as often as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--seed', type=int, default=0)
    values, flags = parser.parse_known_args()
    moments = random.Random(values.seed)
    is_bad = False
    for number in range(values.kills):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name, 'eval')
            num_files = kill_one(
                [sys.executable, 'eval_ssd_network.py', *flags,
                 f'--eval_dir={folder}'], folder,
                moments.uniform(0, SECONDS))
            found = faults(folder)
        is_bad |= bool(found) or not num_files
        print(f'kill {number}: {num_files} files, '
              f'{", ".join(found) or "all whole"}', flush=True)
    sys.exit(is_bad)


if __name__ == '__main__':
    main()
