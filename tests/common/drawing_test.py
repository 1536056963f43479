"""Bboxes on pictures: seen, named, and inside, whatever the size."""
import cv2
import numpy as np
import pytest

from common import drawing


def flat(height, width, value=128):
    return np.full((height, width, 3), value, np.uint8)


def test_the_first_twenty_colors_are_easily_told_apart():
    rgb = np.array([[drawing.class_color(i) for i in range(1, 21)]])
    lab = cv2.cvtColor((rgb / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    distances = np.linalg.norm(lab[:, None] - lab, axis=2)
    assert distances[~np.eye(20, dtype=bool)].min() > 25
    assert rgb.min() >= 0 and rgb.max() <= 255
    assert drawing.class_color(1) == (36, 77, 178)


@pytest.mark.parametrize('size', [
    (32, 32), (12, 400), (400, 12), (300, 300), (1500, 2000)])
def test_draws_on_pictures_of_any_size_and_leaves_the_original(size):
    picture = flat(*size)
    bbox = np.array([[.2, .2, .8, .8]]) * [*size, *size]
    drawn = drawing.draw_bboxes(picture, bbox, [1], ['name'], [.5])
    assert drawn.shape == picture.shape and drawn.dtype == np.uint8
    assert (picture == 128).all()
    color = np.all(drawn == drawing.class_color(1), axis=2)
    ymin, xmin, ymax, xmax = np.round(bbox[0]).astype(int)
    assert color[(ymin + ymax) // 2, xmin] and color[ymax, (xmin + xmax) // 2]


@pytest.mark.parametrize('value', [0, 128, 255])
@pytest.mark.parametrize('class_id', range(1, 8))
def test_lines_and_letters_stand_out_from_any_background(value, class_id):
    drawn = drawing.draw_bboxes(
        flat(200, 200, value), [[60, 60, 180, 180]], [class_id], ['name'])
    brightness = drawn.astype(float) @ (.299, .587, .114)
    assert np.ptp(brightness[120, 55:66]) > 80  # Across the left side.
    label = brightness[60 - drawing.font_size(drawn):60, 62:85]
    assert np.ptp(label) > 80


def test_lines_and_letters_grow_with_the_picture():
    assert [(drawing.line_width(picture), drawing.font_size(picture))
            for picture in (flat(32, 32), flat(300, 300), flat(1000, 1000),
                            flat(3000, 3000))] == [
        (1, 7), (2, 11), (4, 26), (10, 70)]


def changed_box(before, after):
    rows, columns = np.nonzero((before != after).any(2))
    return rows.min(), columns.min(), rows.max(), columns.max()


@pytest.mark.parametrize('bbox', [
    [0, 0, 20, 20], [0, 80, 20, 100], [80, 0, 100, 20], [80, 80, 100, 100],
    [0, 0, 100, 100], [-1e9, -50, 1e9, 3e38]])
def test_labels_stay_whole_inside_the_picture(bbox):
    # What a label covers is found by drawing it with and without.
    plain = flat(100, 100)
    without = drawing.draw_bboxes(plain, [bbox], [2])
    labelled = drawing.draw_bboxes(plain, [bbox], [2], ['a name'])
    alone = flat(100, 100)
    drawing.draw_text(alone, 'a name')
    box, size = changed_box(without, labelled), changed_box(plain, alone)
    # Less where the ground of the label is on a line of its own color.
    assert box[2] - box[0] >= (size[2] - size[0]) - 3
    assert box[3] - box[1] >= (size[3] - size[1]) - 3


def test_a_name_too_long_is_cut_off_rather_than_left_out():
    picture = flat(40, 40)
    drawn = drawing.draw_bboxes(
        picture, [[0, 0, 40, 40]], [1], ['a very long name of a class'], [.9])
    without = drawing.draw_bboxes(picture, [[0, 0, 40, 40]], [1])
    assert (drawn != without).sum() > 200


def test_labels_of_the_same_bbox_do_not_cover_each_other():
    picture = flat(200, 200)
    bboxes = [[80, 50, 140, 150]] * 2
    both = drawing.draw_bboxes(picture, bboxes, [1, 2], ['one', 'two'])
    first = drawing.draw_bboxes(picture, bboxes[:1], [1], ['one'])
    label = first[80 - 12:78, 50:70]
    np.testing.assert_array_equal(both[80 - 12:78, 50:70], label)
    assert (both == drawing.class_color(2)).all(2).sum() > 60
    # The best detection is on top.
    assert tuple(both[140, 100]) == drawing.class_color(1)


def test_names_in_other_scripts_are_drawn():
    drawings = {
        drawing.draw_bboxes(
            flat(100, 200), [[40, 10, 90, 190]], [1], [name]).tobytes()
        for name in ('étoile', 'etoile', 'звезда', '??????')}
    assert len(drawings) == 4


def test_without_bboxes_a_picture_stays_as_it_is():
    picture = flat(20, 20)
    drawn = drawing.draw_bboxes(picture, np.zeros((0, 4)), [], [], np.zeros(0))
    np.testing.assert_array_equal(drawn, picture)
    assert drawn is not picture


def test_labels_of_many_objects_in_one_place_find_room():
    bbox, taken = np.array([100, 100, 200, 200]), []
    for _ in range(16):
        taken.append(drawing._find_place(
            bbox, (20, 60), (400, 400), taken, []))
    covered = np.zeros((400, 400), int)
    for ymin, xmin, ymax, xmax in taken:
        covered[ymin:ymax, xmin:xmax] += 1
    assert covered.max() == 1


def test_small_objects_are_not_hidden_by_large_ones():
    picture = flat(400, 400)
    large, small = [97, 50, 380, 380], [60, 60, 90, 90]
    drawn = drawing.draw_bboxes(picture, [large, small], [1, 2], ['large', ''])
    without = drawing.draw_bboxes(picture, [small], [2], [''])
    np.testing.assert_array_equal(drawn[60:91, 60:91], without[60:91, 60:91])


def test_letters_and_lines_suit_a_small_bbox_in_a_large_picture():
    picture = flat(3000, 4000)
    small, large = [[100, 100, 140, 140]], [[1000, 1000, 1500, 1500]]
    for bboxes, height in ((small, 25), (large, 100)):
        drawn = drawing.draw_bboxes(picture, bboxes, [1], ['name'])
        box = changed_box(picture, drawn)
        ymin, _, ymax, _ = bboxes[0]
        assert .8 * height <= ymin - box[0] <= height
        assert box[2] - ymax <= height / 8


def test_trails_are_lines_in_the_colors_of_their_bboxes():
    picture = flat(100, 100)
    drawn = drawing.draw_bboxes(
        picture, [[80, 80, 90, 90]] * 2, [1, 2],
        trails=[np.array([[20, 10], [20, 60.]]), np.zeros((0, 2))])
    assert tuple(drawn[20, 30]) == drawing.class_color(1)
    assert tuple(drawn[20, 70]) == (128, 128, 128)
    assert tuple(drawn[30, 30]) == (128, 128, 128)
