"""Where pictures go: a file of each image, or a video.

A sink is made after a look at what it would overwrite; `opened` is the block
in which it is written to: each picture is encoded, by any thread, and then
written, in order. Files appear whole, a video at the end of the block.
"""
import contextlib
import os

import cv2
import numpy as np

from common import files
from datasets import samples
from datasets.voc import annotations
from engine.detecting import detections
from engine.detecting import images
from engine.detecting import sources
from engine.detecting import video_files

# Colors at full resolution: lines are thin.
_JPEG_OPTIONS = (
    cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
_JPEG_EXTENSIONS = ('.jpg', '.jpeg', '.jpe')


def make(source: sources.Source, output_dir: str,
         output_name: str | None = None, save_xml: bool = False,
         ) -> 'PictureFiles | video_files.VideoFile':
    """Returns the sink for what a source gives; the flags: see options.Run.

    Its `paths` are those of the files, `made` is what they are, in words,
    `notes` are sentences on what they lack, in the end.

    Raises:
      ValueError: an input or a corrected annotation would be overwritten, or
        output_name and save_xml do not fit the source.
    """
    if output_name is not None and (
            not output_name or os.path.basename(output_name) != output_name):
        raise ValueError(f'--output_name={output_name}: give the name of a '
                         'file; --output_dir is for the folder.')
    if source.is_video:
        if save_xml:
            raise ValueError(f'--save_xml: {source.files[0]} is a video, whose '
                             'frames are not files; leave the flag out.')
        sink = video_files.VideoFile(source, output_dir, output_name)
    else:
        sink = PictureFiles(source, output_dir, output_name, save_xml)
    inputs = {os.path.realpath(path) for path in source.files}
    for path in sink.paths:
        if os.path.realpath(path) in inputs:
            raise ValueError(
                f'--output_dir={output_dir}: {path} would be overwritten, '
                'which is an input; give another folder.')
    return sink


class PictureFiles:
    """An annotated picture of each image, and its VOC XML if wanted.

    A picture is upright, as the bboxes and the annotation are; it has no EXIF
    that turns it again. The frames of an animation are numbered PNGs.
    """
    opened = contextlib.nullcontext

    def __init__(self, source: images.Images, output_dir: str,
                 output_name: str | None, save_xml: bool):
        if output_name is not None and source.num > 1:
            raise ValueError(
                f'--output_name={output_name}: --input has {source.num} '
                'images; the name is for the picture of one.')
        # Name of an image -> path of its picture, of its annotation.
        self._pictures, self._annotations = {}, {}
        pictures, taken = {}, {}
        for name in source.names:
            path = os.path.join(output_dir, output_name or name)
            path = path if cv2.haveImageWriter(path) else path + '.png'
            self._pictures[name] = path
            if pictures.setdefault(path, name) != name:
                raise ValueError(
                    f'{pictures[path]} and {name} would have the same picture, '
                    f'{path}; rename one of them.')
            if save_xml:
                # Flat, as VOC and the conversion have them.
                stem = os.path.splitext(name)[0].replace('/', '_')
                path = os.path.join(output_dir, 'Annotations', f'{stem}.xml')
                self._annotations[name] = path
                if taken.setdefault(path, name) is not name:
                    raise ValueError(
                        f'--save_xml: {taken[path]} and {name} would have the '
                        f'same annotation, {path}; rename one of them.')
                if os.path.exists(path):
                    raise ValueError(
                        f'--save_xml: {path} is there already and may have '
                        'been corrected by hand; give another --output_dir.')
        self.paths = list(self._pictures.values())
        self.made = (os.path.basename(self.paths[0]) if output_name
                     else 'pictures') + ', Annotations' * save_xml
        self.notes = []

    def encode(self, sample: detections.Sample, picture: np.ndarray) -> bytes:
        """Returns a picture, uint8 [height, width, 3], RGB, as its file."""
        ending = os.path.splitext(self._path(sample))[1].lower()
        return cv2.imencode(
            ending, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
            _JPEG_OPTIONS if ending in _JPEG_EXTENSIONS else ()
        )[1].tobytes()

    def write(self, sample: detections.Sample, picture: np.ndarray,
              content: bytes):
        """Writes what was encoded."""
        files.write_whole(self._path(sample), [content])
        if not self._annotations:
            return
        if sample.frame is None:
            files.write_whole(
                self._annotations[sample.name],
                [annotations.format_annotation(to_annotation(sample))])
        elif sample.frame == 0:
            self.notes.append(f'--save_xml: {sample.file} is animated, its '
                              'frames are not files: no annotations.')

    def _path(self, sample):
        path = self._pictures[sample.name]
        return path if sample.frame is None else (
            f'{path}_{sample.frame:04d}.png')


def to_annotation(sample: detections.Sample) -> annotations.Annotation:
    """Returns what was found in an image file, in whole pixels."""
    found = sample.found
    bboxes = np.round(found.bboxes)
    # A bbox without area would be refused where it is trained on.
    low = np.minimum(bboxes[:, :2], np.array(found.size) - 1)
    high = np.maximum(bboxes[:, 2:], low + 1)
    return annotations.Annotation(sample.name, *found.size, tuple(
        samples.Object(name, (xmin, ymin, xmax, ymax), 0, 0)
        for name, (ymin, xmin), (ymax, xmax) in zip(
            found.names, low.tolist(), high.tolist())))
