"""benchmarks/learning_curves.py, on scalars that an evaluation writes."""
import cv2
import numpy as np
import pytest

from benchmarks import learning_curves
from detection import average_precision
from engine.evaluation import results


@pytest.fixture(name='write')
def _write(tmp_path):
    def write(folder, step, value):
        results.write_scalars(
            str(tmp_path / folder), average_precision.mean_over_classes([
                average_precision.ClassResult(
                    'cat', {'AP_VOC07': value}, 1, 1, None, None, None)]),
            step)
    return write


def test_points_are_in_the_order_of_their_steps(write, tmp_path):
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
    for step, value in ((20, .5), (10, .25), (20, .75)):
        write('a', step, value)
    write('b', 5, 1.)
    assert learning_curves.read(tmp_path / 'a') == [(10, .25), (20, .75)]


def test_two_curves_of_one_name_are_refused(write, tmp_path):
    (tmp_path / 'a').mkdir()
    write('a', 20, .5)
    with pytest.raises(SystemExit, match='Two curves have the same NAME'):
        learning_curves.main([f'--output={tmp_path}/curves.png',
                              *[f'same={tmp_path}/a'] * 2])


def test_a_second_folder_goes_on(write, tmp_path, capsys):
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
    write('a', 20, .5)
    write('b', 5, 1.)
    learning_curves.main([
        f'--output={tmp_path}/curves.png', f'both={tmp_path}/a,{tmp_path}/b'])
    assert 'both: 0.500 (20), 1.000 (25)\n' in capsys.readouterr().out
    picture = cv2.imread(str(tmp_path / 'curves.png'))
    assert picture.shape == (510, 900, 3) and np.ptp(picture) > 0


@pytest.mark.parametrize('curve, message', [
    ('logs', "'logs' is no NAME=FOLDER"),
    ('a=nowhere', 'nowhere: no evaluation with AP_VOC07/mAP is in there')])
def test_errors(curve, message, tmp_path):
    with pytest.raises(SystemExit) as error:
        learning_curves.main([f'--output={tmp_path}/curves.png', curve])
    assert message in str(error.value)
    assert not (tmp_path / 'curves.png').exists()
