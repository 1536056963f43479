import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from datasets.voc import annotations
from tests import scripts


def files(root):
    return {path.relative_to(root): path.read_bytes()
            for path in sorted(pathlib.Path(root).rglob('*'))
            if path.is_file()}


def read(root):
    return [annotations.read_annotation(path) for path
            in sorted((pathlib.Path(root) / 'Annotations').iterdir())]


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (('a', 1), ('b', 1), ('c', 2)):
        synthetic_shapes.write(tmp_path / name, 3, 2, seed, size=80)
    assert files(tmp_path / 'a') == files(tmp_path / 'b')
    assert files(tmp_path / 'a') != files(tmp_path / 'c')
    lists = tmp_path / 'a' / 'ImageSets' / 'Main'
    assert (lists / 'trainval.txt').read_text().split() == [
        '000000', '000001', '000002']
    assert (lists / 'test.txt').read_text().split() == ['000003', '000004']


def test_boxes_lie_in_the_images_and_have_a_fair_size(tmp_path):
    synthetic_shapes.write(tmp_path, 60, 0, size=120)
    seen = read(tmp_path)
    for annotation in seen:
        image = cv2.imread(str(tmp_path / 'JPEGImages' / annotation.filename))
        assert image.shape == (annotation.height, annotation.width, 3)
        assert len(annotation.objects) <= synthetic_shapes.MAX_NUM_OBJECTS
        for item in annotation.objects:
            xmin, ymin, xmax, ymax = item.bbox
            assert 0 <= xmin < xmax <= annotation.width
            assert 0 <= ymin < ymax <= annotation.height
            longer = max(xmax - xmin, ymax - ymin)
            assert 0.1 < longer / min(image.shape[:2]) < 0.51
    objects = [item for annotation in seen for item in annotation.objects]
    assert {item.name for item in objects} == set(drawing.CLASSES)
    assert 0 < sum(item.difficult for item in objects) < len(objects) / 2
    assert any(item.truncated for item in objects)
    assert any(not annotation.objects for annotation in seen)


def test_visibility_is_what_later_shapes_leave():
    below, above = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    below[:, :2] = above[0] = True
    shapes = [drawing.Shape('a', None, below), drawing.Shape('b', None, above)]
    assert drawing.visibilities(shapes) == [0.5, 1.]
    assert drawing.visibilities([]) == []


def test_a_shape_is_seen_where_its_outline_is():
    rng = np.random.default_rng(0)
    for name in drawing.CLASSES:
        image = drawing.texture(rng, 90, 100)
        before = image.copy()
        shape = drawing.draw_shape(image, rng, name)
        drawing.paint(image, shape, rng)
        changed = np.abs(image - before).max(-1) > 1
        assert np.mean(changed[shape.mask]) > 0.9
        ys, xs = np.nonzero(changed)
        np.testing.assert_allclose(
            [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1],
            np.clip([*shape.outline.min(0), *shape.outline.max(0)], 0,
                    [100, 90, 100, 90]), atol=2)


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(ValueError, match='Shapes heart are not known; known: '
                                         'circle'):
        synthetic_shapes.write(tmp_path, 1, 0, classes=('heart',))
    with pytest.raises(ValueError, match='num_train=-1 .* at least 0'):
        synthetic_shapes.write(tmp_path, -1, 0)


def test_the_command_line(tmp_path):
    process = subprocess.run(
        [sys.executable, '-m', 'datasets.shapes.synthetic_shapes',
         f'--output_dir={tmp_path}', '--num_train=4', '--num_test=1',
         '--seed=3', '--classes=star'],
        cwd=scripts.ROOT, capture_output=True, text=True, check=True)
    assert 'tf_convert_data.py' in process.stdout
    annotated = read(tmp_path)
    assert len(annotated) == 5
    assert {item.name for annotation in annotated
            for item in annotation.objects} == {'star'}
