"""Tests of engine.evaluation.results.

data/voc_eval: detections in the devkit's format, from an independent program.
"""
import json
import math
import os
import pathlib
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from common import files
from detection import average_precision
from engine.evaluation import results
from tests import scripts

DATA = scripts.DATA / 'voc_eval'


def class_result(name, ap_voc07, ap_voc12, num_objects, num_detections):
    return average_precision.ClassResult(
        name, ap_voc07, ap_voc12, num_objects, num_detections,
        *(np.zeros(0),) * 3)


RESULTS = average_precision.Results(
    (class_result('cat', 0.5, 0.25, 12, 345),
     class_result('aeroplane', math.nan, math.nan, 0, 6)), 0.5, 0.25)
NOTHING = average_precision.Results(
    (class_result('cat', math.nan, math.nan, 0, 0),), math.nan, math.nan)


def found(*rows):
    """rows: image, class, score, bbox."""
    images, classes, scores, bboxes = zip(*rows, strict=True)
    return average_precision.Detections(
        np.array(images), np.array(classes), np.array(scores, np.float32),
        np.array(bboxes, np.float32))


def test_table():
    assert results.format_table(RESULTS).splitlines() == [
        'class      AP VOC07  AP VOC12  objects  detections',
        '--------------------------------------------------',
        'cat          0.5000    0.2500       12         345',
        'aeroplane         -         -        0           6',
        '--------------------------------------------------',
        'mAP          0.5000    0.2500       12         351',
        '- : no object of the class to find; left out of the means.']


def test_table_of_a_split_without_objects_says_so():
    table = results.format_table(NOTHING)
    assert table.endswith('There is no object to find: nothing to score.')


def test_table_is_no_way_to_the_terminal():
    results = RESULTS._replace(
        classes=(class_result('\x1b[2J cat', 1, 1, 1, 1),))
    assert '%1B[2J cat' in results.format_table(results)


def test_metrics(tmp_path):
    path = tmp_path / 'new' / 'metrics.json'
    results.write_metrics(path, RESULTS, step=7, checkpoint='model')
    assert json.loads(path.read_text()) == {
        'step': 7, 'checkpoint': 'model', 'mAP_VOC07': 0.5,
        'mAP_VOC12': 0.25, 'classes': {
            'cat': {'AP_VOC07': 0.5, 'AP_VOC12': 0.25, 'num_objects': 12,
                    'num_detections': 345},
            'aeroplane': {'AP_VOC07': None, 'AP_VOC12': None,
                          'num_objects': 0, 'num_detections': 6}}}
    assert os.listdir(path.parent) == ['metrics.json']


def test_metrics_without_objects_are_null(tmp_path):
    path = tmp_path / 'metrics.json'
    results.write_metrics(path, NOTHING)
    assert json.loads(path.read_text())['mAP_VOC07'] is None


def test_a_failed_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / 'metrics.json'
    path.write_text('old')

    def parts():
        yield 'new'
        raise OSError('the disk is full')

    with pytest.raises(OSError, match='the disk is full'):
        files.write_whole(path, parts())
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['metrics.json']


def test_summaries():
    values = {value.tag: value.simple_value
              for value in results.summaries(RESULTS).value}
    assert values == {'AP_VOC07/mAP': 0.5, 'AP_VOC07/cat': 0.5,
                      'AP_VOC12/mAP': 0.25, 'AP_VOC12/cat': 0.25}
    assert not results.summaries(NOTHING).value


def test_scalars_are_read_back(tmp_path):
    results.write_scalars(str(tmp_path), RESULTS, 7)
    path, = tmp_path.glob('events.out.tfevents.*')
    version, event = tf.train.summary_iterator(str(path))
    assert version.file_version == 'brain.Event:2'
    assert event.step == 7
    assert event.summary == results.summaries(RESULTS)


def test_comp4_lines_and_empty_files(tmp_path):
    paths = results.write_comp4(
        tmp_path, 'test', ['cat', 'dog'], ['a 1', 'b'], found(
            (1, 1, 0.5, [-2, 10.25, 30, 40]),
            (0, 1, 1 / 3, [1, 2, 3, 4.1])))
    cat, dog = map(pathlib.Path, paths)
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
    paths = results.write_comp4(tmp_path, 'test', names, stems, found(*(
        (stems.index(stem), label, score, [ymin, xmin, ymax, xmax])
        for label, stem, score, xmin, ymin, xmax, ymax in lines)))
    for path in map(pathlib.Path, paths):
        assert path.read_bytes() == (DATA / path.name).read_bytes()


def test_comp4_numbers_read_back_the_same(tmp_path):
    rng = np.random.RandomState(0)
    written = found(*((0, 1, rng.uniform() ** 9, rng.uniform(-9, 999, 4))
                      for _ in range(500)))
    path, = results.write_comp4(tmp_path, 'x', ['cat'], ['a'], written)
    read = np.loadtxt(path, np.float32, usecols=range(1, 6))
    np.testing.assert_array_equal(read[:, 0], written.scores)
    np.testing.assert_array_equal(
        read[:, 1:], written.bboxes[:, [1, 0, 3, 2]])


@pytest.mark.parametrize('name, written', [
    ('../../etc/passwd', '..%2F..%2Fetc%2Fpasswd'),
    ('a:b\n', 'a%3Ab%0A'), ('100%', '100%25'), ('chat été', 'chat été')])
def test_class_names_become_safe_file_names(name, written, tmp_path):
    results.write_comp4(
        tmp_path, 'test', [name], ['a'], found((0, 1, 0.5, [1, 2, 3, 4])))
    assert os.listdir(tmp_path) == [f'comp4_det_test_{written}.txt']


def test_names_of_any_length_and_kind_become_files(tmp_path):
    names = ['../../etc/passwd', '..', 'a\\b', '\x1b[2J\0', '猫' * 200,
             '猫' * 199 + '犬', 'x' * 10000]
    paths = results.write_comp4(
        tmp_path, 'test', names, ['a'], found((0, 1, .5, [1, 1, 2, 2])))
    assert len(set(paths)) == len(names)
    assert sorted(os.listdir(tmp_path)) == sorted(
        map(os.path.basename, paths))
    assert all(path.endswith('.txt') for path in paths)


def test_a_full_disk_is_said_and_leaves_no_half_file(tmp_path):
    path = tmp_path / 'metrics.json'
    path.write_text('old')
    with pytest.raises(OSError, match=f'too large, on writing: .*{path}'), (
            scripts.full_disk()):
        results.write_metrics(path, RESULTS)
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['metrics.json']


def test_a_full_disk_loses_no_scalars_in_silence(tmp_path):
    with pytest.raises(OSError, match=f'{tmp_path}/events.out.tfevents'), (
            scripts.full_disk()):
        results.write_scalars(str(tmp_path), RESULTS, 7)


def test_metrics_are_never_beside_files_of_other_detections(
        tmp_path, monkeypatch):
    def write(score):
        return results.write_files(
            tmp_path, 'test', ['a'], found((0, 1, score, [1, 2, 3, 4])),
            RESULTS)

    path = write(.5)
    assert json.loads(pathlib.Path(path).read_text())['mAP_VOC07'] == .5
    monkeypatch.setattr(results, 'write_metrics',
                        mock.Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write(.75)
    assert sorted(os.listdir(tmp_path)) == [
        'comp4_det_test_aeroplane.txt', 'comp4_det_test_cat.txt']
    assert ' 0.75' in (tmp_path / 'comp4_det_test_cat.txt').read_text()


@pytest.mark.parametrize('seed', range(5))
def test_a_killed_writer_leaves_whole_files(tmp_path, seed):
    path = tmp_path / 'metrics.json'
    writer = subprocess.Popen([sys.executable, '-c', (
        'import itertools, json, sys; from engine import output_files\n'
        'for number in itertools.count():\n'
        '    output_files.write_whole(sys.argv[1], (\n'
        '        "[", *(f"{number}," for _ in range(20000)), f"{number}]"))'),
        str(path)], cwd=scripts.ROOT)
    while not path.exists():
        time.sleep(.01)
    time.sleep(.01 * seed)
    writer.kill()
    writer.wait()
    assert len(set(json.loads(path.read_text()))) == 1
