"""The report of evaluations small enough to be counted by hand."""
import csv
import html.parser
import json
import os
import re

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from common import drawing
from datasets import tfrecords
from datasets.shapes import drawing as shape_drawing
from datasets.shapes import synthetic_shapes
from detection import average_precision
from detection import error_kinds
from engine.evaluation import evaluate
from engine.evaluation import figures
from engine.evaluation import pictures
from engine.evaluation import report
from engine.evaluation import report_page
from nets import ssd_vgg_300
from tests import record_samples_test
from tests import scripts
from tests import voc_errors_test

CAT, DOG = 1, 2
CATS_BBOX, DOGS_BBOX = [0, 0, 99, 39], [0, 60, 99, 99]
GROUNDTRUTHS = voc_errors_test.objects(
    (0, CAT, CATS_BBOX, 0), (0, DOG, DOGS_BBOX, 0), (1, CAT, CATS_BBOX, 0),
    (2, DOG, DOGS_BBOX, 1))
DETECTIONS = voc_errors_test.found(
    (0, CAT, .9, CATS_BBOX), (0, CAT, .8, DOGS_BBOX), (0, DOG, .3, CATS_BBOX),
    (2, CAT, .95, CATS_BBOX))
NAMES = ['a', 'b', 'c']


def results_of(groundtruths, detections, class_names=('cat', 'dog')):
    return average_precision.evaluate(groundtruths, detections, class_names)


def write_images(path, names=NAMES, encoded=None):
    if encoded is None:
        pixels = np.full((100, 100, 3), 128, np.uint8)
        encoded = cv2.imencode('.png', pixels)[1].tobytes()
    return record_samples_test.write(path, [
        tfrecords.encode_example(tfrecords.Sample(
            encoded, b'PNG', f'{name}.png' if name else '', 100, 100, [], [],
            [], [], [])) for name in names])


class PageReader(html.parser.HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.images, self.rows, self.texts = [], [], [], []
        self.is_in_row = False
        self.feed(path.read_text('utf-8'))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == 'img':
            self.images.append(dict(attrs))
        if tag == 'tr':
            self.rows.append([])
            self.is_in_row = True

    def handle_endtag(self, tag):
        if tag == 'tr':
            self.is_in_row = False

    def handle_data(self, data):
        if self.is_in_row:
            self.rows[-1].append(data)
        self.texts.append(data)

    def row(self, name, number=0):
        """Returns the cells of one of the rows that begin with a name."""
        return [row for row in self.rows if row[0] == name][number]


def write(tmp_path, groundtruths=GROUNDTRUTHS, detections=DETECTIONS,
          class_names=('cat', 'dog'), names=NAMES, encoded=None, **about):
    path = write_images(tmp_path / 'records', names, encoded)
    path = report.write(
        str(tmp_path / 'report'), about, [path], names, groundtruths,
        detections, results_of(groundtruths, detections, class_names))
    assert path == str(tmp_path / 'report' / 'index.html')
    return PageReader(tmp_path / 'report' / 'index.html')


def test_the_page_counts_right(tmp_path):
    page = write(tmp_path)
    head = page.row('class', 1)
    assert head == ['class', 'objects', 'correct', 'wrong class',
                    'localisation', 'duplicate', 'background', 'missed']
    # Of the two cats two detections count: the best, in c, and the right one.
    assert page.row('cat', 1) == ['cat', '2', '1', '0', '0', '0', '1', '1']
    assert page.row('dog', 1) == ['dog', '1', '0', '1', '0', '0', '0', '1']
    assert page.row('all') == ['all', '3', '1', '1', '0', '0', '1', '2']
    assert 'cat taken for dog: 1' in page.texts
    # Precision 0 of 1, 1 of 2, 1 of 3; the second is best, with recall 1/2.
    assert page.row('cat') == [
        'cat', '0.273', '0.250', '2', '3', '0.500', '0.90']
    assert page.row('dog') == ['dog', '0.000', '0.000', '1', '1', '-', '-']


def test_the_pictures_are_those_of_the_worst_images(tmp_path):
    page = write(tmp_path)
    captions = [text for text in page.texts if ' · ' in text]
    assert captions == [
        'c · cat 0.95: background', 'a · cat 0.80: wrong class (dog)',
        'a · 1 missed', 'b · 1 missed']
    jpegs = [image['src'] for image in page.images if 'jpeg' in image['src']]
    assert len(jpegs) == 4


def test_numbers_of_the_curves(tmp_path):
    write(tmp_path)
    folder = tmp_path / 'report'
    assert (folder / 'precision_recall_cat.csv').read_text() == (
        'score,precision,recall\n0.95,0,0\n0.9,0.5,0.5\n0.8,0.333333,0.5\n')
    with open(folder / 'errors.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['class'] for row in rows] == ['cat', 'dog']
    assert rows[1]['wrong class'] == '1'
    assert sorted(os.listdir(folder)) == sorted([
        'index.html', 'overview.png', 'errors.csv',
        *(f'precision_recall_{name}.{kind}'
          for name in ('cat', 'dog') for kind in ('csv', 'png'))])
    for name in ('overview', 'precision_recall_dog'):
        assert cv2.imread(str(folder / f'{name}.png')).std() > 0


def test_the_page_needs_nothing_but_itself(tmp_path):
    page = write(tmp_path)
    assert all(image['src'].startswith('data:image/')
               for image in page.images)
    assert all(image['alt'] for image in page.images)
    assert not {'script', 'iframe', 'object'} & set(page.tags)
    text = (tmp_path / 'report' / 'index.html').read_text()
    assert not re.search(r'(src|href)="(?!data:)|url\(|@import|http:', text)


@pytest.mark.parametrize('name', [
    '<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "a'b & c",
    '$x^{$', 'a\\b/c', '猫', 'x' * 150])
def test_names_are_escaped(name, tmp_path):
    page = write(tmp_path, class_names=(name, 'dog'), data=name)
    assert page.row(name)[0] == name
    assert page.texts.count(name) >= 3
    assert 'script' not in page.tags
    assert all('onerror' not in image for image in page.images)


def test_names_of_images_are_escaped(tmp_path):
    name = '<b>"x"'
    page = write(tmp_path, names=[name, 'b', 'c'])
    assert f'{name} · 1 missed' in page.texts
    assert name in [image['alt'] for image in page.images]
    assert page.tags.count('b') == 4  # The numbers at the top.


@pytest.mark.parametrize('groundtruths, detections', [
    (voc_errors_test.NO_OBJECTS, DETECTIONS),
    (GROUNDTRUTHS, voc_errors_test.NOTHING_FOUND),
    (voc_errors_test.NO_OBJECTS, voc_errors_test.NOTHING_FOUND)],
    ids=['no objects', 'no detections', 'nothing'])
@pytest.mark.filterwarnings('error')
def test_nothing(groundtruths, detections, tmp_path):
    page = write(tmp_path, groundtruths, detections)
    num_objects = 3 if len(groundtruths.classes) else 0
    assert page.row('all') == [
        'all', str(num_objects), '0', '0', '0', '0', '0', str(num_objects)]
    is_missed = 'Nothing is missed.' not in page.texts
    assert is_missed == (num_objects > 0)
    is_wrong = 'Nothing that was detected is wrong.' not in page.texts
    assert is_wrong == (len(detections.classes) > 0)


def test_one_class(tmp_path):
    page = write(
        tmp_path, voc_errors_test.objects((0, 1, CATS_BBOX, 0)),
        voc_errors_test.found((0, 1, .5, CATS_BBOX)), ['cat'], ['a'])
    assert page.row('cat', 1) == ['cat', '1', '1', '0', '0', '0', '0', '0']
    assert page.texts.count('1.000') == 5


def test_an_image_that_cannot_be_decoded(tmp_path):
    page = write(tmp_path, encoded=b'no image')
    assert page.texts.count('The image cannot be decoded.') == 4


def test_images_are_found_by_name_and_by_number(tmp_path):
    names = ['b', '', 'a', 'b']
    path = write_images(tmp_path / 'records', names)
    scored = ['000001', 'a', 'b', 'b']  # In the order of their numbers.
    samples = pictures.read_images([path], scored, {0, 1, 3})
    assert sorted(samples) == [0, 1, 3]
    assert [samples[number].filename for number in (0, 1, 3)] == [
        '', 'a.png', 'b.png']
    assert pictures.read_images([path], scored, set()) == {}


def test_boxes_are_drawn_where_they_are(tmp_path):
    sample = tfrecords.Sample(
        cv2.imencode('.png', np.zeros((100, 1000, 3), np.uint8))[1].tobytes(),
        b'PNG', '', 100, 1000, [], [], [], [], [])
    groundtruths = voc_errors_test.objects((0, CAT, [20, 500, 90, 900], 0))
    breakdown = error_kinds.break_down(
        groundtruths, voc_errors_test.NOTHING_FOUND)
    picture = cv2.imdecode(np.frombuffer(pictures.draw(
        pictures.Choice(0, np.zeros(0, int), 1), sample, groundtruths,
        voc_errors_test.NOTHING_FOUND, breakdown, ['cat']), np.uint8), 1)
    assert picture.shape == (56, 560, 3)
    orange = drawing.class_color(pictures.MISSED)
    np.testing.assert_allclose(picture[30, 280, ::-1], orange, atol=60)
    assert picture[30, 200].max() < 30


def test_colors_are_those_that_the_page_names():
    found, missed, wrong, difficult = map(
        drawing.class_color,
        (pictures.FOUND, pictures.MISSED,
         pictures.WRONG, pictures.DIFFICULT))
    assert found[1] == max(found) and difficult[2] == max(difficult)
    assert wrong[0] == 255 > 2 * wrong[1]
    assert missed[0] == 255 and missed[1] > 2 * missed[2]


def test_best_f1():
    result = results_of(GROUNDTRUTHS, DETECTIONS).classes[0]
    f1, row = figures.best_f1(result)
    assert f1 == .5
    assert row == 1


def test_numbers():
    assert report_page._number(np.nan) == '-'
    assert report_page._number(.12345) == '0.123'


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    """Records of drawn shapes and an untrained network."""
    folder = tmp_path_factory.mktemp('report')
    synthetic_shapes.write(folder / 'shapes', 0, 3, size=100)
    scripts.write_records(
        folder / 'shapes', folder, 'shapes_test', shape_drawing.CLASSES)
    params = ssd_vgg_300.SSDQuarterNet.default_params._replace(
        num_classes=1 + len(shape_drawing.CLASSES))
    scripts.save_network(
        folder / 'model', ssd_vgg_300.SSDQuarterNet(params))
    return folder


def options_of(folder, eval_dir, **changes):
    return scripts.options(
        'eval_ssd_network', dataset_name='shapes', dataset_dir=str(folder),
        checkpoint_path=str(folder / 'model'), eval_dir=str(eval_dir),
        model_name='ssd_300_vgg_quarter', max_num_batches=2, **changes)


def test_an_evaluation_writes_its_report(shapes, tmp_path):
    evaluate.run(options_of(shapes, tmp_path))
    page = PageReader(tmp_path / 'report' / 'index.html')
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    for name, result in metrics['classes'].items():
        assert page.row(name, 1)[1] == str(result['num_objects'])
    assert metrics['num_images'] == 2
    assert any(text.startswith('000000 · ') for text in page.texts)
    assert not any(text.startswith('000002 · ') for text in page.texts)


def test_no_report_where_none_is_wanted(shapes, tmp_path):
    evaluate.run(options_of(shapes, tmp_path, report=False))
    assert (tmp_path / 'metrics.json').exists()
    assert not (tmp_path / 'report').exists()


def test_a_checkpoint_that_was_removed_is_skipped(
        shapes, tmp_path, monkeypatch, capsys):
    removed, there = str(tmp_path / 'model.ckpt-1'), str(shapes / 'model')
    monkeypatch.setattr(tf.train, 'checkpoints_iterator',
                        lambda *_, **__: iter([removed, there]))
    evaluate.run(options_of(
        shapes, tmp_path, report=False, wait_for_checkpoints=True))
    output = capsys.readouterr().out
    assert f'{removed}: was removed before it was read' in output
    assert f'{there} (step 0)' in output


def test_a_folder_that_cannot_be_written_is_said_at_once(shapes, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match=f'{tmp_path}/file'):
        evaluate.run(options_of(shapes, tmp_path / 'file' / 'eval'))
