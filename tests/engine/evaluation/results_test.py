"""Tests of engine.evaluation.results.

data/voc_eval: detections in the devkit's format, from an independent program.
"""
import json
import math
import os
import pathlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from detection import average_precision
from engine.evaluation import results
from tests import rows
from tests import scripts
from tests.engine.evaluation import report_test

DATA = scripts.DATA / 'voc_eval'


def class_result(name, num_objects, num_detections, **metrics):
    return average_precision.ClassResult(
        name, metrics, num_objects, num_detections, *(np.zeros(0),) * 3)


RESULTS = average_precision.Results({'AP_VOC07': .5, 'AP_VOC12': .25}, (
    class_result('cat', 12, 345, AP_VOC07=.5, AP_VOC12=.25),
    class_result('aeroplane', 0, 6, AP_VOC07=math.nan, AP_VOC12=math.nan)))
NOTHING = average_precision.mean_over_classes(
    [class_result('\x1b[2J cat', 0, 0, AP_VOC07=math.nan)])
# Of another metric: one value has no part in any class.
OTHER = average_precision.Results({'AR10': .5, 'speed': 2.}, (
    class_result('cat', 2, 3, AR10=.25), class_result('dog', 4, 5, AR10=.75)))


def comp4(folder, class_names, image_names, *found):
    paths = results.write_comp4(str(folder), 'test', results.Scored(
        (), image_names, None, rows.found(*found, dtype=np.float32),
        average_precision.Results(
            {}, [class_result(name, 1, 2) for name in class_names])))
    return map(pathlib.Path, paths)


def write(folder, scores):
    """Returns what is in metrics.json, and what TensorBoard finds."""
    folder.mkdir(exist_ok=True)
    path = results.write_files(
        str(folder), results.Scored((), (), None, rows.found(), scores),
        {'checkpoint': 'model', 'split': 'test', 'step': 7})
    assert path == str(folder / 'metrics.json')
    events, = folder.glob('events.out.tfevents.*')
    version, event = tf.train.summary_iterator(str(events))
    assert version.file_version == 'brain.Event:2'
    assert event.step == 7
    return json.loads(pathlib.Path(path).read_text()), {
        value.tag: value.simple_value for value in event.summary.value}


def test_table():
    assert results.format_table(RESULTS).splitlines() == [
        'class      AP VOC07  AP VOC12  objects  detections',
        '--------------------------------------------------',
        'cat          0.5000    0.2500       12         345',
        'aeroplane         -         -        0           6',
        '--------------------------------------------------',
        'mAP          0.5000    0.2500       12         351',
        '- : no object of the class to find; left out of the means.']
    # A name is no way to the terminal.
    assert '\n%1B[2J cat ' in results.format_table(NOTHING)
    assert results.format_table(NOTHING).endswith(
        '\nThere is no object to find: nothing to score.')


def test_metrics_and_scalars(tmp_path):
    metrics, scalars = write(tmp_path / 'some', RESULTS)
    assert metrics == {
        'checkpoint': 'model', 'split': 'test', 'step': 7, 'mAP_VOC07': 0.5,
        'mAP_VOC12': 0.25, 'classes': {
            'cat': {'AP_VOC07': 0.5, 'AP_VOC12': 0.25, 'num_objects': 12,
                    'num_detections': 345},
            'aeroplane': {'AP_VOC07': None, 'AP_VOC12': None,
                          'num_objects': 0, 'num_detections': 6}}}
    assert scalars == {
        'AP_VOC07/mAP': 0.5, 'AP_VOC07/cat': 0.5,
        'AP_VOC12/mAP': 0.25, 'AP_VOC12/cat': 0.25}
    metrics, scalars = write(tmp_path / 'none', NOTHING)
    assert metrics['mAP_VOC07'] is None and not scalars


def test_another_metric_is_shown_everywhere(tmp_path, monkeypatch):
    assert results.format_table(OTHER).splitlines() == [
        'class    AR10   speed  objects  detections',
        '------------------------------------------',
        'cat    0.2500                2           3',
        'dog    0.7500                4           5',
        '------------------------------------------',
        'mAR10  0.5000  2.0000        6           8']
    metrics, scalars = write(tmp_path, OTHER)
    assert metrics['mAR10'] == .5 and metrics['speed'] == 2
    assert metrics['classes']['dog'] == {
        'AR10': .75, 'num_objects': 4, 'num_detections': 5}
    assert scalars == {
        'AR10/cat': .25, 'AR10/dog': .75, 'AR10/mAR10': .5, 'speed/speed': 2}
    monkeypatch.setattr(average_precision, 'evaluate', lambda *_: OTHER)
    page = report_test.write(tmp_path)
    assert page.row('cat') == ['cat', '0.250', '2', '3', '-', '-']
    assert page.row('class')[:3] == ['class', 'AR10', 'speed']
    assert 'Evaluation: mAR10 0.500' in page.texts
    assert 'speed' in page.texts


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


def test_a_full_disk_is_said_and_metrics_are_of_the_detections_beside_them(
        tmp_path):
    write(tmp_path, RESULTS)
    path = tmp_path / 'metrics.json'
    with pytest.raises(OSError, match=f'too large, on writing: .*{path}'), (
            scripts.full_disk()):
        write(tmp_path, NOTHING)
    assert not path.exists()
    with pytest.raises(OSError, match=f'{tmp_path}/events.out.tfevents'), (
            scripts.full_disk()):
        results.write_scalars(str(tmp_path), RESULTS, 7)
