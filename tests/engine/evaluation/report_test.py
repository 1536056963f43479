"""The report of evaluations small enough to be counted by hand."""
import base64
import csv
import html.parser
import os
import re

import cv2
import numpy as np
import pytest

from common import drawing
from datasets import tfrecords
from detection import average_precision
from detection import coco_metrics
from engine.evaluation import detection_files
from engine.evaluation import pictures
from engine.evaluation import report
from tests import rows

CAT, DOG = 1, 2
CATS_BBOX, DOGS_BBOX = [0, 0, 99, 39], [0, 60, 99, 99]
OBJECTS = rows.objects(
    (0, CAT, CATS_BBOX, 0), (0, DOG, DOGS_BBOX, 0), (1, CAT, CATS_BBOX, 0),
    (2, DOG, DOGS_BBOX, 1))
FOUND = rows.found(
    (0, CAT, .9, CATS_BBOX), (0, CAT, .8, DOGS_BBOX), (0, DOG, .3, CATS_BBOX),
    (2, CAT, .95, CATS_BBOX))
NO_OBJECTS, NOTHING_FOUND = rows.objects(), rows.found()
GREY = cv2.imencode('.png', np.full((100, 100, 3), 128, np.uint8))[1].tobytes()


class PageReader(html.parser.HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.images, self.rows, self.texts = [], [], [], []
        self.is_in_cell, self.path = False, path
        self.source = path.read_text('utf-8')
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == 'img':
            self.images.append(dict(attrs))
        if tag == 'tr':
            self.rows.append([])
        self.is_in_cell = tag in ('td', 'th')

    def handle_endtag(self, tag):
        self.is_in_cell = False

    def handle_data(self, data):
        if self.is_in_cell:
            self.rows[-1].append(data)
        self.texts.append(' '.join(data.split()))

    def row(self, name, number=0):
        """Returns the cells of one of the rows that begin with a name."""
        return [row for row in self.rows if row[0] == name][number]

    def jpegs(self):
        """Returns the pictures that are JPEGs."""
        return [cv2.imdecode(np.frombuffer(
            base64.b64decode(image['src'].partition(',')[2]), np.uint8), 1)
            for image in self.images if 'jpeg' in image['src']]


def write(folder, groundtruths=OBJECTS, found=FOUND,
          class_names=('cat', 'dog'), names=('a', 'b', 'c'), encoded=GREY,
          width=100, compared=None, **about):
    """Writes the report of images, which are in the records backwards."""
    by_voc = average_precision.evaluate(groundtruths, found, class_names)
    paths = [str(folder / f'records_{name}') for name in names[::-1]]
    for path, name in zip(paths, names[::-1], strict=True):
        with tfrecords.open_writer(path) as writer:
            writer.write(tfrecords.encode_example(tfrecords.Sample(
                encoded, b'PNG', name, 100, width, [], [], [], [], [])))
    images = tuple(detection_files.Image(
        name, record, name, record, 100, width)
        for name, record in zip(names, range(len(names))[::-1]))
    scored = detection_files.Scored(
        images, tuple(range(1, len(class_names) + 1)), groundtruths, found,
        average_precision.combine([by_voc, coco_metrics.evaluate(
            groundtruths, found, class_names)], by_voc))
    path = report.write(
        str(folder / 'report'), about, paths, scored,
        compared=compared and compared(scored))
    assert path == str(folder / 'report' / 'index.html')
    return PageReader(folder / 'report' / 'index.html')


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    return write(tmp_path_factory.mktemp('report'), step=7)


def test_the_page_counts_right(page):
    assert page.row('class', 2) == [
        'class', 'objects', 'correct', 'wrong class', 'localisation',
        'duplicate', 'background', 'missed']
    # Of the two cats two detections count: the best, in c, and the right one.
    assert page.row('cat', 2) == ['cat', *'2100011']
    assert page.row('dog', 2) == ['dog', *'1010001']
    assert page.row('all', 1) == ['all', *'3110012']
    assert 'cat taken for dog: 1' in page.texts


def test_the_page_scores_right(page):
    assert page.row('class') == [
        'class', 'AP VOC07', 'AP VOC12', 'AP50-95 COCO', 'objects',
        'detections']
    # Precision 0 of 1, 1 of 2, 1 of 3; the second is best, with recall 1/2.
    assert page.row('cat') == ['cat', '0.273', '0.250', '0.252', '2', '3']
    assert page.row('dog') == ['dog', '0.000', '0.000', '0.000', '1', '1']
    text = ' '.join(filter(None, page.texts))
    assert 'Evaluation: mAP 0.136' in text
    assert ('0.136 mAP, VOC07 0.125 mAP, VOC12 0.126 mAP50-95, COCO 0.400 '
            'best F1 3 objects 4 detections step 7') in text
    assert 'COCO: mAP50 0.126 mAP75 0.126 mAPsmall - mAPmedium 0.126' in text


def test_the_page_says_the_best_threshold(page):
    assert page.row('class', 1) == [
        'class', 'best F1', 'at threshold', 'precision', 'recall']
    assert page.row('cat', 1) == ['cat', '0.5000', '0.85', '0.500', '0.500']
    assert page.row('dog', 1) == ['dog', '-', '-', '-', '-']
    # Of three objects, and two detections of 0.85 and more, one is right.
    assert page.row('all') == ['all', '0.4000', '0.85', '0.500', '0.333']
    assert '--select_threshold=best' in page.texts


def test_the_page_parts_objects_by_size(page):
    assert page.row('class', 3) == [
        'class', 'small', 'objects', 'medium', 'objects', 'large', 'objects']
    assert page.row('cat', 3) == ['cat', '-', '0', '0.252', '2', '-', '0']
    assert page.row('all', 2) == ['all', '-', '0', '0.126', '3', '-', '0']


def test_the_pictures_are_those_of_the_worst_images(page):
    assert [text for text in page.texts if ' · ' in text] == [
        'a · 1 found, 1 missed', 'c · cat 0.95: background',
        'a · cat 0.80: wrong class (dog)', 'a · 1 missed', 'b · 1 missed']
    assert len(page.jpegs()) == 5


def test_numbers_of_the_curves(page):
    folder = page.path.parent
    assert (folder / 'precision_recall_cat.csv').read_text() == (
        'score,precision,recall\n0.95,0,0\n0.9,0.5,0.5\n0.8,0.333333,0.5\n')
    with open(folder / 'errors.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['class'] for row in rows] == ['cat', 'dog']
    assert rows[1]['wrong class'] == '1'
    # Above 0.85: of the cats one, and one where nothing is.
    assert (folder / 'confusion_matrix.csv').read_text() == (
        'object,not found,cat,dog\nno object,0,1,0\ncat,1,1,0\ndog,1,0,0\n')
    assert (folder / 'images.csv').read_text() == (
        'image,found,missed,wrong\na,1,1,0\nb,0,1,0\nc,0,0,1\n')
    assert sorted(os.listdir(folder)) == sorted([
        'index.html', 'overview.png', 'errors.csv', 'f1.png', 'images.csv',
        'confusion_matrix.csv', 'confusion_matrix.png',
        *(f'precision_recall_{name}.{kind}'
          for name in ('cat', 'dog') for kind in ('csv', 'png'))])
    for name in ('overview', 'f1', 'confusion_matrix',
                 'precision_recall_dog'):
        assert cv2.imread(str(folder / f'{name}.png')).std() > 0


def test_the_page_needs_nothing_but_itself(page):
    assert all(image['src'].startswith('data:image/')
               for image in page.images)
    assert all(image['alt'] for image in page.images)
    assert not {'script', 'iframe', 'object'} & set(page.tags)
    assert "default-src 'none'; img-src data:;" in page.source
    assert page.source.endswith('</html>\n')
    assert not re.search(r'(src|href)="(?!data:)|url\(|@import|http:',
                         page.source)


def test_names_are_escaped(tmp_path):
    names = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>',
             "a'b & c", '$x^{$', 'a\\b/c', '猫', 'x' * 150]
    page = write(tmp_path, class_names=names, names=['<b>"x"', 'b', 'c'],
                 **{names[0]: names[1]})
    for name in names:
        assert page.row(name)[0] == page.row(name, 1)[0] == name
    assert names[0] in page.texts and names[1] in page.texts
    assert '<b>"x" · 1 missed' in page.texts
    assert '<b>"x"' in [image['alt'] for image in page.images]
    assert 'script' not in page.tags
    # At the top, of COCO's others, of the best threshold.
    assert page.tags.count('b') == 6 + 11 + 2


@pytest.mark.parametrize('groundtruths, found, num_missed, num_wrong', [
    (NO_OBJECTS, FOUND, 0, 2), (OBJECTS, NOTHING_FOUND, 3, 0),
    (NO_OBJECTS, NOTHING_FOUND, 0, 0)])
@pytest.mark.filterwarnings('error')
def test_nothing(groundtruths, found, num_missed, num_wrong, tmp_path):
    page = write(tmp_path, groundtruths, found)
    assert page.row('all') == [
        'all', str(num_missed), *'00000', str(num_missed)]
    assert 'Nothing is found.' in page.texts
    assert any('no threshold is best' in text for text in page.texts)
    assert ('Nothing is missed.' in page.texts) == (not num_missed)
    assert ('Nothing that was detected is wrong.' in page.texts) == (
        not num_wrong)


def test_one_class_and_an_image_that_cannot_be_decoded(tmp_path):
    page = write(tmp_path, rows.objects((0, CAT, CATS_BBOX, 0)), rows.found(
        (0, CAT, .5, DOGS_BBOX)), ['cat'], ['a'], encoded=b'no image')
    assert page.row('cat', 1) == ['cat', '1', '0', '0', '0', '0', '1', '1']
    assert page.texts.count('The image cannot be decoded.') == 2


def test_boxes_are_drawn_where_they_are(tmp_path):
    page = write(
        tmp_path, rows.objects((0, CAT, [20, 500, 90, 900], 0)),
        NOTHING_FOUND, ['cat'], ['a'], cv2.imencode(
            '.png', np.zeros((100, 1000, 3), np.uint8))[1].tobytes(), 1000)
    picture, = page.jpegs()
    assert picture.shape == (56, 560, 3)
    orange = drawing.class_color(pictures.MISSED)
    np.testing.assert_allclose(picture[30, 280, ::-1], orange, atol=60)
    assert picture[30, 200].max() < 30


def test_colors_are_those_that_the_page_names():
    found, missed, wrong, difficult = map(
        drawing.class_color,
        (pictures.FOUND, pictures.MISSED, pictures.WRONG,
         pictures.DIFFICULT))
    assert found[1] == max(found) and difficult[2] == max(difficult)
    assert wrong[0] == 255 > 2 * wrong[1]
    assert missed[0] == 255 and missed[1] > 2 * missed[2]
