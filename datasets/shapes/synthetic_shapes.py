"""Writes a small VOC-format dataset of drawn shapes.

The demo's and the tests' data. A class is told by its outline alone: colours
and textures are drawn at random. The same seed gives the same bytes.

    python -m datasets.shapes.synthetic_shapes --output_dir=demo/shapes
"""
import argparse
import concurrent.futures
import os
from collections.abc import Sequence

import cv2
import numpy as np

from common import commands
from common import files
from datasets.shapes import drawing

MAX_NUM_OBJECTS = 6
EMPTY_FRACTION = 0.03
# An object is difficult if less of it is visible, left out below the other.
DIFFICULT_VISIBILITY, MIN_VISIBILITY = 0.5, 0.15


def write(root: str, num_train: int, num_test: int, seed: int = 0,
          classes: Sequence[str] = drawing.CLASSES, size: int = 300):
    """Writes a VOC-format folder of drawn shapes, and labels.txt.

    Args:
      root: folder, made if missing.
      num_train: number of images in the list trainval.
      num_test: number of images in the list test.
      seed: of everything that is drawn.
      classes: some of drawing.CLASSES.
      size: typical side of an image, in pixels; sides vary by a sixth.

    Raises:
      ValueError: a class is unknown, or a number is not positive.
    """
    unknown = sorted(set(classes) - set(drawing.CLASSES))
    if unknown or not classes:
        raise ValueError(f'Shapes {", ".join(unknown) or "(none)"} are not '
                         f'known; known: {", ".join(drawing.CLASSES)}.')
    if min(num_train, num_test) < 0 or size < 32:
        raise ValueError(f'num_train={num_train} and num_test={num_test} '
                         f'must be at least 0, size={size} at least 32.')
    files.write_whole(os.path.join(root, 'labels.txt'),
                      [f'{name}\n' for name in classes])
    stems = [f'{i:06d}' for i in range(num_train + num_test)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        # One stream an image: it does not depend on the others.
        list(pool.map(lambda i: _write_image(
            root, stems[i], np.random.default_rng([seed, i]), classes, size),
            range(len(stems))))
    for name, members in (('trainval', stems[:num_train]),
                          ('test', stems[num_train:])):
        files.write_whole(
            os.path.join(root, 'ImageSets', 'Main', f'{name}.txt'),
            [f'{stem}\n' for stem in members])


def _write_image(root, stem, rng, classes, size):
    height, width = rng.integers(size - size // 6, size + size // 6, 2)
    image = drawing.texture(rng, height, width)
    shapes = []
    if rng.random() >= EMPTY_FRACTION:
        for _ in range(rng.integers(1, MAX_NUM_OBJECTS + 1)):
            shape = drawing.draw_shape(image, rng, rng.choice(classes))
            # The later one covers the earlier ones.
            candidates = shapes + [shape]
            if min(drawing.visibilities(candidates)) < MIN_VISIBILITY:
                continue
            drawing.paint(image, shape, rng)
            shapes = candidates
    noise = rng.standard_normal(image.shape, np.float32)
    image += noise * np.float32(rng.uniform(2, 10))
    image = np.clip(image, 0, 255).astype(np.uint8)
    encoded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    files.write_whole(os.path.join(root, 'JPEGImages', f'{stem}.jpg'),
                      [encoded.tobytes()])
    files.write_whole(os.path.join(root, 'Annotations', f'{stem}.xml'),
                      [_annotation(stem, height, width, shapes)])


def _annotation(stem, height, width, shapes):
    lines = ['<annotation>', f'<filename>{stem}.jpg</filename>',
             f'<size><width>{width}</width><height>{height}</height>'
             '<depth>3</depth></size>']
    for shape, visibility in zip(shapes, drawing.visibilities(shapes),
                                 strict=True):
        low, high = shape.outline.min(0), shape.outline.max(0)
        truncated = bool((low < 0).any() or (high > (width, height)).any())
        low, high = np.maximum(low, 0), np.minimum(high, (width, height))
        lines.append(
            f'<object><name>{shape.name}</name>'
            f'<truncated>{int(truncated)}</truncated>'
            f'<difficult>{int(visibility < DIFFICULT_VISIBILITY)}</difficult>'
            f'<bndbox><xmin>{low[0]:.1f}</xmin><ymin>{low[1]:.1f}</ymin>'
            f'<xmax>{high[0]:.1f}</xmax><ymax>{high[1]:.1f}</ymax></bndbox>'
            '</object>')
    return '\n'.join([*lines, '</annotation>', ''])


def main():
    """Writes what the command line says."""
    # Not absl's flags: those are for the scripts, above this level.
    parser = argparse.ArgumentParser(
        description='Writes a VOC-format dataset of drawn shapes.')
    parser.add_argument('--output_dir', required=True)
    parser.add_argument('--num_train', type=int, default=2000)
    parser.add_argument('--num_test', type=int, default=200)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--classes', default=','.join(drawing.CLASSES),
                        help='some of %(default)s')
    values = parser.parse_args()
    try:
        write(values.output_dir, values.num_train, values.num_test,
              values.seed, values.classes.split(','))
    except (ValueError, OSError) as error:
        parser.exit(1, f'{parser.prog}: {error}\n')
    print(f'{values.num_train} images for training and {values.num_test} for '
          f'testing are in {values.output_dir}; next: ' + commands.line(
              'python tf_convert_data.py', dataset_dir=values.output_dir,
              image_set='trainval', output_name='shapes_train',
              labels_file=os.path.join(values.output_dir, 'labels.txt'),
              output_dir='tfrecords'))


if __name__ == '__main__':
    main()
