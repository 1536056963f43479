"""Detections as numbers: detections.json, and VOC annotations."""
import contextlib
import json
import os

import numpy as np

from common import files
from datasets.voc import annotations

FILE_NAME = 'detections.json'


class JsonFile:
    """Writes detections.json as they come: any number fits in memory.

    The file, UTF-8, is an object. `images` has for each image its file, frame
    (of a video, from 0), size, boxes ([ymin, xmin, ymax, xmax] in pixels),
    scores and names; `unreadable` has a line for each that could not be read.
    It has its name only once it is whole; use as a context manager.
    """

    def __init__(self, output_dir, **header):
        """Begins the file.

        Args:
          output_dir: folder.
          **header: what else the object says, values as in JSON.
        """
        self.path = os.path.join(output_dir, FILE_NAME)
        self.num_images = 0
        self.num_objects = 0
        self.faults = []
        self._file = open(f'{self.path}.part', 'w', encoding='utf-8')
        self._file.write(f'{_dumps(header)[:-1]},\n"images": [')

    def __enter__(self):
        return self

    def __exit__(self, exception_type, *exception):
        try:
            if exception_type is None and self.num_images:
                with files.naming(self.path), self._file:
                    self._file.write(
                        f'\n],\n"unreadable": {_dumps(self.faults)}}}\n')
                os.replace(self._file.name, self.path)
        finally:
            with contextlib.suppress(OSError):  # The disk may be full.
                self._file.close()
            if os.path.exists(self._file.name):
                os.remove(self._file.name)

    def add(self, sample, found):
        """Writes the Detected of a media.Sample, one line."""
        record = {'file': sample.file}
        if sample.frame is not None:
            record['frame'] = sample.frame
        height, width = found.size
        record |= {
            'size': {'height': height, 'width': width},
            'boxes': np.round(found.bboxes.astype(float), 2).tolist(),
            'scores': np.round(found.scores.astype(float), 4).tolist(),
            'names': found.names}
        comma = ',' if self.num_images else ''
        with files.naming(self.path):
            self._file.write(f'{comma}\n{_dumps(record)}')
        self.num_images += 1
        self.num_objects += len(found.names)

    def add_fault(self, fault):
        """Notes what could not be read, in one line."""
        self.faults.append(fault)


def to_annotation(file_name, found):
    """Returns a Detected as voc_xml.Annotation, in whole pixels.

    Args:
      file_name: of the image.
      found: detector.Detected.
    """
    height, width = found.size
    objects = []
    for name, bbox in zip(found.names, np.round(found.bboxes), strict=True):
        ymin, xmin, ymax, xmax = bbox.tolist()
        # A bbox without area would be refused where it is trained on.
        ymin, xmin = min(ymin, height - 1), min(xmin, width - 1)
        ymax, xmax = max(ymax, ymin + 1), max(xmax, xmin + 1)
        objects.append(annotations.Object(
            name, (xmin, ymin, xmax, ymax), difficult=0, truncated=0))
    return annotations.Annotation(file_name, height, width, tuple(objects))


def _dumps(value):
    return json.dumps(value, ensure_ascii=False)
