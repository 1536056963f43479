"""Bboxes with names and scores, drawn on pictures of any size.

The detector's pictures, the notebooks' and TensorBoard's. A picture is uint8
[height, width, 3], RGB; a bbox is [ymin, xmin, ymax, xmax] in its pixels.
Lines and letters grow with the picture. A line has a black or white rim and
a label a ground of its own, so that both are seen on anything.
"""
import colorsys
import functools
import math
import os
from collections import abc

import cv2
import matplotlib
import numpy as np
from matplotlib import ft2font

# Letters are not made smaller than can be read, in pixels.
MIN_FONT_SIZE = 7
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
# Steps of a golden section never come close to a hue they had before; with
# these, the first 20 colors differ by 30 and more in CIELAB.
_HUE_STEP = (math.sqrt(5) - 1) / 2
_SATURATIONS_AND_VALUES = ((.45, 1.), (.8, .7), (.8, 1.))


def class_color(class_id: int) -> tuple[int, int, int]:
    """Returns the color of a class, the same always: R, G, B of 0..255."""
    saturation, value = _SATURATIONS_AND_VALUES[
        class_id % len(_SATURATIONS_AND_VALUES)]
    rgb = colorsys.hsv_to_rgb(class_id * _HUE_STEP % 1, saturation, value)
    return tuple(round(255 * channel) for channel in rgb)


def line_width(picture: np.ndarray) -> int:
    """Returns the width of a bbox's line, in pixels, for a picture's size."""
    return round(1 + .003 * _mean_side(picture))


def font_size(picture: np.ndarray) -> int:
    """Returns the size of letters, in pixels, for a picture's size."""
    return max(MIN_FONT_SIZE, round(4 + .022 * _mean_side(picture)))


def draw_bboxes(picture: np.ndarray, bboxes: np.ndarray,
                class_ids: abc.Sequence[int],
                names: abc.Sequence[str] | None = None,
                scores: abc.Sequence[float] | None = None) -> np.ndarray:
    """Returns a copy of a picture with bboxes drawn on it.

    The last are drawn first: detections come by descending score.

    Args:
      picture: uint8 [height, width, 3], RGB.
      bboxes: float [n, 4], ymin, xmin, ymax, xmax, in pixels.
      class_ids: int [n]; they choose the colors.
      names: n strings for the labels, or None for no label.
      scores: float [n], written behind the names; or None.

    Returns:
      uint8 [height, width, 3].
    """
    picture = np.ascontiguousarray(picture).copy()
    width, size = line_width(picture), font_size(picture)
    # Far outside of the picture cv2's whole numbers would overflow.
    limits = np.array([*picture.shape[:2]] * 2)
    corners = np.clip(
        np.round(np.reshape(bboxes, (-1, 4))), 0, limits - 1).astype(int)
    colors = [class_color(int(class_id)) for class_id in class_ids]
    for bbox, color in reversed(list(zip(corners, colors, strict=True))):
        _draw_rectangle(picture, bbox, color, width)
    labels, places = [], []
    for index in range(len(corners) if names is not None else 0):
        texts = [names[index]]
        if scores is not None:
            texts.insert(0, f'{names[index]} {scores[index]:.2f}')
        label = _fitting_label(texts, size, picture.shape)
        if label is not None:
            places.append(_find_place(
                corners[index], label.shape, picture.shape, places))
            labels.append((label, colors[index]))
    for (label, color), place in reversed(
            list(zip(labels, places, strict=True))):
        _paste(picture, label, place[:2], color)
    return picture


def draw_text(picture: np.ndarray, text: str):
    """Writes a line into the upper left corner of a picture, in place."""
    label = _fitting_label([text], font_size(picture), picture.shape)
    if label is not None:
        _paste(picture, label, (0, 0), BLACK)


def _mean_side(picture):
    return (picture.shape[0] + picture.shape[1]) / 2


def _draw_rectangle(picture, bbox, color, width):
    ymin, xmin, ymax, xmax = bbox.tolist()
    rim = max(1, width // 3)
    # On a small bbox the rim would leave nothing to be seen.
    if min(ymax - ymin, xmax - xmin) > 4 * (width + rim):
        cv2.rectangle(picture, (xmin, ymin), (xmax, ymax),
                      _contrasting(color), width + 2 * rim)
    cv2.rectangle(picture, (xmin, ymin), (xmax, ymax), color, width)


def _fitting_label(texts, size, shape):
    """Returns the first text's mask that fits a picture, or None.

    If none does, the last text is cut off until it does.
    """
    height, width = shape[:2]
    last = texts[-1]
    shortened = [last[:end] + '…' for end in range(len(last) - 1, 0, -1)]
    # Whole, if need be in smaller letters; only then less of it.
    for text in [*texts, *shortened]:
        for font in (size, max(MIN_FONT_SIZE, size * 2 // 3), MIN_FONT_SIZE):
            label = _text_mask(text, font)
            if label.shape[0] <= height and label.shape[1] <= width:
                return label
    return None


@functools.lru_cache(maxsize=4096)
def _text_mask(text, size):
    """Returns how much of each pixel letters cover: uint8 [h, w].

    Not cv2.putText, which knows only ASCII.
    """
    font = ft2font.FT2Font(os.path.join(
        matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf'))
    font.set_size(size, 72)  # At 72 dots per inch, a point is a pixel.
    font.set_text(text, 0.)
    font.draw_glyphs_to_bitmap(antialiased=True)
    glyphs = np.asarray(font.get_image())
    ascent = round(size * font.ascender / font.units_per_EM)
    descent = round(-size * font.descender / font.units_per_EM)
    margin = max(1, size // 5)
    top = max(0, ascent - glyphs.shape[0] + round(font.get_descent() / 64))
    mask = np.zeros((max(ascent + descent, top + glyphs.shape[0]),
                     glyphs.shape[1] + 2 * margin), np.uint8)
    mask[top:top + glyphs.shape[0],
         margin:margin + glyphs.shape[1]] = glyphs
    mask.flags.writeable = False  # The cache hands it to all.
    return mask


def _find_place(bbox, label_shape, shape, taken):
    """Returns ymin, xmin, ymax, xmax of a label, whole in the picture.

    Above its bbox, else inside at the top, below, inside at the bottom:
    where it covers no label so far, else where it covers least.
    """
    ymin, xmin, ymax, xmax = bbox
    height, width = label_shape
    corners = np.array([
        (top, left) for left in (xmin, xmax - width)
        for top in (ymin - height, ymin, ymax, ymax - height)])
    corners = np.clip(corners, 0, np.subtract(shape[:2], label_shape))
    places = np.concatenate([corners, corners + label_shape], 1)
    if not taken:
        return places[0]
    low = np.maximum(places[:, None, :2], np.array(taken)[:, :2])
    high = np.minimum(places[:, None, 2:], np.array(taken)[:, 2:])
    covered = np.maximum(high - low, 0).prod(2).sum(1)
    return places[covered.argmin()]


def _paste(picture, mask, corner, color):
    """Writes letters on a ground of a color, in place, black or white."""
    top, left = corner
    picture[top:top + mask.shape[0],
            left:left + mask.shape[1]] = _palette(color)[mask]


@functools.lru_cache
def _palette(color):
    """Returns uint8 [256, 3], from a color to what can be read on it."""
    return np.round(np.linspace(
        color, _contrasting(color), 256)).astype(np.uint8)


def _contrasting(color):
    """Returns black for a bright color and white for a dark one."""
    # ITU-R BT.601's brightness.
    return BLACK if np.dot(color, (.299, .587, .114)) > 128 else WHITE
