"""What contestants work on: weights, records, folders, videos."""
import json
import os
import re
import shutil
import subprocess
import sys

import cv2

NUM_RECORDS = 512
SIDE = 560  # Of drawn images: as many pixels as 640 x 480.


def write_checkpoint(model_name: str, prefix: str, labels_file: str = ''):
    """Writes a network with random weights, of VOC's classes by default.

    What its layers predict has the spread that it has after a training.
    """
    if not os.path.exists(prefix + '.index'):
        _in_own_process('write_checkpoint', model_name, prefix, labels_file)


def write_expected(spec: dict):
    """Writes what every engine must compute from a spec's checkpoint."""
    if not os.path.exists(spec['network'] + '.npz'):
        _in_own_process('write_expected', json.dumps(spec))


def write_network(spec: dict):
    """Writes the same weights for engines whose packages are installed."""
    _in_own_process('write_network', json.dumps(spec))


def write_exports(specs: list[dict]):
    """Writes a checkpoint's exported files; none of what is not possible."""
    _in_own_process('write_exports', json.dumps(specs))


def write_data(folder: str, voc_dir: str | None = None) -> dict:
    """Writes what the stages read; returns the part of their specs that says.

    Args:
      folder: to write to.
      voc_dir: VOC folder with labels.txt; drawn shapes if None.

    Returns:
      dict of dataset_name, dataset_dir, labels_file, voc_dir.
    """
    if voc_dir is None:
        voc_dir = os.path.join(folder, 'voc')
    data = {'dataset_name': 'benchmark',
            'dataset_dir': os.path.join(folder, 'records'),
            'voc_dir': voc_dir,
            'labels_file': os.path.join(voc_dir, 'labels.txt')}
    if not os.path.exists(data['dataset_dir']):
        _in_own_process('write_data', json.dumps(data))
    return data


def write_voc_folder(data: dict, folder: str, num_images: int):
    """Writes num_images annotations, each with a copy of one of data's images.

    Two annotations of one file would be refused.
    """
    if os.path.exists(folder):
        return
    source = os.path.abspath(data['voc_dir'])
    names = sorted(os.listdir(os.path.join(source, 'Annotations')))
    for name in 'Annotations', 'JPEGImages':
        os.makedirs(os.path.join(folder, name))
    for number in range(num_images):
        path = os.path.join(
            source, 'Annotations', names[number % len(names)])
        with open(path, encoding='utf-8') as file:
            before, image, after = re.fullmatch(
                '(.*<filename>)(.*)(</filename>.*)', file.read(), re.DOTALL,
                ).groups()
        suffix = os.path.splitext(image)[1]
        with open(os.path.join(folder, 'Annotations', f'{number:06d}.xml'),
                  'w', encoding='utf-8') as file:
            file.write(f'{before}{number:06d}{suffix}{after}')
        shutil.copy(
            os.path.join(source, 'JPEGImages', image),
            os.path.join(folder, 'JPEGImages', f'{number:06d}{suffix}'))


def write_video(data: dict, path: str, num_images: int):
    """Writes a video of 640 x 480 of data's images, one after the other."""
    if os.path.exists(path):
        return
    folder = os.path.join(data['voc_dir'], 'JPEGImages')
    names = sorted(os.listdir(folder))
    writer = cv2.VideoWriter(
        path, cv2.VideoWriter_fourcc(*'MJPG'), 25, (640, 480))
    for number in range(num_images):
        image = cv2.imread(os.path.join(folder, names[number % len(names)]))
        writer.write(cv2.resize(image, (640, 480)))
    writer.release()


def _in_own_process(function, *arguments):
    # TensorFlow's threads and memory must not stay beside the contestants.
    subprocess.run(
        [sys.executable, '-m', 'benchmarks.prepare', function, *arguments],
        check=True, stdout=subprocess.DEVNULL)
