"""What splits have in common that they should not, and what one lacks.

Told when they are converted, by the manifests in one folder. Images are the
same if the bytes of their files are.
"""
import contextlib

from datasets import manifests
from datasets import records
from datasets.voc import pascalvoc

_NUM_NAMES_SHOWN = 5


def findings(folder: str, name: str) -> list[str]:
    """Returns lines about the records `name` in a folder, best none.

    Raises:
      ValueError: their manifest is not that of the records beside it.
    """
    paths = records.shards(folder)
    manifest = records.read_manifest(folder, name, paths[name])
    hashes = manifests.image_hashes(manifest)
    first = {}
    repeated = [index for index, image_hash in enumerate(hashes)
                if first.setdefault(image_hash, index) != index]
    lines = [f'{_described(repeated, paths[name])} of {name} repeat earlier '
             'ones of it.'] if repeated else []
    for other in sorted(paths.keys() - {name}):
        # Whoever opens records of another manifest is told.
        other_manifest = None
        with contextlib.suppress(ValueError):
            other_manifest = records.read_manifest(folder, other, paths[other])
        if other_manifest is None:
            continue
        others = set(manifests.image_hashes(other_manifest))
        common = [index for index, image_hash in enumerate(hashes)
                  if image_hash in others]
        if common and not _train_alike(name, other):
            lines.append(
                f'{_described(common, paths[name])} of {name} are in {other} '
                'too. An evaluation on what was trained on shows nothing.')
        lines += _missing_classes(name, manifest, other, other_manifest)
    return lines


def _missing_classes(name, manifest, other, other_manifest):
    """Returns lines about classes that the training split of the two lacks."""
    (dataset, split), (other_dataset, other_split) = (
        map(_dataset_of, (name, other)))
    if dataset != other_dataset or (
            split == 'train') == (other_split == 'train'):
        return []
    if split != 'train':
        name, other = other, name
        manifest, other_manifest = other_manifest, manifest
    trained, scored = (one.get('objects_per_class', {})
                       for one in (manifest, other_manifest))
    missing = ', '.join(label for label, count in scored.items()
                        if count and not trained.get(label))
    return [f'{name} has no object of {missing}, but {other} has: what is not '
            'trained is not found.'] if missing else []


def _train_alike(*names):
    """Tells whether records are all to train on: nothing is scored on one."""
    return all(_dataset_of(name)[1] == 'train' for name in names)


def _dataset_of(name):
    return pascalvoc.dataset_of(name) or (name, '')


def _described(indices, paths):
    """Returns a number of images, and the names of the first ones."""
    wanted = indices[:_NUM_NAMES_SHOWN]
    names = [
        records.image_name(sample.filename, index) for index, sample
        in zip(range(wanted[-1] + 1), records.read_samples(paths),
               strict=False) if index in wanted]
    more = ', ...' if len(indices) > len(wanted) else ''
    return f'{len(indices)} images ({", ".join(names)}{more})'
