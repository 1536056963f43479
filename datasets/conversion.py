"""Annotated images of any format -> TFRecord files and a manifest.

Images are read, checked and repaired by threads (decoding does not hold
Python's lock) and written in order, so memory does not grow with the data.
All files are written to a folder of their own, and moved to their places when
all of them are whole: a conversion replaces an earlier one wholly, or not.
"""
import contextlib
import itertools
import json
import os
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Protocol

from common import files
from common import threads
from datasets import image_files
from datasets import label_map
from datasets import manifests
from datasets import records
from datasets import samples
from datasets import tfrecords
from datasets.voc import pascalvoc

SAMPLES_PER_FILE = 200  # As in the original.

_UNFINISHED = {'format_version': 'unfinished'}
_MARK = '.unfinished'
# Batches; enough to keep the threads busy, and no more.
_NUM_AHEAD = 4


class Source(Protocol):
    """Annotated images in some format, which become one set of records."""
    folder: str  # Or file, for messages.
    output_name: str  # Of the records.
    labels: Sequence[str] | None  # Its own list of classes, if it has one.
    notes: Sequence[str]  # Sentences that tell how it is read.

    def names(self) -> Sequence[str]:
        """Lists the images; raises ValueError if that is not possible."""

    def load(self, name: str) -> samples.Annotated:
        """Reads one of them, but for its pixels; called by many threads."""

    def left_out(self) -> dict[str, list[str]]:
        """Returns {reason: files found that no name stands for}.

        Called after `names`. Reasons are as 'image without annotation'.
        """

    def missing(self) -> str | None:
        """Returns the folder or file that is gone, None if all is there."""


def convert(sources: Sequence[Source], output_dir: str,
            labels: Sequence[str] | None = None, skip_invalid: bool = False,
            allow_repairs: bool = False,
            progress: Callable[[Sequence[str], str], Iterable[str]]
            = lambda names, _: names) -> list[dict]:
    """Writes all sources or, on any fault, nothing; returns the manifests.

    Args:
      sources: of different output names.
      output_dir: folder of the records; made if missing.
      labels: class names in the order of their ids. If None: the lists of
        the sources or, if they have none, VOC's; if nothing is of a class of
        VOC's, the classes of the data, sorted.
      skip_invalid: leave out what cannot be converted.
      allow_repairs: convert sets too of which a large part is doubtful.
      progress: called with names and output_name, returns an iterable of the
        same names; shows how far it is.

    Raises:
      ValueError: names every fault of the sources and their images.
    """
    for source in sources:
        _check_name(source.output_name)
    names = [source.names() for source in sources]
    ids = label_map.ids_of(
        _labels_of(sources, names) if labels is None else labels)
    tallies = [manifests.Tally(ids, source.folder) for source in sources]
    with files.workplace(
            os.path.join(output_dir, sources[0].output_name)) as folder:
        shards = [
            _write_shards(source, progress(some, source.output_name), folder,
                          tally, skip_invalid)
            for source, some, tally in zip(sources, names, tallies,
                                           strict=True)]
        for gone in filter(None, (source.missing() for source in sources)):
            # Its files are no faults to be skipped.
            raise ValueError(f'{gone} has gone since the conversion began; '
                             'nothing was written.')
        manifests.refuse(tallies, labels is None, skip_invalid, allow_repairs)
        results = {}
        for source, tally, some in zip(sources, tallies, shards, strict=True):
            if tally.num_images == 0:
                raise ValueError(f'{source.folder}: no image is left; all of '
                                 'them were skipped. Nothing was written.')
            results[source.output_name] = tally.manifest(
                some, source.left_out())
            # COCO's: other programs know the classes by them.
            category_ids = getattr(source, 'category_ids', None)
            if category_ids is not None:
                results[source.output_name]['category_ids'] = category_ids
        _publish(results, folder, output_dir)
    return list(results.values())


def _labels_of(sources, names):
    """Returns the labels of sources if none are given: see convert."""
    if all(source.labels is not None for source in sources):
        return tuple(dict.fromkeys(
            name for source in sources for name in source.labels))
    found = set()
    for source, some in zip(sources, names, strict=True):
        for name in some:
            found.update(item.name for item in source.load(name).objects)
            if not found.isdisjoint(label_map.VOC_LABELS):
                return label_map.VOC_LABELS
    return label_map.check(
        sorted(found), 'the classes of the data') if found else (
            label_map.VOC_LABELS)


def _check_name(output_name):
    """Raises ValueError if records of this name could not be opened."""
    if not output_name or set('/\\') & set(output_name):
        raise ValueError(f'--output_name is {output_name!r}; it is the first '
                         'part of a file name, without folder.')
    name, _, split_name = output_name.rpartition('_')
    if name in pascalvoc.RECORD_PREFIXES:
        read = ' and '.join(pascalvoc.record_names(name, split_name))
        raise ValueError(
            f'--output_name is {output_name!r}, but --dataset_name={name} '
            f'reads {read}: records need that name.')


def _write_shards(source, names, folder, tally, skip_invalid):
    """Writes the valid samples; returns the manifest's list of files."""
    shards, counter = [], itertools.count()
    with (image_files.ImageReader() as image_reader,
          contextlib.closing(threads.map_ahead(
              lambda batch: samples.check(
                  [source.load(name) for name in batch], tally.ids,
                  image_reader),
              threads.batches(names, image_files.BATCH), _NUM_AHEAD,
              _NUM_AHEAD)) as readings):
        valid = _counted(itertools.chain.from_iterable(readings), tally,
                         skip_invalid)
        for index, group in itertools.groupby(
                valid, lambda _: next(counter) // SAMPLES_PER_FILE):
            shard = {'name': records.shard_name(source.output_name, index),
                     'num_records': 0}
            path = os.path.join(folder, shard['name'])
            with tfrecords.open_writer(path) as writer:
                for sample in group:
                    writer.write(tfrecords.encode_example(sample))
                    shard['num_records'] += 1
            shards.append({**shard, 'bytes': os.path.getsize(path)})
    return shards


def _counted(readings, tally, skip_invalid):
    """Counts all readings; yields the samples that are to be written."""
    for reading in readings:
        tally.add(reading)
        # After a fault the rest is read for its faults alone.
        if reading.sample is not None and (skip_invalid or not tally.faults):
            yield reading.sample


def _publish(results, folder, output_dir):
    """Moves the files to their places; removes those of earlier runs."""
    # All that takes room is written before anything is replaced.
    for output_name, manifest in results.items():
        path = records.manifest_path(folder, output_name)
        files.write_whole(path, [json.dumps(manifest, indent=1)])
        files.write_whole(path + _MARK, [json.dumps(_UNFINISHED)])
    # What is interrupted from here on is refused: an earlier manifest would
    # own new files as well, if they are of the same size.
    for output_name in results:
        os.replace(records.manifest_path(folder, output_name) + _MARK,
                   records.manifest_path(output_dir, output_name))
    earlier = records.shards(output_dir)
    for output_name, manifest in results.items():
        names = [shard['name'] for shard in manifest['files']]
        for name in names:
            os.replace(os.path.join(folder, name),
                       os.path.join(output_dir, name))
        for path in earlier.get(output_name, ()):
            if os.path.basename(path) not in names:
                os.remove(path)
        os.replace(records.manifest_path(folder, output_name),
                   records.manifest_path(output_dir, output_name))
