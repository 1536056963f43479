"""Tests of engine.evaluation.results."""
import csv
import json
import math
import pathlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from detection import average_precision
from engine.evaluation import results
from tests import rows
from tests import scripts
from tests.engine.evaluation import detection_files_test
from tests.engine.evaluation import report_test


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


BEST = average_precision.OperatingPoint(.125, .5, .4, 2 / 3)
# With more than one metric of a rule, and a best threshold of all alone.
SEVERAL = average_precision.Results(
    {'AP_VOC07': .5, 'AP50-95_COCO': .25, 'AP50_COCO': .375,
     'APsmall_COCO': math.nan}, (class_result(
         'cat, "dog"', 1, 2, **{'AP_VOC07': .5, 'AP50_COCO': .375}),),
    average_precision.ClassResult('all', {}, 1, 2, best=BEST))


def write(folder, scores):
    """Returns what is in metrics.json, and what TensorBoard finds."""
    folder.mkdir(exist_ok=True)
    path = results.write_files(
        str(folder), detection_files_test.scored((), scores, rows.found()),
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


def test_the_table_has_a_column_for_each_rule():
    assert results.format_table(SEVERAL).splitlines() == [
        'class       AP VOC07  AP50-95 COCO  objects  detections',
        '-------------------------------------------------------',
        'cat, "dog"    0.5000                      1           2',
        '-------------------------------------------------------',
        'mAP           0.5000        0.2500        1           2',
        'COCO: mAP50 0.3750, APsmall -',
        'Best F1: 0.5000 (precision 0.4000, recall 0.6667) at '
        '--select_threshold=0.125']


def test_the_table_as_a_file(tmp_path):
    results.write_table(str(tmp_path), SEVERAL)
    with open(tmp_path / 'results.csv', newline='') as file:
        one, whole = csv.DictReader(file)
    best = {'best_f1': '0.5', 'precision': '0.4', 'recall': '0.666666667',
            'select_threshold': '0.125'}
    assert one == {
        'class': 'cat, "dog"', 'AP_VOC07': '0.5', 'AP50-95_COCO': '',
        'AP50_COCO': '0.375', 'APsmall_COCO': '', 'objects': '1',
        'detections': '2', **dict.fromkeys(best, '')}
    assert whole == {
        'class': 'all', 'AP_VOC07': '0.5', 'AP50-95_COCO': '0.25',
        'AP50_COCO': '0.375', 'APsmall_COCO': '', 'objects': '1',
        'detections': '2', **best}


def test_metrics_and_scalars(tmp_path):
    metrics, scalars = write(tmp_path / 'some', RESULTS)
    assert metrics == {
        'checkpoint': 'model', 'split': 'test', 'step': 7, 'mAP_VOC07': 0.5,
        'mAP_VOC12': 0.25, 'best_f1': None, 'classes': {
            'cat': {'AP_VOC07': 0.5, 'AP_VOC12': 0.25, 'best_f1': None,
                    'num_objects': 12, 'num_detections': 345},
            'aeroplane': {'AP_VOC07': None, 'AP_VOC12': None,
                          'best_f1': None, 'num_objects': 0,
                          'num_detections': 6}}}
    assert scalars == {
        'AP_VOC07/mAP': 0.5, 'AP_VOC07/cat': 0.5,
        'AP_VOC12/mAP': 0.25, 'AP_VOC12/cat': 0.25}
    metrics, scalars = write(tmp_path / 'several', SEVERAL)
    assert metrics['mAP50_COCO'] == scalars['AP50_COCO/mAP50'] == .375
    assert metrics['best_f1'] == {
        'select_threshold': .125, 'f1': .5, 'precision': .4, 'recall': 2 / 3}
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
        'AR10': .75, 'best_f1': None, 'num_objects': 4, 'num_detections': 5}
    assert scalars == {
        'AR10/cat': .25, 'AR10/dog': .75, 'AR10/mAR10': .5, 'speed/speed': 2}
    monkeypatch.setattr(average_precision, 'evaluate', lambda *_: OTHER)
    page = report_test.write(tmp_path)
    # It is beside COCO's; an empty cell is none to the reader.
    assert page.row('cat') == ['cat', '0.250', '0.252', '2', '3']
    assert page.row('class')[:3] == ['class', 'AR10', 'speed']
    assert 'Evaluation: mAR10 0.500' in page.texts
    assert 'speed' in page.texts


def test_a_full_disk_is_said_and_metrics_are_of_the_detections_beside_them(
        tmp_path):
    write(tmp_path, RESULTS)
    path = tmp_path / 'metrics.json'
    with pytest.raises(OSError, match=f'too large, on writing: .*{tmp_path}'), (
            scripts.full_disk()):
        write(tmp_path, NOTHING)
    assert not path.exists()
    with pytest.raises(OSError, match=f'{tmp_path}/events.out.tfevents'), (
            scripts.full_disk()):
        results.write_scalars(str(tmp_path), RESULTS, 7)
