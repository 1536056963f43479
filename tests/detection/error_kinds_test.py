"""One image of 100 x 100 pixels: a cat at left, a dog at right."""
import pytest

from detection import error_kinds
from tests import rows

CAT, DOG, CATS_BBOX, DOGS_BBOX = 1, 2, [0, 0, 99, 39], [0, 60, 99, 99]
# Of 100 x 40 pixels these share 100 x 20: an overlap of 1 / 3.
BESIDE_CAT = [0, 20, 99, 59]
# These share 100 x 5: 500 / 7500, below 0.1.
FAR_FROM_CAT = [0, 35, 99, 74]
CAT_AND_DOG = rows.objects((0, CAT, CATS_BBOX, 0), (0, DOG, DOGS_BBOX, 0))


def kinds(groundtruths, *found):
    return error_kinds.break_down(
        groundtruths, rows.found(*found)).kinds.tolist()


@pytest.mark.parametrize('image, label, bbox, kind', [
    (0, CAT, CATS_BBOX, 'correct'), (0, CAT, DOGS_BBOX, 'wrong class'),
    (0, DOG, CATS_BBOX, 'wrong class'), (0, CAT, BESIDE_CAT, 'localisation'),
    (0, CAT, FAR_FROM_CAT, 'background'),
    (0, CAT, [200, 200, 220, 220], 'background'),
    (1, CAT, CATS_BBOX, 'background')])
def test_kinds(image, label, bbox, kind):
    assert kinds(CAT_AND_DOG, (image, label, .9, bbox)) == [kind]


def test_the_second_that_fits_is_a_duplicate():
    assert kinds(CAT_AND_DOG, (0, CAT, .8, CATS_BBOX),
                 (0, CAT, .9, CATS_BBOX)) == ['duplicate', 'correct']


def test_what_fits_a_difficult_object_is_ignored():
    difficult = rows.objects((0, CAT, CATS_BBOX, 1), (0, DOG, DOGS_BBOX, 0))
    breakdown = error_kinds.break_down(
        difficult, rows.found((0, CAT, .9, CATS_BBOX)))
    assert breakdown.kinds.tolist() == ['ignored']
    assert breakdown.is_missed.tolist() == [False, True]
    assert not breakdown.is_counted.any()


def test_as_many_are_counted_as_there_are_objects():
    """One cat: the right detection comes second, which is too late."""
    detections = rows.found(
        (0, CAT, .9, BESIDE_CAT), (0, CAT, .8, CATS_BBOX),
        (0, DOG, .1, DOGS_BBOX), (0, 3, .9, CATS_BBOX))
    breakdown = error_kinds.break_down(CAT_AND_DOG, detections)
    assert breakdown.kinds.tolist() == [
        'localisation', 'correct', 'correct', 'wrong class']
    assert breakdown.is_counted.tolist() == [True, False, True, False]
    assert breakdown.is_missed.tolist() == [True, False]
    none = dict.fromkeys(['objects', 'correct', 'wrong class', 'localisation',
                          'duplicate', 'background', 'missed'], 0)
    assert error_kinds.count(breakdown, 3) == [
        {**none, 'objects': 1, 'localisation': 1, 'missed': 1},
        {**none, 'objects': 1, 'correct': 1}, none]


def test_confusions():
    groundtruths = rows.objects(
        (0, CAT, CATS_BBOX, 0), (1, CAT, CATS_BBOX, 0),
        (2, DOG, DOGS_BBOX, 0), (3, DOG, DOGS_BBOX, 0))
    detections = rows.found(
        (0, DOG, .9, CATS_BBOX), (1, DOG, .8, CATS_BBOX),
        (2, CAT, .9, DOGS_BBOX), (3, CAT, .8, CATS_BBOX))
    assert error_kinds.confusions(
        error_kinds.break_down(groundtruths, detections)) == [
            ((CAT, DOG), 2), ((DOG, CAT), 1)]


def test_above_a_threshold():
    detections = rows.found(
        (0, CAT, .9, BESIDE_CAT), (0, CAT, .8, CATS_BBOX),
        (0, DOG, .1, DOGS_BBOX), (2, CAT, .7, CATS_BBOX))
    breakdown = error_kinds.above(
        error_kinds.break_down(CAT_AND_DOG, detections), .1)
    assert breakdown.is_counted.tolist() == [True, True, False, True]
    assert breakdown.is_missed.tolist() == [False, True]
    # Found, missed, wrong.
    assert error_kinds.count_by_image(breakdown, 4).tolist() == [
        [1, 1, 1], [0, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert breakdown.rows_of(0, 'correct', 'localisation').tolist() == [0, 1]
    assert breakdown.rows_of(0, 'correct').tolist() == [1]


def matrix(groundtruths, *found, threshold=.5):
    return error_kinds.confusion_matrix(
        groundtruths, rows.found(*found), 2, threshold).tolist()


def test_confusion_matrix():
    # Rows: no object, cats, dogs; columns: not found, as cat, as dog.
    assert matrix(CAT_AND_DOG) == [[0, 0, 0], [1, 0, 0], [1, 0, 0]]
    assert matrix(
        CAT_AND_DOG, (0, CAT, .9, CATS_BBOX), (0, CAT, .8, DOGS_BBOX),
        (0, CAT, .7, CATS_BBOX), (0, DOG, .5, DOGS_BBOX),
        (1, DOG, .6, DOGS_BBOX)) == [[0, 1, 1], [0, 1, 0], [0, 1, 0]]
    # The better score takes it, whatever its class.
    assert matrix(CAT_AND_DOG, (0, DOG, .9, CATS_BBOX),
                  (0, CAT, .8, CATS_BBOX)) == [
        [0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_a_confusion_matrix_takes_another_object_where_one_is_gone():
    twins = rows.objects((0, CAT, CATS_BBOX, 0), (0, CAT, [0, 5, 99, 44], 0))
    assert matrix(twins, (0, CAT, .9, CATS_BBOX), (0, CAT, .8, CATS_BBOX)) == [
        [0, 0, 0], [0, 2, 0], [0, 0, 0]]


def test_a_confusion_matrix_leaves_difficult_objects_out():
    difficult = rows.objects((0, CAT, CATS_BBOX, 1), (0, DOG, DOGS_BBOX, 0))
    assert matrix(difficult, (0, CAT, .9, CATS_BBOX), (0, DOG, .8, CATS_BBOX),
                  (0, DOG, .7, DOGS_BBOX)) == [
        [0, 0, 0], [0, 0, 0], [0, 0, 1]]


def test_nothing():
    for groundtruths in (rows.objects(), CAT_AND_DOG):
        breakdown = error_kinds.break_down(groundtruths, rows.found())
        assert breakdown.kinds.size == 0
        assert breakdown.is_missed.all()
    detections = rows.found((0, CAT, .9, CATS_BBOX))
    breakdown = error_kinds.break_down(rows.objects(), detections)
    assert breakdown.kinds.tolist() == ['background']
    assert not breakdown.is_counted.any()
