"""What was found, as numbers: detections.json, and COCO's results."""
import contextlib
import itertools
import json
import os
from collections import abc

import numpy as np

from common import files
from detection import average_precision
from detection import coco_rows
from engine.detecting import detections
from engine.detecting import sources

JSON_NAME, COCO_NAME = 'detections.json', 'coco_detections.json'
# A stream may have faults for days; so many are named.
MAX_FAULTS = 10_000


class JsonFile:
    """Writes detections.json as they come: any number fits in memory.

    The file, UTF-8, is an object. `images` has for each image its file, frame
    (of a video or animation, from 0), seconds (of a video), size, boxes
    ([ymin, xmin, ymax, xmax] in pixels), scores, names and, of objects that
    are followed, ids. Then come `counts` of these, by class; `unreadable` has
    a line for each that could not be read. Behind it is what the source says
    of itself: files that were left out, frames that were passed over.

    With the images' ids, also coco_detections.json, COCO's results.

    Attributes:
      num_images, num_objects, num_files: written so far; files of images.
      num_faults, num_unread_files: what could not be read so far.
      counts: of the objects that were followed, by class; or None.
    """

    def __init__(self, file, coco_file, image_ids):
        self.num_images = self.num_objects = self.num_files = 0
        self.num_faults = self.num_unread_files = 0
        self._faults, self._last_file, self.counts = [], None, None
        self._file, self._coco_file = file, coco_file
        self._image_ids = image_ids

    @classmethod
    @contextlib.contextmanager
    def opened(cls, output_dir: str, source: sources.Source,
               image_ids: abc.Callable[[detections.Sample], int] | None = None,
               **header) -> abc.Iterator['JsonFile']:
        """The block to write in; header: what else the object says."""
        with contextlib.ExitStack() as stack:
            file, coco_file = (
                stack.enter_context(open(stack.enter_context(files.whole(
                    os.path.join(output_dir, name))), 'w', encoding='utf-8'))
                if name == JSON_NAME or image_ids is not None else None
                for name in (JSON_NAME, COCO_NAME))
            report = cls(file, coco_file, image_ids)
            file.write(f'{_dumps(header)[:-1]},\n"images": [')
            if coco_file is not None:
                coco_file.write('[')
            yield report
            more = report.num_faults - len(report._faults)
            footer = {} if report.counts is None else {
                'counts': report.counts}
            footer |= {'unreadable': report._faults + [
                f'and {more} more'] * bool(more), **source.account()}
            file.write(f'\n],\n{_dumps(footer)[1:]}\n')
            if coco_file is not None:
                coco_file.write('\n]\n')

    def add(self, sample: detections.Sample):
        """Writes what was found in an image, one line; or keeps its fault."""
        if sample.fault is not None:
            self.num_faults += 1
            self.num_unread_files += sample.frame is None
            if len(self._faults) < MAX_FAULTS:
                self._faults.append(sample.fault)
            return
        found, record = sample.found, {'file': sample.file}
        if sample.frame is not None:
            record['frame'] = sample.frame
        if sample.seconds is not None:
            record['seconds'] = round(sample.seconds, 3)
        if self._image_ids is not None:
            record['image_id'] = self._image_ids(sample)
            self._add_to_coco(record['image_id'], found)
        record |= {
            'size': dict(zip(('height', 'width'), found.size)),
            'boxes': np.round(found.bboxes.astype(float), 2).tolist(),
            'scores': np.round(found.scores.astype(float), 4).tolist(),
            'names': found.names}
        if sample.tracks is not None:
            record['ids'] = sample.tracks.ids
            self.counts = sample.tracks.counts
        self._file.write(',' * bool(self.num_images) + f'\n{_dumps(record)}')
        self.num_images += 1
        self.num_objects += len(found.names)
        self.num_files += sample.file != self._last_file
        self._last_file = sample.file

    def _add_to_coco(self, image_id, found):
        rows = coco_rows.result_rows(average_precision.Detections(
            np.full(len(found.names), image_id), found.class_ids,
            found.scores, found.bboxes))
        for number, row in enumerate(rows, self.num_objects):
            self._coco_file.write(',' * bool(number) + f'\n{_dumps(row)}')


def image_ids(source: sources.Source) -> abc.Callable[[detections.Sample], int]:
    """Returns what gives each sample an id, as COCO has them.

    That is the number that its file is called by, as COCO's are; unless all
    have different ones, it is 1, 2, ... in their order. The frames of an
    animation, but for the first, have the numbers after all these.
    """
    if source.is_video:
        return lambda sample: sample.frame + 1
    stems = [os.path.splitext(os.path.basename(name))[0]
             for name in source.names]
    ids = ([int(stem) for stem in stems] if all(map(str.isdecimal, stems))
           else [])
    if len(set(ids)) < len(stems):
        ids = range(1, len(stems) + 1)
    by_name = dict(zip(source.names, ids))
    more = itertools.count(max(ids) + 1)
    return lambda sample: (next(more) if sample.frame else
                           by_name[sample.name])


def _dumps(value):
    return json.dumps(value, ensure_ascii=False)
