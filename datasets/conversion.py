"""VOC folders -> TFRecord files and a manifest, all or nothing.

Images are read, checked and repaired by threads (decoding does not hold
Python's lock) and written in order, so memory does not grow with the data.
Files are written as *.partial and renamed when all of them are whole.
"""
import collections
import concurrent.futures
import contextlib
import itertools
import json
import os
import re

from datasets import image_files
from datasets import label_map
from datasets import manifests
from datasets import records
from datasets import samples
from datasets import tfrecords
from datasets.voc import folders
from datasets.voc import pascalvoc

SAMPLES_PER_FILE = 200  # As in the original.

_PARTIAL = '.partial'
_UNFINISHED = {'format_version': 'unfinished'}
_MARK = '.unfinished'
# Enough batches ahead to keep the threads busy, and no more.
_READ_AHEAD = 4


def convert(parts, output_dir, labels=None, skip_invalid=False,
            progress=None):
    """Converts VOC folders; writes all of them or, on any fault, nothing.

    Args:
      parts: voc_folders.Parts.
      output_dir: folder of the records; made if missing.
      labels: class names in the order of their ids; the VOC's if None.
      skip_invalid: leave out what cannot be converted.
      progress: called with (stems, output_name), returns an iterable of the
        same stems; shows how far it is.

    Returns:
      The manifests, a list of dicts.

    Raises:
      ValueError: a folder is not VOC, or images cannot be converted; names
        every fault.
    """
    ids = label_map.ids_of(pascalvoc.LABELS if labels is None else labels)
    stems = [folders.list_stems(part) for part in parts]
    for part in parts:
        if not part.output_name or set('/\\') & set(part.output_name):
            raise ValueError(f'--output_name is {part.output_name!r}; it is '
                             'the first part of a file name, without folder.')
    os.makedirs(output_dir, exist_ok=True)
    tallies = [manifests.Tally(part.folder, ids) for part in parts]
    with _removing_partials(output_dir, parts):
        for part, part_stems, tally in zip(parts, stems, tallies,
                                           strict=True):
            if progress is not None:
                part_stems = progress(part_stems, part.output_name)
            _write_shards(part, part_stems, output_dir, tally, skip_invalid)
        for part in parts:
            missing = folders.missing_folder(part.folder)
            if missing is not None:  # Its files are no faults to be skipped.
                raise ValueError(f'{missing} has gone since the conversion '
                                 'began; nothing was written.')
        if not skip_invalid:
            manifests.raise_faults(tallies, is_default=labels is None)
        for part, tally in zip(parts, tallies, strict=True):
            if tally.num_images == 0:
                raise ValueError(f'{part.folder}: no image is left; all of '
                                 'them were skipped. Nothing was written.')
        results = [tally.manifest(_describe_files(tally, output_dir))
                   for tally in tallies]
        for part, manifest in zip(parts, results, strict=True):
            # All that takes room is written before anything is replaced.
            path = _manifest_path(part, output_dir)
            _write_json(manifest, path + _PARTIAL)
            _write_json(_UNFINISHED, path + _MARK + _PARTIAL)
        for part in parts:
            # What is interrupted from here on is refused: an earlier manifest
            # would own new files as well, if they are of the same size.
            path = _manifest_path(part, output_dir)
            os.replace(path + _MARK + _PARTIAL, path)
        for part, manifest in zip(parts, results, strict=True):
            _publish(manifest, part, output_dir)
    return results


def _write_shards(part, stems, output_dir, tally, skip_invalid):
    """Writes the valid samples as partial files; counts in `tally`."""
    folder = folders.VocFolder(os.path.normpath(part.folder))
    with (contextlib.ExitStack() as stack,
          image_files.ImageReader() as image_reader):
        readings = _map_in_order(
            lambda batch: samples.read_samples(
                folder, batch, tally.ids, image_reader), _batches(stems))
        writer = None
        for reading in itertools.chain.from_iterable(readings):
            tally.add(reading)
            # After a fault the rest is read for its faults alone.
            if reading.sample is None or (tally.faults and not skip_invalid):
                continue
            if tally.is_new_shard(SAMPLES_PER_FILE):
                stack.close()
                name = records.shard_name(part.output_name,
                                               len(tally.shards))
                tally.shards.append([name, 0])
                writer = stack.enter_context(tfrecords.open_writer(
                    os.path.join(output_dir, name + _PARTIAL)))
            writer.write(tfrecords.encode_example(reading.sample))
            tally.shards[-1][1] += 1


def _batches(stems):
    """Yields lists of as many stems as images are checked at once."""
    stems = iter(stems)
    while batch := list(itertools.islice(stems, image_files.BATCH)):
        yield batch


def _map_in_order(function, items):
    """Yields function(item) of each, computed by threads a little ahead."""
    items = iter(items)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pending = collections.deque(
            pool.submit(function, item)
            for item in itertools.islice(items, _READ_AHEAD))
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(function, item)
                           for item in itertools.islice(items, 1))
            yield result


def _describe_files(tally, output_dir):
    return [manifests.describe_file(
        os.path.join(output_dir, name + _PARTIAL), name, num_records)
        for name, num_records in tally.shards]


def _manifest_path(part, output_dir):
    return records.manifest_path(output_dir, part.output_name)


def _write_json(content, path):
    try:
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(content, file, indent=1)
    except OSError as error:  # That of a full disk does not name the file.
        raise OSError(error.errno, error.strerror, path) from None


def _publish(manifest, part, output_dir):
    """Gives the partial files their names; removes those of earlier runs."""
    names = [file['name'] for file in manifest['files']]
    stale = {os.path.basename(path) for path
             in records.shards(output_dir).get(part.output_name, ())}
    for name in names:
        path = os.path.join(output_dir, name)
        os.replace(path + _PARTIAL, path)
    for name in stale.difference(names):
        os.remove(os.path.join(output_dir, name))
    path = _manifest_path(part, output_dir)
    os.replace(path + _PARTIAL, path)


@contextlib.contextmanager
def _removing_partials(output_dir, parts):
    """Removes on leaving what was not published, of earlier runs as well."""
    names = '|'.join(re.escape(part.output_name) for part in parts)
    pattern = (rf'({names})(_[0-9]+\.tfrecord|\.json({re.escape(_MARK)})?)'
               + re.escape(_PARTIAL))
    try:
        yield
    finally:
        for file_name in os.listdir(output_dir):
            if re.fullmatch(pattern, file_name):
                os.remove(os.path.join(output_dir, file_name))
