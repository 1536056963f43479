"""Bboxes with names and scores, drawn on pictures of any size.

The detector's pictures, the notebooks' and TensorBoard's. A picture is uint8
[height, width, 3], RGB; a bbox is [ymin, xmin, ymax, xmax] in its pixels.
Lines and letters grow with the picture, but not beyond what suits a small
bbox. A line has a black or white rim and a label a ground of its own, so that
both are seen on anything. `fonts.notes` tells what letters cannot be drawn.
"""
import colorsys
import functools
import math
from collections import abc

import cv2
import numpy as np
from PIL import Image
from PIL import ImageDraw

from common import fonts

# Letters are not made smaller than can be read, in pixels: where there is no
# room at all, and only to suit a small bbox.
MIN_FONT_SIZE, SMALL_FONT_SIZE = 7, 14
# Letters are at most so much of a bbox's mean side, lines at most so much.
_LETTERS_OF_BBOX, _LINE_OF_BBOX = 1 / 2, 1 / 16
# Rows of labels inside of a bbox that are tried where others are taken.
_MAX_ROWS = 8
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
                scores: abc.Sequence[float] | None = None,
                trails: abc.Sequence[np.ndarray] | None = None) -> np.ndarray:
    """Returns a copy of a picture with bboxes drawn on it.

    The last are drawn first, as detections come by descending score; but
    those that are twice as large, or more, before all others.

    Args:
      picture: uint8 [height, width, 3], RGB.
      bboxes: float [n, 4], ymin, xmin, ymax, xmax, in pixels.
      class_ids: int [n]; they choose the colors.
      names: n strings for the labels, or None for no label.
      scores: float [n], written behind the names; or None.
      trails: n lines in the colors of the bboxes, each float [points, 2], y
        and x in pixels; or None.

    Returns:
      uint8 [height, width, 3].
    """
    picture = np.ascontiguousarray(picture).copy()
    corners = _clipped(np.reshape(bboxes, (-1, 2, 2)), picture).reshape(-1, 4)
    sides = (corners[:, 2:] - corners[:, :2]).mean(1)
    widths = np.clip(np.round(_LINE_OF_BBOX * sides), 1, line_width(picture))
    colors = [class_color(int(class_id)) for class_id in class_ids]
    for trail, color in zip(trails or (), colors):
        _draw_line(picture, trail, color)
    order = np.lexsort((-np.arange(len(sides)), -np.floor(
        np.log2(np.maximum(sides, 1))))).tolist()
    for index in order:
        _draw_rectangle(
            picture, corners[index], colors[index], int(widths[index]))
    labels = [] if names is None else _labels(
        picture, corners, sides, names, scores)
    for index in order if labels else ():
        label, place = labels[index]
        if label is not None:
            _paste(picture, label, place[:2], colors[index])
    return picture


def draw_text(picture: np.ndarray, text: str):
    """Writes a line into the upper left corner of a picture, in place."""
    label = _fitting_label([text], font_size(picture), picture.shape)
    if label is not None:
        _paste(picture, label, (0, 0), BLACK)


def _labels(picture, corners, sides, names, scores):
    """Returns each bbox's mask and its place, as _find_place; None for both.

    corners: int [n, 4]; sides: their mean sides, float [n].
    """
    sizes = np.minimum(font_size(picture), np.maximum(
        SMALL_FONT_SIZE, np.round(_LETTERS_OF_BBOX * sides)))
    labels, places = [], []
    for index, name in enumerate(names):
        texts = [name] if scores is None else [
            f'{name} {scores[index]:.2f}', name]
        label, place = _fitting_label(
            texts, int(sizes[index]), picture.shape), None
        if label is not None:
            place = _find_place(
                corners[index], label.shape, picture.shape, places,
                corners[sides < sides[index] / 2])
            places.append(place)
        labels.append((label, place))
    return labels


def _mean_side(picture):
    return (picture.shape[0] + picture.shape[1]) / 2


def _clipped(points, picture):
    """Returns whole pixels, int [..., 2], inside of a picture."""
    # Far outside of it cv2's whole numbers would overflow.
    return np.clip(np.round(points), 0, np.array(
        picture.shape[:2]) - 1).astype(int)


def _draw_line(picture, points, color):
    corners = [_clipped(points, picture)[:, ::-1].astype(np.int32)]
    width = line_width(picture)
    cv2.polylines(picture, corners, False, _contrasting(color), width + 2)
    cv2.polylines(picture, corners, False, color, width)


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
    # Whole, if need be in smaller letters; only then less of it. The smallest
    # are for pictures that are not as high as the others.
    for sizes in ((size, max(MIN_FONT_SIZE, size * 2 // 3)), (MIN_FONT_SIZE,)):
        for text in [*texts, *shortened]:
            for font in sizes:
                label = _text_mask(text, font)
                if label.shape[0] <= height and label.shape[1] <= width:
                    return label
    return None


@functools.lru_cache(maxsize=4096)
def _text_mask(text, size):
    """Returns how much of each pixel letters cover: uint8 [h, w].

    Not cv2.putText, which knows only ASCII.
    """
    # Each part with what it covers around its place on the line.
    parts = [(part, font, font.getbbox(part, anchor='ls'))
             for part, path in fonts.runs(text)
             for font in [fonts.load(path, size)]]
    # Other scripts' letters are higher; only then is their label.
    ascent, descent = fonts.load(fonts.DEFAULT, size).getmetrics()
    ascent = math.ceil(max([ascent, *(-box[1] for _, _, box in parts)]))
    descent = math.ceil(max([descent, *(box[3] for _, _, box in parts)]))
    margin = max(1, size // 5)
    width = sum(max(font.getlength(part), box[2]) for part, font, box in parts)
    image = Image.new(
        'L', (math.ceil(width) + 2 * margin, ascent + descent))
    pen, place = ImageDraw.Draw(image), margin
    for part, font, box in parts:
        pen.text((place, ascent), part, 255, font, anchor='ls')
        place += max(font.getlength(part), box[2])
    mask = np.asarray(image)
    mask.flags.writeable = False  # The cache hands it to all.
    return mask


def _find_place(bbox, label_shape, shape, taken, objects):
    """Returns ymin, xmin, ymax, xmax of a label, whole in the picture.

    Above its bbox, else inside at the top, below, inside at the bottom; else
    a row further, further in, or beside it: where it covers least of the
    labels so far (taken), then least of small objects.
    """
    ymin, xmin, ymax, xmax = bbox.tolist()
    height, width = label_shape
    rows = min((ymax - ymin) // height, _MAX_ROWS)
    near = [(top, left) for left in (xmin, xmax - width)
            for top in (ymin - height, ymin, ymax, ymax - height)]
    place, is_free = _best_place(near, label_shape, shape, taken, objects)
    if is_free:  # Most often; none of the others is better.
        return place
    return _best_place([*near, *(
        (top, left) for left in (xmin, xmax - width, xmax, xmin - width)
        for top in (ymin - 2 * height, ymax + height,
                    *(ymin + row * height for row in range(rows))))],
        label_shape, shape, taken, objects)[0]


def _best_place(corners, label_shape, shape, taken, objects):
    """Returns the best of a label's places, and whether it covers nothing."""
    corners = np.clip(corners, 0, np.subtract(shape[:2], label_shape))
    places = np.concatenate([corners, corners + label_shape], 1)
    covered = _covered(places, taken), _covered(places, objects)
    best = np.lexsort(covered[::-1])[0]
    return places[best], not (covered[0][best] or covered[1][best])


def _covered(places, others):
    """Returns how many pixels of others each place covers, int [n]."""
    if not len(others):
        return np.zeros(len(places), int)
    others = np.asarray(others)
    low = np.maximum(places[:, None, :2], others[:, :2])
    high = np.minimum(places[:, None, 2:], others[:, 2:])
    return np.maximum(high - low, 0).prod(2).sum(1)


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
