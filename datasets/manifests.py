"""What a conversion counts, and how it is told: manifest, report, faults."""
import collections
import hashlib
import os

from datasets import label_map
from datasets import records

# On the screen; the manifest names all files.
_NUM_NAMES_SHOWN = 5
# Hexadecimal digits of SHA-256. That two of a million images are mistaken for
# the same happens once in 37 million times.
_HASH_LENGTH = 16


class Tally:
    """Counts of one converted folder.

    Attributes:
      folder: VOC folder.
      ids: {class name: id}.
      faults: list of (stem, Fault) of what cannot be converted.
      shards: list of [file name, number of records], filled by the writer.
      num_images: of the valid samples.
    """

    def __init__(self, folder, ids):
        self.folder = folder
        self.ids = ids
        self.faults = []
        self.shards = []
        self.num_images = 0
        self.class_names = set()
        self._num_difficult = 0
        self._images = collections.Counter()
        self._objects = collections.Counter()
        self._hashes = []
        self._repaired = {}
        self._skipped = {}

    def add(self, reading):
        """Counts a voc_samples.Reading."""
        self.class_names.update(reading.class_names)
        self.faults += [(reading.stem, fault) for fault in reading.faults]
        if reading.sample is None:
            # Each file once, under its first fault.
            _count(self._skipped, reading.faults[0].kind, reading.stem)
            return
        for kind in reading.repairs:
            _count(self._repaired, kind, reading.stem)
        self.num_images += 1
        self._num_difficult += sum(reading.sample.difficult)
        self._images.update(set(reading.sample.names))
        self._objects.update(reading.sample.names)
        self._hashes.append(hashlib.sha256(
            reading.sample.encoded).hexdigest()[:_HASH_LENGTH])

    def is_new_shard(self, samples_per_file):
        """Returns whether the next sample begins a new file."""
        return not self.shards or self.shards[-1][1] == samples_per_file

    def manifest(self, files):
        """Returns the manifest of these records; see record_files."""
        return {
            'format_version': records.FORMAT_VERSION,
            'num_images': self.num_images,
            'num_objects': self._objects.total(),
            'num_difficult': self._num_difficult,
            'classes': list(self.ids),
            'images_per_class': {name: self._images[name]
                                 for name in self.ids},
            'objects_per_class': {name: self._objects[name]
                                  for name in self.ids},
            'files': files,
            'image_hashes': ''.join(self._hashes),
            'repaired': self._repaired,
            'skipped': self._skipped,
        }


def describe_file(path, name, num_records):
    """Returns a file's entry in the manifest."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return {'name': name, 'num_records': num_records,
            'bytes': os.path.getsize(path), 'sha256': digest.hexdigest()}


def image_hashes(manifest):
    """Returns a list: of each record, what the bytes of its image tell.

    Empty for manifests of earlier versions, which have none.
    """
    joined = manifest.get('image_hashes', '')
    return [joined[first:first + _HASH_LENGTH]
            for first in range(0, len(joined), _HASH_LENGTH)]


def report(manifest):
    """Returns lines of text that tell what was converted."""
    lines = [f'{manifest["num_images"]} images, '
             f'{manifest["num_objects"]} objects '
             f'({manifest["num_difficult"]} difficult):']
    lines += [f'  {name}: {manifest["objects_per_class"][name]} objects in '
              f'{manifest["images_per_class"][name]} images'
              for name in manifest['classes']]
    for action in ('repaired', 'skipped'):
        for kind, entry in sorted(manifest[action].items()):
            files = entry['files'][:_NUM_NAMES_SHOWN]
            num_more = len(entry['files']) - len(files)
            lines.append(f'{action}: {kind}: {entry["count"]} in '
                         f'{", ".join(files)}'
                         + (f' and {num_more} more files' if num_more else ''))
    return lines


def raise_faults(tallies, is_default):
    """Raises ValueError that lists all faults, if there are any.

    Args:
      tallies: Tally of each converted folder.
      is_default: whether the classes are the VOC's because none were given.
    """
    faults = [(tally, stem, fault) for tally in tallies
              for stem, fault in tally.faults]
    if not faults:
        return
    num_files = len({(tally.folder, stem) for tally, stem, _ in faults})
    lines = [f'{num_files} annotations cannot be converted; nothing was '
             'written:']
    lines += [f'  {os.path.join(tally.folder, "Annotations", stem)}.xml: '
              f'{fault.message}' for tally, stem, fault in faults]
    lines += _class_advice(tallies, is_default)
    lines.append('Correct them, or leave them out with --skip_invalid.')
    raise ValueError('\n'.join(lines))


def _class_advice(tallies, is_default):
    ids = tallies[0].ids
    # Names with control characters would do things to the screen; the lines
    # of their annotations have them escaped.
    found = {name for tally in tallies for name in tally.class_names
             if name.isprintable()}
    unknown = sorted(found - set(ids))
    if not unknown:
        return []
    described = []
    for name in unknown:
        nearest = label_map.nearest(name, ids)
        described.append(name if nearest is None else
                         f'{name} (did you mean {nearest}?)')
    lines = [f'Known classes: {", ".join(ids)}.',
             f'Unknown classes: {", ".join(described)}.']
    if is_default:
        lines.append('The known ones are those of VOC, as no others were '
                     'given. For the classes of these annotations: '
                     f'--labels={",".join(sorted(found))}')
    return lines


def _count(counts, kind, stem):
    entry = counts.setdefault(kind, {'count': 0, 'files': []})
    entry['count'] += 1
    if entry['files'][-1:] != [stem]:
        entry['files'].append(stem)
