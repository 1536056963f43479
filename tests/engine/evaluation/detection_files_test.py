"""Tests of engine.evaluation.detection_files.

data/voc_eval: detections in the devkit's format, from an independent program.
"""
import json
import os
import pathlib

import numpy as np
import pytest

from detection import average_precision
from engine.evaluation import detection_files
from tests import rows
from tests import scripts

DATA = scripts.DATA / 'voc_eval'


def scored(image_names, results, found, groundtruths=None):
    """Returns a Scored whose records are in the images' order."""
    images = [detection_files.Image(name, number, f'{name}.jpg', 0, 100, 100)
              for number, name in enumerate(image_names)]
    return detection_files.Scored(
        detection_files.with_ids(images, [''] * len(images)),
        tuple(range(1, len(results.classes) + 1)),
        rows.objects() if groundtruths is None else groundtruths, found,
        results)


def results_of(class_names):
    return average_precision.Results({}, [
        average_precision.ClassResult(name, {}, 1, 2)
        for name in class_names])


def comp4(folder, class_names, image_names, *found):
    return map(pathlib.Path, detection_files.write_comp4(
        str(folder), 'test', scored(
            image_names, results_of(class_names),
            rows.found(*found, dtype=np.float32))))


def test_comp4_lines_and_empty_files(tmp_path):
    cat, dog = comp4(
        tmp_path, ['cat', 'dog'], ['a 1', 'b'],
        (1, 1, 0.5, [-2, 10.25, 30, 40]), (0, 1, 1 / 3, [1, 2, 3, 4.1]))
    assert cat.name == 'comp4_det_test_cat.txt'
    assert cat.read_text() == (
        'b 0.500000 10.25 -2.0 40.0 30.0\n'
        'a%201 0.33333334 2.0 1.0 4.1 3.0\n')
    assert dog.read_text() == ''


def test_comp4_equals_the_reference_files(tmp_path):
    names = ['Platelets', 'RBC', 'WBC']
    lines = [(label, *line.split()) for label, name in enumerate(names, 1)
             for line in (DATA / f'comp4_det_test_{name}.txt')
             .read_text().splitlines()]
    stems = sorted({line[1] for line in lines})
    for path in comp4(tmp_path, names, stems, *(
            (stems.index(stem), label, score, [ymin, xmin, ymax, xmax])
            for label, stem, score, xmin, ymin, xmax, ymax in lines)):
        assert path.read_bytes() == (DATA / path.name).read_bytes()


def test_class_names_of_any_length_and_kind_become_files(tmp_path):
    names = {'../../etc/passwd': '..%2F..%2Fetc%2Fpasswd', '..': '..',
             'a:b\n': 'a%3Ab%0A', '100%': '100%25', 'chat été': 'chat été',
             'a\\b': 'a%5Cb', '\x1b[2J\0': '%1B[2J%00'}
    long = '猫' * 200, '猫' * 199 + '犬', 'x' * 10000
    paths = list(comp4(tmp_path, [*names, *long], ['a']))
    assert {path.name for path in paths} == set(os.listdir(tmp_path))
    assert len(set(paths)) == len(names) + 3
    for path, written in zip(paths, names.values()):
        assert path.name == f'comp4_det_test_{written}.txt'


def with_ids(*source_ids):
    """Returns the ids of images a, b, ..., whose records are backwards."""
    images = [detection_files.Image(
        name, number, '', 0, 1, 1) for name, number in zip(
            'abc', range(len(source_ids))[::-1])]
    return [image.image_id
            for image in detection_files.with_ids(images, source_ids)]


@pytest.mark.parametrize('source_ids, expected', [
    (('9', '0', '5'), [5, 0, 9]), (('', ''), [1, 2]),
    (('7', '7'), [1, 2]), (('7', ''), [1, 2]), (('7', 'x'), [1, 2]),
    (('7', '7.5'), [1, 2]), (('-7', '7'), [1, 2]), ((), [])])
def test_ids_are_those_of_the_records_if_they_can_be(source_ids, expected):
    assert with_ids(*source_ids) == expected


def test_cocos_files(tmp_path):
    content = scored(
        ['a', 'b'], results_of(['cat', 'dög']),
        rows.found((1, 2, .25, [10, 20, 30, 60]), (0, 1, .5, [1, 2, 4, 8])),
        rows.objects((1, 2, [10, 20, 30, 60], True)))
    detection_files.write_coco(
        str(tmp_path), content._replace(category_ids=(0, 18)))
    assert json.loads((tmp_path / 'detections.json').read_text()) == [
        {'image_id': 2, 'category_id': 18, 'bbox': [20, 10, 40, 20],
         'score': .25},
        {'image_id': 1, 'category_id': 0, 'bbox': [2, 1, 6, 3], 'score': .5}]
    assert json.loads((tmp_path / 'groundtruths.json').read_text('utf-8')) == {
        'images': [
            {'id': 1, 'file_name': 'a.jpg', 'height': 100, 'width': 100},
            {'id': 2, 'file_name': 'b.jpg', 'height': 100, 'width': 100}],
        'categories': [{'id': 0, 'name': 'cat'}, {'id': 18, 'name': 'dög'}],
        'annotations': [
            {'id': 1, 'image_id': 2, 'category_id': 18,
             'bbox': [20, 10, 40, 20], 'area': 800, 'iscrowd': 1}]}


def test_cocos_files_of_nothing(tmp_path):
    detection_files.write_coco(str(tmp_path), scored(
        [], results_of([]), rows.found()))
    assert (tmp_path / 'detections.json').read_text() == '[]'
    assert json.loads((tmp_path / 'groundtruths.json').read_text()) == {
        'images': [], 'categories': [], 'annotations': []}
