"""What a conversion counts, and how it is told: manifest, report, faults."""
import collections
import hashlib
import itertools
import re
from collections.abc import Mapping
from collections.abc import Sequence

from common import commands
from common import files
from datasets import label_map
from datasets import records
from datasets import samples
from datasets import text_files

# On the screen; the manifest names all files.
_NUM_NAMES_SHOWN = 5
_NUM_LINES = 100
_MAX_TYPED = 1000  # Characters of a flag.
# What makes messages of the same fault differ: quoted texts, numbers, lists.
_VALUE = re.compile(
    r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\[[^]]*\]|(?<!\w)-?\d[\w.+-]*)""")
# Hexadecimal digits of SHA-256. That two of a million images are mistaken for
# the same happens once in 37 million times.
_HASH_LENGTH = 16
# From so many objects of a set on, this part of them is no accident; of fewer
# objects all must be doubtful.
_NUM_OBJECTS, _DOUBTFUL_PART = 10, .2
# So many objects in the top left quarter of their images are none either.
_NUM_IN_CORNER = 100
# Repairs of files that tell too little -> what in others of the same set shows
# that they are misread, and why.
_CONTRADICTIONS = {
    samples.TURNED_UNTOLD: (
        samples.TURNED_BOXES, 'boxes are of the image as it is stored, before '
        'EXIF turns it, in'),
    samples.SWAPPED_SIZE: (
        samples.SIDES_SWAPPED, 'the image was turned after its boxes were '
        'drawn, in'),
}


class Tally:
    """Counts of what is converted to one set of records.

    Attributes:
      ids: {class name: id}.
      faults: list of (Annotated, Fault) of what cannot be converted.
      class_names: set of all names in the annotations.
      num_images: of the valid samples.
    """

    def __init__(self, ids: Mapping[str, int], origin: str):
        self.ids = ids
        self.faults = []
        self.class_names = set()
        self.num_images = self._num_read = self._num_difficult = 0
        self._origin = origin
        self._farthest = 0.  # Bottom or right of a bbox.
        self._images = dict.fromkeys(ids, 0)
        self._objects = dict.fromkeys(ids, 0)
        self._hashes = []
        self._repaired, self._skipped, self._doubtful = {}, {}, {}

    def add(self, reading: samples.Reading):
        """Counts a Reading."""
        annotated, sample = reading.annotated, reading.sample
        name = annotated.name
        self.class_names.update(item.name for item in annotated.objects)
        # Without what takes room.
        told = annotated._replace(objects=())
        self.faults += [(told, fault) for fault in reading.faults]
        if sample is None:  # Each once, under its first fault.
            _count(self._skipped, reading.faults[0].kind, name)
            return
        for counts, kinds in ((self._repaired, reading.repairs),
                              (self._doubtful, reading.doubts)):
            for kind in kinds:
                _count(counts, kind, name)
        self.num_images += 1
        self._num_read += len(annotated.objects)
        self._farthest = max(
            [self._farthest, *(max(bbox[2:]) for bbox in sample.bboxes)])
        self._num_difficult += sum(sample.difficult)
        for counts, names in ((self._objects, sample.names),
                              (self._images, set(sample.names))):
            for name in names:
                counts[name] += 1
        self._hashes.append(
            hashlib.sha256(sample.encoded).hexdigest()[:_HASH_LENGTH])

    def doubts(self) -> list[str]:
        """Returns lines about what the set as a whole hardly means so."""
        number = sum(entry['count'] for entry in self._doubtful.values())
        least = (_DOUBTFUL_PART * self._num_read
                 if self._num_read >= _NUM_OBJECTS else self._num_read - 1)
        lines = []
        if number > max(least, 0):
            lines = [f'{self._origin}: {number} of {self._num_read} objects '
                     'would be clipped, dropped, or smaller than a pixel of '
                     'the network, which is likely a mistake:']
            lines += [f'  {cause}: {_shown(entry)}' for cause, entry in sorted(
                self._doubtful.items(), key=lambda item: -item[1]['count'])]
        num_objects = sum(self._objects.values())
        if num_objects >= _NUM_IN_CORNER and self._farthest <= .5:
            lines.append(
                f'{self._origin}: all {num_objects} objects are in the top '
                'left quarter of their images; likely their coordinates are '
                'percent, or those of smaller images.')
        for kind, (other, reason) in _CONTRADICTIONS.items():
            found = self._repaired.get(other) or self._skipped.get(other)
            if found and kind in self._repaired:
                lines.append(
                    f'{self._origin}: {kind} is likely a mistake in '
                    f'{_shown(self._repaired[kind])}: {reason} '
                    f'{_shown(found)}')
        return lines

    def manifest(self, shards: list[dict],
                 left_out: Mapping[str, Sequence[str]]) -> dict:
        """Returns the manifest of records in these shards: see conversion.

        left_out: {reason: files found that no annotated image stands for}.
        """
        num_skipped = sum(
            entry['count'] for entry in self._skipped.values())
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
            'found': {'annotated_images': self.num_images + num_skipped,
                      'other_files': sum(map(len, left_out.values()))},
            'repaired': self._repaired,
            'skipped': self._skipped,
            'left_out': {
                reason: {'count': len(names), 'files': list(names)}
                for reason, names in left_out.items() if names},
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
    lines += [f'  {text_files.shortened(name)}: '
              f'{manifest["objects_per_class"][name]} objects in '
              f'{manifest["images_per_class"][name]} images'
              for name in manifest['classes']]
    found = manifest['found']
    num_left_out = sum(found.values()) - manifest['num_images']
    lines.append(f'found: {found["annotated_images"]} annotated images and '
                 f'{found["other_files"]} other files; used: '
                 f'{manifest["num_images"]}; left out: {num_left_out}')
    lines += [f'{action.replace("_", " ")}: {kind}: {_shown(entry)}'
              for action in ('repaired', 'skipped', 'left_out')
              for kind, entry in sorted(manifest[action].items())]
    return lines


def _shown(entry, noun=' files'):
    """Returns a count and the first files of it."""
    names = [files.quote(name) for name in entry['files'][:_NUM_NAMES_SHOWN]]
    num_more = len(entry['files']) - len(names)
    return f'{entry["count"]} in {", ".join(names)}' + (
        f' and {num_more} more{noun}' if num_more else '')


def refuse(tallies: Sequence[Tally], is_default: bool, skip_invalid: bool,
           allow_repairs: bool):
    """Raises ValueError that lists what forbids a conversion, if anything.

    Args:
      tallies: of all sets.
      is_default: whether the classes are the VOC's because none were given.
      skip_invalid: faults of single files do not count.
      allow_repairs: doubts about a set as a whole do not count.
    """
    faults = [] if skip_invalid else [
        fault for tally in tallies for fault in tally.faults]
    doubts = [] if allow_repairs else [
        line for tally in tallies for line in tally.doubts()]
    lines = []
    if faults:
        number = len({annotated.place for annotated, _ in faults})
        lines = [
            f'{number} annotations cannot be converted; nothing was written:',
            *_grouped(faults), *_class_advice(tallies, is_default),
            'Correct them, or leave them out with --skip_invalid.']
    if doubts:
        lines += [*doubts, 'Nothing was written. Correct it or, if this is '
                  'meant, add --allow_repairs.']
    if lines:
        raise ValueError('\n'.join(lines))


def _grouped(faults):
    """Returns lines of faults; equal ones are one line with examples.

    So are those that differ in texts and numbers alone, if they are many.
    """
    groups = collections.defaultdict(lambda: collections.defaultdict(list))
    for annotated, fault in faults:
        message = _in_general(annotated, fault)
        groups[(fault.kind, *_VALUE.split(message)[::2])][message].append(
            (annotated.place, fault.message))
    lines = []
    for by_message in groups.values():
        if len(by_message) > _NUM_NAMES_SHOWN:
            lines.append(_joined(list(by_message), by_message.values()))
            continue
        for message, group in by_message.items():
            lines.append(
                '  {}: {}'.format(*group[0]) if len(group) == 1 else
                _line(message, [place for place, _ in group]))
    num_more = len(lines) - _NUM_LINES
    return lines[:_NUM_LINES] + (
        [f'  and {num_more} more'] if num_more > 0 else [])


def _in_general(annotated, fault):
    """Returns a fault's message without the names of its own files."""
    if fault.kind == samples.MISSING_IMAGE:
        return re.sub(r"'[^']*?(\.\w+)?'", r'*\1', fault.message)
    return fault.message.replace(f'image {annotated.file_name}:', 'image:')


def _joined(messages, groups):
    """Returns a line for faults whose messages differ in some values."""
    parts = list(zip(*map(_VALUE.split, messages), strict=True))
    places = [
        f'{place} ({", ".join(values)})' for *values, group in zip(
            *(part for part in parts if len(set(part)) > 1), groups,
            strict=True) for place, _ in group]
    return _line(''.join(
        part[0] if len(set(part)) == 1 else '*' for part in parts), places)


def _line(message, places):
    return f'  {message}: {_shown({"count": len(places), "files": places}, "")}'


def _class_advice(tallies, is_default):
    ids = tallies[0].ids
    # Names with control characters would do things to the screen; the lines
    # of their annotations have them escaped.
    found = sorted({name for tally in tallies for name in tally.class_names
                    if name.isprintable()})
    unknown = [name for name in found if name not in ids]
    if not unknown:
        return []
    lines = [f'Known classes: {_listed(ids)}.',
             f'Unknown classes: {_listed(unknown, ids)}.']
    if is_default:
        labels = ','.join(found)
        can_be_typed = len(labels) <= _MAX_TYPED and (
            labels.count(',') < len(found))
        lines.append(
            'The known ones are those of VOC, as no others were given. For '
            'the classes of these annotations: ' + (
                commands.flag('labels', labels) if can_be_typed else
                '--labels_file, a file with one name a line'))
    return lines


def _listed(names, known=()):
    """Returns class names for a message; perhaps with the nearest known."""
    shown = []
    for name in itertools.islice(names, _NUM_LINES):  # Looking takes long.
        nearest = label_map.nearest(name, known)
        shown.append(text_files.shortened(name) + (
            f' (did you mean {text_files.shortened(nearest)}?)'
            if nearest else ''))
    num_more = len(names) - len(shown)
    return ', '.join(shown) + (f' and {num_more} more' if num_more else '')


def _count(counts, kind, name):
    entry = counts.setdefault(kind, {'count': 0, 'files': []})
    entry['count'] += 1
    if entry['files'][-1:] != [name]:
        entry['files'].append(name)
