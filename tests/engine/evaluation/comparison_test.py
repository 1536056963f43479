"""Two evaluations of four images of a cat each, side by side."""
import math

import pytest

from detection import average_precision
from engine.evaluation import comparison
from engine.evaluation import results
from tests import rows
from tests.engine.evaluation import detection_files_test
from tests.engine.evaluation import report_test

CAT, FAR = [0, 0, 40, 30], [60, 60, 80, 80]
NAMES = ('a', 'b', 'c', 'd')
OBJECTS = rows.objects(*((image, 1, CAT, False) for image in range(4)))
# Of dogs there are none. Image a stays, b is found, c is lost and d has one
# wrong detection less.
BEFORE = rows.found((0, 1, .9, CAT), (2, 1, .8, CAT), (3, 1, .75, FAR),
                    (3, 1, .7, CAT))
NOW = rows.found((0, 1, .5, CAT), (1, 1, .4, CAT), (3, 1, .45, CAT))
ABOUT = {'checkpoint': 'model.ckpt-7', 'step': 7, 'dataset': 'toy',
         'split': 'test', 'num_images': 4, 'matching_threshold': .5,
         'remove_difficult': True}


def evaluated(folder, found, objects=OBJECTS):
    """Returns the Scored that is written to a folder."""
    scored = detection_files_test.scored(
        NAMES, average_precision.evaluate(objects, found, ['cat', 'dog']),
        found, objects)
    folder.mkdir(exist_ok=True)
    results.write_files(str(folder), scored, ABOUT)
    return scored


def compared(folder, scored):
    other = comparison.read(str(folder / 'before'), ABOUT)
    return comparison.compare(other, scored, str(folder / 'now'), .5)


@pytest.fixture
def both(tmp_path):
    evaluated(tmp_path / 'before', BEFORE)
    return compared(tmp_path, evaluated(tmp_path / 'now', NOW))


def test_images(both):
    assert both.counts_before.tolist() == [
        [1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 1]]
    assert both.counts_now.tolist() == [
        [1, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert (both.better, both.worse) == ([1, 3], [2])
    assert [[(picture.image, picture.text) for picture in group]
            for group in both.pictures()] == [
        [(1, '0 found, 1 missed'), (3, '1 found, 1 wrong')],
        [(1, '1 found'), (3, '1 found')],
        [(2, '1 found')], [(2, '0 found, 1 missed')]]


def test_classes(both):
    cat, dog, whole = both.rows
    # Precision is 1, 1, 2 / 3, 3 / 4, recall ends at 3 / 4.
    assert cat.before == pytest.approx(
        {'AP_VOC07': 7.5 / 11, 'AP_VOC12': .6875, 'best F1': .75})
    assert cat.now == pytest.approx(
        {'AP_VOC07': 8 / 11, 'AP_VOC12': .75, 'best F1': 6 / 7})
    assert all(map(math.isnan, dog.now.values()))
    assert whole[1:] == cat[1:]


def test_what_is_shown(both, tmp_path):
    assert both.format().splitlines() == [
        f'Compared with {tmp_path}/before (model.ckpt-7, step 7):',
        'class        AP VOC07        AP VOC12         best F1',
        'cat    0.7273 +0.0455  0.7500 +0.0625  0.8571 +0.1071',
        'dog                -               -               - ',
        'all    0.7273 +0.0455  0.7500 +0.0625  0.8571 +0.1071',
        'Images: 2 better, 1 worse: missed and wrong, each at its best '
        'threshold.', 'Better: b (-1), d (-1)', 'Worse: c (+1)']


def test_the_page(tmp_path):
    evaluated(tmp_path / 'before', BEFORE)
    scored = evaluated(tmp_path / 'now', NOW)
    page = report_test.write(
        tmp_path, OBJECTS, NOW, ('cat', 'dog'), NAMES,
        compared=lambda _: compared(tmp_path, scored))
    assert page.row('class', 1) == [
        'class', 'AP VOC07', 'AP VOC12', 'best F1']
    assert page.row('cat', 1) == [
        'cat', '0.727', '+0.045', '0.750', '+0.062', '0.857', '+0.107']
    texts = [text for text in page.texts if ' · ' in text]
    assert texts[:6] == [
        'b · 0 found, 1 missed', 'b · 1 found', 'd · 1 found, 1 wrong',
        'd · 1 found', 'c · 1 found', 'c · 0 found, 1 missed']
    assert {'Better: 2 images', 'Worse: 1 image'} <= set(page.texts)


def test_where_nothing_was_right(tmp_path):
    evaluated(tmp_path / 'before', rows.found((0, 1, .9, FAR)))
    both = compared(tmp_path, evaluated(tmp_path / 'now', NOW))
    assert both.counts_before.sum(axis=0).tolist() == [0, 4, 0]
    assert both.rows[-1].before['AP_VOC07'] == 0
    assert both.format().splitlines()[4].endswith(' 0.8571 ')


def test_other_objects_are_refused(tmp_path):
    evaluated(tmp_path / 'before', BEFORE)
    scored = evaluated(tmp_path / 'now', NOW, rows.objects(
        (0, 1, CAT, False), (0, 1, FAR, True)))
    with pytest.raises(ValueError, match=(
            f'^--compare={tmp_path}/before: its images or objects are not '
            'those of this evaluation, though they are called alike; evaluate '
            'model.ckpt-7 again')):
        compared(tmp_path, scored)


@pytest.mark.parametrize('name, value', [
    ('dataset', 'other'), ('split', 'val'), ('remove_difficult', False)])
def test_other_data_and_rules_are_refused_by_name(tmp_path, name, value):
    evaluated(tmp_path / 'before', BEFORE)
    with pytest.raises(ValueError, match=(
            f'^--compare={tmp_path}/before: it cannot be compared: {name} is '
            f'{ABOUT[name]} there and {value} here.$')):
        comparison.read(str(tmp_path / 'before'), {**ABOUT, name: value})
