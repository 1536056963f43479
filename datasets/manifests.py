"""What a conversion counts, and how it is told: manifest, report, faults."""
import hashlib
from collections.abc import Mapping
from collections.abc import Sequence

from datasets import label_map
from datasets import records
from datasets import samples

# On the screen; the manifest names all files.
_NUM_NAMES_SHOWN = 5
# Hexadecimal digits of SHA-256. That two of a million images are mistaken for
# the same happens once in 37 million times.
_HASH_LENGTH = 16


class Tally:
    """Counts of what is converted to one set of records.

    Attributes:
      ids: {class name: id}.
      faults: list of (place, Fault) of what cannot be converted.
      class_names: set of all names in the annotations.
      num_images: of the valid samples.
    """

    def __init__(self, ids: Mapping[str, int]):
        self.ids = ids
        self.faults = []
        self.class_names = set()
        self.num_images = self._num_difficult = 0
        self._images = dict.fromkeys(ids, 0)
        self._objects = dict.fromkeys(ids, 0)
        self._hashes = []
        self._repaired, self._skipped = {}, {}

    def add(self, reading: samples.Reading):
        """Counts a Reading."""
        (name, place, *_), sample = reading.annotated, reading.sample
        self.class_names.update(
            item.name for item in reading.annotated.objects)
        self.faults += [(place, fault) for fault in reading.faults]
        if sample is None:  # Each once, under its first fault.
            _count(self._skipped, reading.faults[0].kind, name)
            return
        for kind in reading.repairs:
            _count(self._repaired, kind, name)
        self.num_images += 1
        self._num_difficult += sum(sample.difficult)
        for counts, names in ((self._objects, sample.names),
                              (self._images, set(sample.names))):
            for name in names:
                counts[name] += 1
        self._hashes.append(
            hashlib.sha256(sample.encoded).hexdigest()[:_HASH_LENGTH])

    def manifest(self, shards: list[dict]) -> dict:
        """Returns the manifest of records in these shards: see conversion."""
        return {
            'format_version': records.FORMAT_VERSION,
            'num_images': self.num_images,
            'num_objects': sum(self._objects.values()),
            'num_difficult': self._num_difficult,
            'classes': list(self.ids),
            'images_per_class': self._images,
            'objects_per_class': self._objects,
            'files': shards,
            'image_hashes': ''.join(self._hashes),
            'repaired': self._repaired,
            'skipped': self._skipped,
        }


def image_hashes(manifest: dict) -> list[str]:
    """Returns of each record what the bytes of its image tell.

    Empty for manifests of earlier versions, which have none.
    """
    joined = manifest.get('image_hashes', '')
    return [joined[first:first + _HASH_LENGTH]
            for first in range(0, len(joined), _HASH_LENGTH)]


def report(manifest: dict) -> list[str]:
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


def raise_faults(tallies: Sequence[Tally], is_default: bool):
    """Raises ValueError that lists all faults, if there are any.

    is_default: whether the classes are the VOC's because none were given.
    """
    faults = [fault for tally in tallies for fault in tally.faults]
    if faults:
        raise ValueError('\n'.join([
            f'{len(dict(faults))} annotations cannot be converted; nothing was '
            'written:',
            *(f'  {place}: {fault.message}' for place, fault in faults),
            *_class_advice(tallies, is_default),
            'Correct them, or leave them out with --skip_invalid.']))


def _class_advice(tallies, is_default):
    ids = tallies[0].ids
    # Names with control characters would do things to the screen; the lines
    # of their annotations have them escaped.
    found = sorted({name for tally in tallies for name in tally.class_names
                    if name.isprintable()})
    unknown = {name: label_map.nearest(name, ids)
               for name in found if name not in ids}
    if not unknown:
        return []
    described = [name if nearest is None else
                 f'{name} (did you mean {nearest}?)'
                 for name, nearest in unknown.items()]
    lines = [f'Known classes: {", ".join(ids)}.',
             f'Unknown classes: {", ".join(described)}.']
    if is_default:
        lines.append('The known ones are those of VOC, as no others were '
                     'given. For the classes of these annotations: '
                     f'--labels={",".join(found)}')
    return lines


def _count(counts, kind, name):
    entry = counts.setdefault(kind, {'count': 0, 'files': []})
    entry['count'] += 1
    if entry['files'][-1:] != [name]:
        entry['files'].append(name)
