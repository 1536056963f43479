"""Windows of large pictures, and objects on their seams."""
import numpy as np
import pytest

from detection import boxes
from engine.detecting import tiles


def test_windows_cover_a_picture_and_overlap_by_a_third():
    windows = tiles.windows((3000, 4000), 300)
    sides, counts = np.unique(
        windows[:, 2] - windows[:, 0], return_counts=True)
    assert dict(zip(sides, counts)) == {
        300: 300, 600: 70, 1200: 20, 2400: 4, 3000: 1}
    assert windows[0].tolist() == [0, 0, 3000, 4000]
    for side in (300, 600, 1200, 2400):
        grid = windows[windows[:, 2] - windows[:, 0] == side]
        for axis, length in ((0, 3000), (1, 4000)):
            starts = np.unique(grid[:, axis])
            assert starts[0] == 0 and starts[-1] == length - side
            assert (np.diff(starts) <= side * 2 / 3 + 1).all()
    assert len(windows) == 395 == len(np.unique(windows, axis=0))


@pytest.mark.parametrize('size, windows', [
    ((300, 300), [[0, 0, 300, 300]]), ((240, 440), [[0, 0, 240, 440]]),
    ((1, 1), [[0, 0, 1, 1]]),
    ((200, 500), [[0, 0, 200, 500], [0, 0, 200, 300], [0, 200, 200, 500]])])
def test_small_pictures_have_few_windows_or_one(size, windows):
    assert tiles.windows(size, 300).tolist() == windows


def test_the_flag():
    assert tiles.parse('auto', (300, 512)) == 512
    assert tiles.parse('64', (300, 300)) == 64
    for text in ('63', '-300', 'big', '300.5', ''):
        with pytest.raises(ValueError, match=(
                f'^--tile={text}: give auto or the side of a tile in pixels, '
                'at least 64.$')):
            tiles.parse(text, (300, 300))


def seen_by(objects, places):
    """Returns a detector that sees objects as one does that looks at a tile.

    The parts of a cut one, the more confident; none that is small in its
    tile. The picture's pixels tell where a tile is.
    """
    def run(crops):
        return [look(crop) for crop in crops]

    def look(crop):
        window = np.array([*crop[0, 0], *(crop[-1, -1] + 1)])
        places.append(window.tolist())
        parts = boxes.clip(objects, window.astype(float))
        visible = boxes.area(parts) / boxes.area(objects)
        sides = (objects[:, 2:] - objects[:, :2]).max(1)
        rows = np.flatnonzero(
            (visible > .3) & (sides > .1 * min(crop.shape[:2])))
        return tiles.Found(
            parts[rows] - np.tile(window[:2], 2),
            np.where(visible[rows] < 1, .99, .9),
            np.full(len(rows), 1))

    return run


def coordinates(height, width):
    return np.stack(np.mgrid[:height, :width], -1)


@pytest.mark.parametrize('side', [40, 60, 75, 100, 150, 250, 400, 700])
def test_objects_of_any_size_on_seams_are_found_once(side):
    image = coordinates(900, 1200)
    starts = np.unique(tiles.windows((900, 1200), 300)[:, :2])
    centres = np.array([
        (y, x) for y in np.arange(side / 2 + 1, 899 - side / 2, 1.3 * side)
        for x in np.arange(side / 2 + 1, 1199 - side / 2, 1.3 * side)])
    # One of them is on a corner of a tile.
    centres += np.minimum(starts[1] - centres[0], 1.2 * side).clip(0)
    centres = centres[(centres + side / 2 < (900, 1200)).all(1)]
    objects = np.concatenate([centres - side / 2, centres + side / 2], 1)
    places = []
    found, = tiles.detect([image], 300, 8, .45, seen_by(objects, places))
    assert sorted(places) == sorted(tiles.windows((900, 1200), 300).tolist())
    order = np.lexsort(found.bboxes.T[::-1])
    expected = objects[np.lexsort(objects.T[::-1])]
    np.testing.assert_allclose(found.bboxes[order], expected, atol=1e-3)
    assert found.scores.tolist() == [.9] * len(objects)


def merged(*parts):
    """Merges (window, bbox in the picture, score, class) in 300 x 500."""
    return tiles.merge((300, 500), [
        (window, tiles.Found(
            np.array([bbox]) - np.tile(window[:2], 2), np.array([score]),
            np.array([label]))) for window, bbox, score, label in parts], .45)


LEFT, RIGHT, WHOLE = (0, 0, 300, 300), (0, 200, 300, 500), (0, 0, 300, 500)


def test_of_one_object_the_best_of_those_that_are_whole_is_left():
    inner = [100, 232, 150, 268]
    found = merged((LEFT, inner, .6, 1), (RIGHT, inner, .8, 1),
                   (WHOLE, [100, 228, 150, 272], .7, 1))
    np.testing.assert_allclose(found.bboxes, [inner])
    assert found.scores == [.8] and found.class_ids == [1]
    # Cut, and perhaps cut: its end is near to the edge of the tile.
    whole = [100, 150, 150, 350]
    for end in (300, 296, 280):
        found = merged((LEFT, [100, 150, 150, end], .99, 1),
                       (WHOLE, whole, .7, 1))
        np.testing.assert_allclose(found.bboxes, [whole])
    # The edge of the picture cuts nothing.
    assert len(merged((LEFT, [0, 0, 300, 50], .9, 1)).bboxes) == 1


def test_of_what_may_be_cut_the_best_is_left_where_no_other_is():
    found = merged((LEFT, [100, 150, 150, 280], .9, 1),
                   (RIGHT, [100, 220, 150, 350], .8, 1))
    assert found.scores == [.9]


def test_different_objects_stay():
    bboxes = [[100, 50, 150, 100], [100, 55, 150, 105], [20, 20, 280, 480]]
    found = merged((LEFT, bboxes[0], .6, 1), (LEFT, bboxes[1], .7, 2),
                   (WHOLE, bboxes[2], .8, 1), (LEFT, [40, 40, 260, 260], .7, 1))
    assert found.scores.tolist() == [.8, .7, .7, .6]


def test_nothing_found():
    empty = tiles.Found(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32),
        np.zeros(0, np.int32))
    images = [coordinates(300, 300), coordinates(300, 500)]
    for found in tiles.detect(images, 300, 2, .45, lambda some: [
            empty for _ in some]):
        assert found.bboxes.shape == (0, 4) and found.class_ids.shape == (0,)
