"""Conversion as a user sees it: a progress bar, a report, the next command."""
import contextlib
import os
import sys
from typing import NamedTuple

import tqdm

from common import commands
from common import files
from datasets import conversion
from datasets import foreign_records
from datasets import label_map
from datasets import manifests
from datasets import split_checks
from datasets import splits
from datasets.coco import annotations as coco
from datasets.csv import annotations as csv
from datasets.voc import folders as voc
from datasets.voc import pascalvoc
from datasets.yolo import annotations as yolo

DATASET_NAMES = ('pascalvoc', 'pascalvoc_0712', 'coco_2017')
# In the order in which they are looked for.
FORMATS = {'voc': voc, 'coco': coco, 'yolo': yolo, 'csv': csv}
# What --output_name is if it is not given, as in the original.
DEFAULT_OUTPUT_NAME = 'pascalvoc'
# How the detections.json of detect_ssd_network.py begins.
_OF_DETECTION = b'{"checkpoint": '


class Layout(NamedTuple):
    """Where the data is, if its folder does not tell, and its parts."""
    format: str | None = None  # One of FORMATS.
    images_dir: str | None = None
    annotations_dir: str | None = None
    image_set: str | None = None  # A list in ImageSets/Main.
    split: str | None = None  # Shares of the parts, as 0.8,0.2.


def convert(dataset_name: str, dataset_dir: str, output_name: str,
            output_dir: str, labels_file: str | None = None,
            labels: str | None = None, layout: Layout = Layout(),
            skip_invalid: bool = False, allow_repairs: bool = False):
    """Converts data to records and prints what was done.

    Args: the flags of tf_convert_data.py.

    Raises:
      ValueError: they, or something in the folders, is wrong.
    """
    output_dir = files.user_path(output_dir)
    given = _labels(labels_file, labels)
    sources = _sources(dataset_name, files.user_path(dataset_dir),
                       output_name, layout)
    with contextlib.ExitStack() as stack:  # Ends the bars before an error.
        results = conversion.convert(
            sources, output_dir, labels=given, skip_invalid=skip_invalid,
            allow_repairs=allow_repairs,
            progress=lambda names, output_name: stack.enter_context(tqdm.tqdm(
                names, desc=output_name, unit=' images', dynamic_ncols=True,
                disable=None)))
    for source, manifest in zip(sources, results, strict=True):
        path = os.path.join(output_dir, f'{source.output_name}_*.tfrecord')
        print('\n'.join([f'{path}: {source.folder}', *source.notes,
                         *manifests.report(manifest)]))
    classes = tuple(results[0]['classes'])
    if given is None and classes != label_map.VOC_LABELS:
        print('No classes were given; those of the data were taken: '
              f'{", ".join(classes)}')
    # All are written: those of one call are compared too.
    for source in sources:
        for line in split_checks.findings(output_dir, source.output_name):
            print(f'Warning: {files.quote(line)}', file=sys.stderr)
    print(_next_command(dataset_name, sources[0].output_name, output_dir))


def _sources(dataset_name, dataset_dir, output_name, layout):
    if dataset_name not in DATASET_NAMES:
        raise ValueError(f'--dataset_name={dataset_name} is not known; use '
                         f'{" or ".join(DATASET_NAMES)}. The name of your '
                         'own data belongs into --output_name.')
    if dataset_name == 'pascalvoc':
        sources = _found(dataset_dir, output_name, layout)
        if layout.split is None:
            return sources
        shares = splits.parse(layout.split)
        if len(sources) > 1:
            raise ValueError(
                f'{dataset_dir} is split already, into '
                f'{" and ".join(source.output_name for source in sources)}; '
                'leave out --split.')
        return splits.parts(sources[0], shares)
    if layout != Layout() or output_name != DEFAULT_OUTPUT_NAME:
        raise ValueError(
            f'--dataset_name={dataset_name} chooses the lists and the names '
            'of the records itself; leave out --image_set, --output_name, '
            '--format, --images_dir, --annotations_dir, --split.')
    if dataset_name == 'coco_2017':
        return coco.find_2017(dataset_dir)
    return voc.find_0712(dataset_dir)


def _found(dataset_dir, output_name, layout):
    """Returns the sources in a folder, of the first format that is there."""
    if layout.format not in (None, *FORMATS):
        raise ValueError(f'--format={layout.format} is not known; use '
                         f'{", ".join(FORMATS)}.')
    if layout.image_set is not None and layout.format not in (None, 'voc'):
        raise ValueError('--image_set is a list of VOC; leave it out.')
    _refuse_drawn(_expanded(layout.images_dir) or dataset_dir)
    names = [layout.format or 'voc'] if (
        layout.format or layout.image_set) else list(FORMATS)
    for name in names:
        found = _found_as(name, dataset_dir, output_name, layout)
        if found is not None:
            return found
    opened = foreign_records.patterns(dataset_dir) if (
        os.path.isdir(dataset_dir)) else {}
    if opened:
        raise ValueError(
            f'{dataset_dir} holds records, {", ".join(opened)}, which need no '
            'conversion: train_ssd_network.py --dataset_dir opens them.')
    if not os.path.exists(dataset_dir):
        raise ValueError(f'{dataset_dir} does not exist.')
    for name in FORMATS if layout.image_set is not None else ():
        others = name != 'voc' and _found_as(
            name, dataset_dir, output_name, layout)
        if others:
            raise ValueError(
                f'--image_set is a list of VOC, and {dataset_dir} is of the '
                f'format {name}; leave it out. Records will be '
                f'{", ".join(source.output_name for source in others)}.')
    above = _annotated_above(dataset_dir)
    raise ValueError(
        f'{dataset_dir} holds no annotations of the format '
        f'{", ".join(names)}, or no images of them. ' + (
            'Other folders are given by --images_dir and --annotations_dir.'
            if above is None else 'There are some beside it; try '
            + commands.flag('dataset_dir', above)))


def _found_as(name, dataset_dir, output_name, layout):
    """Returns the sources of a format in a folder, or None."""
    lists = {'image_set': layout.image_set} if name == 'voc' else {}
    return FORMATS[name].find(
        dataset_dir, output_name=output_name,
        images_dir=_expanded(layout.images_dir),
        annotations_dir=_expanded(layout.annotations_dir), **lists)


def _annotated_above(folder):
    """Returns the folder that has annotations beside this one of images."""
    for above in ('..', '../..'):
        path = os.path.normpath(os.path.join(os.path.abspath(folder), above))
        with contextlib.suppress(OSError):
            if {'annotations', 'labels'} & {
                    name.lower() for name in os.listdir(path)}:
                return path
    return None


def _refuse_drawn(folder):
    """Raises ValueError if the images in a folder are those of a detection."""
    path = os.path.join(folder, 'detections.json')
    with contextlib.suppress(OSError), open(path, 'rb') as file:
        if file.read(len(_OF_DETECTION)) == _OF_DETECTION:
            raise ValueError(
                f'{folder}: its pictures have boxes drawn on them, as '
                'detections.json is beside them; give the folder of the '
                'original images as --images_dir.')


def _expanded(path):
    return None if path is None else files.user_path(path)


def _labels(labels_file, labels):
    if labels_file is not None and labels is not None:
        raise ValueError('--labels and --labels_file are both given; '
                         'leave out one.')
    if labels_file is not None:
        return label_map.read_labels(_expanded(labels_file))
    return None if labels is None else label_map.parse_labels(labels)


def _next_command(dataset_name, output_name, output_dir):
    dataset = pascalvoc.dataset_of(output_name)
    if dataset is None:
        return (f'The records are in {output_dir}. To be found by '
                '--dataset_name and --dataset_split_name they need an '
                '--output_name of the form <name>_<split>.')
    name, split_name = dataset
    if dataset_name in pascalvoc.RECORD_PREFIXES:
        name = dataset_name
    script = ('eval_ssd_network.py --eval_dir=logs/eval '
              '--checkpoint_path=logs' if split_name == 'test' else
              'train_ssd_network.py --train_dir=logs')
    return f'The records are in {output_dir}; next: ' + commands.line(
        f'python {script}', dataset_dir=output_dir, dataset_name=name,
        dataset_split_name=split_name, model_name='ssd_300_vgg')
