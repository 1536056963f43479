"""Where pictures go: a file of each image, or a video.

A sink is made after a look at what it would overwrite; `opened` is the block
in which it is written to: each picture is encoded, by any thread, and then
written, in order. Files appear whole, a video at the end of the block.
"""
import contextlib
import glob
import os

import cv2
import numpy as np

from common import files
from engine.detecting import detections
from engine.detecting import images
from engine.detecting import json_files
from engine.detecting import sources
from engine.detecting import video_files

# Colors at full resolution: lines are thin.
_JPEG_OPTIONS = (
    cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
_JPEG_EXTENSIONS = ('.jpg', '.jpeg', '.jpe')
# Others become PNGs: they have few colors, or few sizes, or no writer.
_KEPT_EXTENSIONS = (*_JPEG_EXTENSIONS, '.avif', '.bmp', '.png', '.pnm', '.ppm',
                    '.tif', '.tiff', '.webp')


def make(source: sources.Source, output_dir: str,
         output_name: str | None = None,
         ) -> 'PictureFiles | video_files.VideoFile':
    """Returns the sink for what a source gives; the flags: see options.Run.

    Its `paths` are those of the files, `made` is what they are, in words,
    `notes` are sentences on what they lack, in the end.

    Raises:
      ValueError: an input or what is no result would be overwritten,
        output_dir is a file, or output_name does not fit the source.
    """
    if output_name is not None and (
            not output_name or os.path.basename(output_name) != output_name):
        raise ValueError(f'--output_name={output_name}: give the name of a '
                         'file; --output_dir is for the folder.')
    if os.path.exists(output_dir) and not os.path.isdir(output_dir):
        raise ValueError(f'--output_dir={output_dir}: it is a file; give a '
                         'folder.')
    # A run that was killed has left a part of it.
    is_of_results = bool(glob.glob('detections.*json', root_dir=output_dir))
    sink = (video_files.VideoFile if source.is_video else PictureFiles)(
        source, output_dir, output_name)
    inputs = {os.path.realpath(path) for path in source.files}
    for path in sink.paths:
        if os.path.realpath(path) in inputs:
            raise ValueError(
                f'--output_dir={output_dir}: {path} would be overwritten, '
                'which is an input; give another folder.')
        # Such as clip.mp4, where clip.mov is the input.
        if not is_of_results and os.path.exists(path):
            raise ValueError(
                f'--output_dir={output_dir}: {path} is there already, and no '
                f'{json_files.JSON_NAME} of a detection beside it; give '
                'another folder.')
    return sink


class PictureFiles:
    """An annotated picture of each image.

    A picture is upright, as the bboxes are; it has no EXIF that turns it again.
    The frames of an animation are numbered PNGs.
    """
    opened = contextlib.nullcontext

    def __init__(self, source: images.Images, output_dir: str,
                 output_name: str | None):
        if output_name is not None and source.num > 1:
            raise ValueError(
                f'--output_name={output_name}: --input has {source.num} '
                'images; the name is for the picture of one.')
        self._pictures, pictures = {}, {}  # {name of an image: path}
        self._frames = {
            name: os.path.join(output_dir, output_name or name)
            for name in source.names}  # But for numbers behind them.
        for name, path in self._frames.items():
            if not path.lower().endswith(_KEPT_EXTENSIONS) or (
                    not cv2.haveImageWriter(path)):
                path += '.png'
            self._pictures[name] = path
            if pictures.setdefault(path, name) != name:
                raise ValueError(
                    f'{pictures[path]} and {name} would have the same picture, '
                    f'{path}; rename one of them.')
        self.paths = list(self._pictures.values())
        self.made = (os.path.basename(self.paths[0]) if output_name
                     else 'pictures')
        self.notes = []

    def encode(self, sample: detections.Sample, picture: np.ndarray) -> bytes:
        """Returns a picture, uint8 [height, width, 3], RGB, as its file."""
        return _encode(picture, os.path.splitext(self._path(sample))[1].lower())

    def write(self, sample: detections.Sample, picture: np.ndarray,
              content: bytes):
        """Writes what was encoded."""
        files.write_whole(self._path(sample), [content])

    def _path(self, sample):
        return self._pictures[sample.name] if sample.frame is None else (
            f'{self._frames[sample.name]}_{sample.frame:04d}.png')


class CropFiles:
    """A picture of each object, without a frame around: <class>/<image>_<n>."""

    def __init__(self, output_dir: str):
        self._folder = os.path.join(output_dir, 'crops')

    def add(self, sample: detections.Sample):
        """Writes those of an image or frame."""
        height, width = sample.found.size
        base = sample.name if sample.frame is None else (
            f'{sample.name}_{sample.frame:06d}')
        for number, (bbox, name) in enumerate(
                zip(sample.found.bboxes, sample.found.names), 1):
            # Whole pixels that it touches, at least one.
            top, left = np.floor(bbox[:2]).clip(0, (height - 1, width - 1))
            bottom, right = np.ceil(bbox[2:]).clip(
                (top + 1, left + 1), (height, width))
            crop = sample.pixels[int(top):int(bottom), int(left):int(right)]
            folder = files.file_name(name)
            if not folder.strip('.'):  # It would be another folder.
                folder = folder.replace('.', '%2E')
            files.write_whole(
                os.path.join(self._folder, folder, *(
                    f'{base}_{number}.jpg'.split('/'))),
                [_encode(crop, '.jpg')])


def _encode(picture, ending):
    """Returns a picture, uint8 [height, width, 3], RGB, as a file."""
    is_encoded, content = cv2.imencode(
        ending, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
        _JPEG_OPTIONS if ending in _JPEG_EXTENSIONS else ())
    if not is_encoded:
        height, width = picture.shape[:2]
        raise ValueError(f'OpenCV cannot write a {ending} of {width} x '
                         f'{height} pixels.')
    return content.tobytes()
