"""Shapes and textures for synthetic_shapes, drawn with OpenCV.

A class is told by its outline alone: colours and textures are drawn at
random. Images are float32 [height, width, 3], 0..255.
"""
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

CLASSES = ('circle', 'square', 'triangle', 'star', 'cross')

# Of the image's shorter side: what an SSD300 learns in a few minutes.
MIN_SIDE, MAX_SIDE = 0.14, 0.5
# A square turned by 45 degrees would be a diamond, a cross an x.
MAX_ANGLE = np.pi / 9
# cv2 draws at fractions of a pixel: coordinates are times 2 ** _SHIFT.
_SHIFT = 4


class Shape(NamedTuple):
    """outline: float [n, 2], x and y in pixels; mask: bool [height, width]."""
    name: str
    outline: np.ndarray
    mask: np.ndarray


def texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Returns float32 [height, width, 3]: blurred noise around a colour."""
    cells = rng.integers(2, 24, 2)
    coarse = rng.normal(0, rng.uniform(5, 30), (*cells, 3))
    noise = cv2.resize(coarse.astype(np.float32), (int(width), int(height)),
                       interpolation=cv2.INTER_CUBIC)
    colour = rng.uniform(20, 235, 3).astype(np.float32)
    return np.clip(noise + colour, 0, 255)


def draw_shape(image: np.ndarray, rng: np.random.Generator,
               name: str) -> Shape:
    """Returns a Shape at a random place, at most a tenth of it outside."""
    height, width = image.shape[:2]
    side = rng.uniform(MIN_SIDE, MAX_SIDE) * min(height, width)
    angle = rng.uniform(-MAX_ANGLE, MAX_ANGLE)
    rotation = np.array([[np.cos(angle), -np.sin(angle)],
                         [np.sin(angle), np.cos(angle)]])
    outline = _unit_outline(name) * rng.uniform(0.85, 1.15, 2) @ rotation
    outline *= side / np.ptp(outline, axis=0).max()
    margin = 0.4 * np.ptp(outline, axis=0)
    centre = rng.uniform(margin, np.array([width, height]) - margin)
    outline += centre - (outline.max(0) + outline.min(0)) / 2
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [_fixed_point(outline)], 1, shift=_SHIFT)
    return Shape(name, outline, mask.astype(bool))


def _unit_outline(name):
    """Returns the corners of a shape around the origin, float [n, 2]."""
    if name == 'square':
        return np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.]])
    if name == 'cross':
        a = 0.33
        return np.array([[-a, -1], [a, -1], [a, -a], [1, -a], [1, a], [a, a],
                         [a, 1], [-a, 1], [-a, a], [-1, a], [-1, -a],
                         [-a, -a]])
    num_corners = {'circle': 72, 'triangle': 3, 'star': 10}[name]
    angles = 2 * np.pi * np.arange(num_corners) / num_corners - np.pi / 2
    radii = np.ones(num_corners)
    if name == 'star':
        radii[1::2] = 0.42
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def paint(image: np.ndarray, shape: Shape, rng: np.random.Generator):
    """Paints the shape on the image, its edge antialiased."""
    height, width = image.shape[:2]
    # One pixel around for the edge.
    xmin, ymin = np.maximum(np.floor(shape.outline.min(0)) - 1, 0).astype(int)
    xmax, ymax = np.ceil(shape.outline.max(0)).astype(int) + 2
    window = slice(ymin, min(ymax, height)), slice(xmin, min(xmax, width))
    behind = image[window]
    fill = texture(rng, *behind.shape[:2])
    mask = shape.mask[window].view(np.uint8)
    colour_behind = np.array(cv2.mean(behind, mask)[:3], np.float32)
    contrast = np.abs(cv2.mean(fill, mask)[:3] - colour_behind)
    # Unlike what is behind it, or no one could see it.
    if contrast.max() < 70:
        fill = np.clip(fill + np.where(colour_behind < 128, 90, -90).astype(
            np.float32), 0, 255)
    alpha = np.zeros(behind.shape[:2], np.uint8)
    cv2.fillPoly(alpha, [_fixed_point(shape.outline - (xmin, ymin))], 255,
                 cv2.LINE_AA, _SHIFT)
    behind += (fill - behind) * (alpha[..., None] / np.float32(255))


def _fixed_point(outline):
    # For cv2 the middle of the first pixel is 0, for a bbox it is 0.5.
    return np.round((outline - 0.5) * 2 ** _SHIFT).astype(np.int32)


def visibilities(shapes: Sequence[Shape]) -> list[float]:
    """Returns the visible fraction of each shape; later ones cover earlier.

    What is outside of the image is not counted: it has no mask.
    """
    covered, fractions = False, []
    for shape in reversed(shapes):
        visible = np.count_nonzero(shape.mask & ~np.asarray(covered))
        fractions.append(visible / max(np.count_nonzero(shape.mask), 1))
        covered = covered | shape.mask
    return fractions[::-1]
