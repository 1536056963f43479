"""Conversion as a user sees it: a progress bar, a report, the next command."""
import contextlib
import os
import sys

import tqdm

from common import files
from datasets import conversion
from datasets import label_map
from datasets import manifests
from datasets import split_checks
from datasets.voc import folders
from datasets.voc import pascalvoc

DATASET_NAMES = ('pascalvoc', 'pascalvoc_0712')
# What --output_name is if it is not given, as in the original.
DEFAULT_OUTPUT_NAME = 'pascalvoc'


def convert(dataset_name: str, dataset_dir: str, output_name: str,
            output_dir: str, labels_file: str | None = None,
            labels: str | None = None, image_set: str | None = None,
            skip_invalid: bool = False):
    """Converts data to records and prints what was done.

    Args: the flags of tf_convert_data.py.

    Raises:
      ValueError: they, or something in the folders, is wrong.
    """
    sources = _sources(dataset_name, dataset_dir, output_name, image_set)
    with contextlib.ExitStack() as stack:  # Ends the bars before an error.
        results = conversion.convert(
            sources, output_dir, labels=_labels(labels_file, labels),
            skip_invalid=skip_invalid,
            progress=lambda names, output_name: stack.enter_context(tqdm.tqdm(
                names, desc=output_name, unit=' images', dynamic_ncols=True,
                disable=None)))
    for source, manifest in zip(sources, results, strict=True):
        path = os.path.join(output_dir, f'{source.output_name}_*.tfrecord')
        print('\n'.join([f'{path}: {source.folder}',
                         *manifests.report(manifest)]))
    # All are written: those of one call are compared too.
    for source in sources:
        for line in split_checks.findings(output_dir, source.output_name):
            print(f'Warning: {files.quote(line)}', file=sys.stderr)
    print(_next_command(dataset_name, sources[0].output_name, output_dir))


def _sources(dataset_name, dataset_dir, output_name, image_set):
    if dataset_name == 'pascalvoc':
        return [folders.Part(dataset_dir, image_set, output_name)]
    if dataset_name not in DATASET_NAMES:
        raise ValueError(f'--dataset_name={dataset_name} is not known; use '
                         f'{" or ".join(DATASET_NAMES)}. The name of your '
                         'own data belongs into --output_name.')
    if image_set is not None or output_name != DEFAULT_OUTPUT_NAME:
        raise ValueError(
            f'--dataset_name={dataset_name} chooses the lists and the names '
            'of the records itself; leave out --image_set, --output_name.')
    return folders.find_0712(dataset_dir)


def _labels(labels_file, labels):
    if labels_file is not None and labels is not None:
        raise ValueError('--labels and --labels_file are both given; '
                         'leave out one.')
    if labels_file is not None:
        return label_map.read_labels(labels_file)
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
    return (f'The records are in {output_dir}; next: python {script} '
            f'--dataset_dir={output_dir} --dataset_name={name} '
            f'--dataset_split_name={split_name} --model_name=ssd_300_vgg')
