"""Files of images, read ahead by several threads."""
import os
from collections import abc

from common import threads
from datasets import image_pixels
from engine.detecting import animations
from engine.detecting import detections
from engine.detecting import image_lists

NUM_THREADS = min(8, os.cpu_count() or 1)


class Images:
    """Files of images; those of several frames or pages give each of them.

    Attributes:
      files: their paths.
      names: of their pictures, with '/' for folders.
      num: how many files.
      left_out: {reason: names} of the files that were found and not used.
    """
    is_live = is_video = False

    def __init__(self, listing: image_lists.Listing):
        self.files, self.names = listing.paths, listing.names
        self.left_out = listing.left_out
        self.num = len(self.files)

    def samples(self) -> abc.Iterator[detections.Sample]:
        """Yields a Sample of each file or of each of its frames."""
        for samples in threads.map_ahead(
                lambda entry: _samples_of(*entry),
                zip(self.files, self.names, strict=True), NUM_THREADS,
                2 * NUM_THREADS):
            yield from samples

    def account(self) -> dict:
        """Returns what detections.json says of it."""
        return {'files_found': self.num + sum(map(len, self.left_out.values())),
                'left_out': self.left_out}


def _samples_of(path, name):
    """Returns the Samples of a file; those of frames are made one by one."""
    sample = detections.Sample(path, name)
    try:
        with open(path, 'rb') as file:
            content = file.read()
        pixels = image_pixels.decode(content)
    except (ValueError, OSError) as error:
        folder = os.path.dirname(path) or '.'
        if not os.path.isdir(folder):
            raise ValueError(
                f'{folder} has gone since the images in it were listed.'
            ) from None
        fault = str(error) if isinstance(error, OSError) else (
            f'{path}: {error}.')
        return [sample._replace(fault=fault)]
    image = animations.open_frames(content)
    if image is None:
        return [sample._replace(pixels=pixels)]
    return _samples_of_frames(sample, pixels, animations.frames(image))


def _samples_of_frames(sample, pixels, rest):
    frame = 0
    try:
        while pixels is not None:
            yield sample._replace(frame=frame, pixels=pixels)
            frame += 1
            pixels = next(rest, None)
    except ValueError as error:
        yield sample._replace(frame=frame, fault=(
            f'{sample.file}: frame {frame} cannot be read: {error}.'))
