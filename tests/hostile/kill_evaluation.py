"""Kills evaluations while they write: no half-written result may be left.

    python -m tests.hostile.kill_evaluation --kills=20 --seed=0 \
        --dataset_dir=demo/records --dataset_name=shapes \
        --checkpoint_path=checkpoints/ssd_300_vgg_quarter_shapes.ckpt

Each evaluation replaces the results of another one, with fewer detections, and
is killed (SIGKILL) at a random moment within two seconds of its first change.
Exit status 1 if any of the files is not whole, or if there is a metrics.json
that counts other detections than the devkit's files beside it hold.
"""
import argparse
import json
import pathlib
import random
import shutil
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
    return found + mismatches(folder / 'metrics.json')


def mismatches(path):
    """Returns the classes of which a metrics.json tells another number."""
    if not path.exists():
        return []
    classes = json.loads(path.read_bytes())['classes']
    return [name for name, result in classes.items()
            for comp4 in path.parent.glob(f'comp4_det_*_{name}.txt')
            if len(comp4.read_bytes().splitlines())
            != result['num_detections']]


def kill_one(command, folder, seconds):
    """Runs an evaluation over another one's results, kills it.

    Returns:
      Whether there is a metrics.json, earlier or new.
    """
    path = folder / 'metrics.json'
    earlier = _time_of(path)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and _time_of(path) == earlier:
            time.sleep(.001)
        time.sleep(seconds)
    finally:
        process.kill()
        process.wait()
    return path.exists()


def _time_of(path):
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def main():
    """Kills as often as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--seed', type=int, default=0)
    values, flags = parser.parse_known_args()
    moments = random.Random(values.seed)
    is_bad = False
    with tempfile.TemporaryDirectory() as name:
        whole, folder = (pathlib.Path(name, part) for part in ('whole', 'eval'))
        command = [sys.executable, 'eval_ssd_network.py', *flags]
        subprocess.run(
            [*command, f'--eval_dir={whole}', '--select_threshold=.5'],
            check=True, stdout=subprocess.DEVNULL)
        for number in range(values.kills):
            shutil.copytree(whole, folder)
            # Most of them early, where metrics.json and its files are written.
            has_metrics = kill_one([*command, f'--eval_dir={folder}'], folder,
                                   SECONDS * moments.random() ** 3)
            found = faults(folder)
            shutil.rmtree(folder)
            is_bad |= bool(found)
            print(f'kill {number}: {"with" if has_metrics else "without"} '
                  f'metrics.json, {", ".join(found) or "all whole"}',
                  flush=True)
    sys.exit(is_bad)


if __name__ == '__main__':
    main()
