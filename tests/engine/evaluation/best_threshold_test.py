"""An evaluation, what detect makes of its threshold, and a second evaluation.

The network is small and has random weights; some of what it finds is declared
to be the objects.
"""
import contextlib
import io
import json
import os
import re
import shutil

import cv2
import numpy as np
import pytest
from pycocotools import coco
from pycocotools import cocoeval

from common import files
from datasets import tfrecords
from detection import average_precision
from engine.detecting import detector
from nets import nets_factory
from tests import detector_files
from tests import scripts
from tests import small_trunk
from tests.engine.evaluation import report_test

NAME = small_trunk.SSDNet.name
CLASSES = 'cat', 'dog', 'owl'
IMAGES = dict(zip(('a', 'b', 'c', 'd'), detector_files.pictures(4)))


@pytest.fixture(scope='module', autouse=True)
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets_factory.networks_map, NAME, small_trunk.SSDNet)
        yield


def png(image):
    return cv2.imencode('.png', image[..., ::-1])[1].tobytes()


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Images, records whose ids are not in their order, two evaluations."""
    folder = tmp_path_factory.mktemp('best')
    path = detector_files.save(
        folder / 'model', CLASSES, model_name=NAME)
    rng = np.random.default_rng(0)
    with detector.Detector(path, select_threshold=.01) as network, (
            tfrecords.open_writer(str(folder / 'toy_test_000.tfrecord'))
            ) as writer:
        for image_id, (name, image) in zip((70, 5, 60, 8), IMAGES.items()):
            files.write_whole(str(folder / 'in' / f'{name}.png'), [png(image)])
            found = network.detect(image)
            rows = np.flatnonzero(rng.random(len(found.names)) < .05)
            rows = rows[:0] if name == 'd' else rows  # Without objects.
            bboxes = (found.bboxes / np.tile(found.size, 2))[rows]
            writer.write(tfrecords.encode_example(tfrecords.Sample(
                png(image), b'PNG', f'{name}.png', *found.size, bboxes,
                found.class_ids[rows], [found.names[row] for row in rows],
                *np.zeros((2, len(rows)), int), str(image_id),
                (rng.random(len(rows)) < .2).astype(int))))
    manifest = {
        'format_version': 1, 'num_images': 4, 'classes': CLASSES,
        'category_ids': {'cat': 3, 'dog': 0, 'owl': 9}, 'files': [{
            'name': 'toy_test_000.tfrecord', 'num_records': 4, 'bytes': (
                folder / 'toy_test_000.tfrecord').stat().st_size}]}
    (folder / 'toy_test.json').write_text(json.dumps(manifest))
    evaluate(folder, 'first')
    return folder


def evaluate(folder, name, **changes):
    return scripts.evaluate(**{
        'dataset_name': 'toy', 'dataset_dir': str(folder), 'batch_size': 2,
        'checkpoint_path': str(folder / 'model'),
        'eval_dir': str(folder / name), **changes})


def load(path):
    return json.loads(path.read_text('utf-8'))


def f1(groundtruths, images):
    """Counts, by VOC's rule, what detections.json of detect has."""
    num_right = num_found = 0
    names = {row['id']: row['name'] for row in groundtruths['categories']}
    ids = {row['file_name']: row['id'] for row in groundtruths['images']}
    for image in images:
        objects = [row for row in groundtruths['annotations']
                   if row['image_id'] == ids[os.path.basename(image['file'])]]
        taken = set()
        for name, bbox in zip(image['names'], image['boxes'], strict=True):
            overlaps = {
                row['id']: average_precision.overlap(
                    np.array(bbox), np.array([y, x, y + height, x + width]))
                for row in objects if names[row['category_id']] == name
                for x, y, width, height in [row['bbox']]}
            best = max(overlaps, key=overlaps.get, default=None)
            fits = best is not None and overlaps[best] >= .5
            if fits and groundtruths['annotations'][best - 1]['iscrowd']:
                continue
            num_found += 1
            num_right += fits and best not in taken
            taken.add(best if fits else None)
    num_objects = sum(
        not row['iscrowd'] for row in groundtruths['annotations'])
    return 2 * num_right / (num_found + num_objects)


def test_detect_has_the_f1_that_the_evaluation_names(folder, capsys):
    best = load(folder / 'first' / 'metrics.json')['best_f1']
    assert 0 < best['f1'] < 1
    scripts.call(
        f'detect_ssd_network.py --checkpoint_path={folder}/model --save_coco '
        f'--input={folder}/in --output_dir={folder}/out '
        '--select_threshold=best')
    assert capsys.readouterr().out.startswith(
        f'--select_threshold=best: {best["select_threshold"]:.9g}\n')
    results = load(folder / 'out' / 'detections.json')
    assert results['select_threshold'] == best['select_threshold']
    assert f1(load(folder / 'first' / 'groundtruths.json'),
              results['images']) == pytest.approx(best['f1'], rel=1e-12)
    # The same once more in COCO's format.
    rows = load(folder / 'out' / 'coco_detections.json')
    assert [image['image_id'] for image in results['images']] == [1, 2, 3, 4]
    assert [row['score'] for row in rows] == pytest.approx([
        score for image in results['images'] for score in image['scores']],
        abs=1e-4)


def test_the_page_names_the_threshold_and_its_f1(folder):
    best = load(folder / 'first' / 'metrics.json')['best_f1']
    page = report_test.PageReader(folder / 'first' / 'report' / 'index.html')
    assert page.row('all')[:3] == [
        'all', f'{best["f1"]:.4f}', f'{best["select_threshold"]:.9g}']


def test_no_evaluation_no_best_threshold(folder, tmp_path):
    for path in folder.glob('model.*'):
        if path.suffix != '.json':
            shutil.copy(path, tmp_path)
    with pytest.raises(ValueError, match=(
            'is not there; an evaluation writes it: run eval_ssd_network.py '
            f'--checkpoint_path={tmp_path}/model first')):
        detector.Detector(tmp_path / 'model', select_threshold='best')
    # That of the evaluation is found by its folder.
    with detector.Detector(tmp_path / 'model', select_threshold=str(
            folder / 'first')) as network:
        assert network.select_threshold == load(
            folder / 'first' / 'metrics.json')['best_f1']['select_threshold']


def test_a_threshold_that_cannot_be_written_is_elsewhere(
        folder, tmp_path, capsys):
    for path in folder.glob('model.*'):
        if path.suffix != '.json':
            shutil.copy(path, tmp_path)
    (tmp_path / 'model.best_threshold.json').mkdir()
    evaluate(folder, 'fourth', report=False, metrics=('voc',),
             checkpoint_path=str(tmp_path / 'model'))
    assert (f'); --select_threshold={folder}/fourth finds it.\n'
            in capsys.readouterr().out)


def test_cocos_numbers_are_those_of_the_files(folder):
    with contextlib.redirect_stdout(io.StringIO()):
        index = coco.COCO(folder / 'first' / 'groundtruths.json')
        oracle = cocoeval.COCOeval(index, index.loadRes(
            str(folder / 'first' / 'detections.json')), 'bbox')
        oracle.evaluate()
        oracle.accumulate()
        oracle.summarize()
    metrics = load(folder / 'first' / 'metrics.json')
    values = [value for name, value in metrics.items()
              if name.endswith('_COCO')]
    assert [-1 if value is None else value for value in values] == (
        pytest.approx(oracle.stats, rel=0, abs=1e-12))
    assert len(values) == 12 and .01 < metrics['mAP50-95_COCO'] < 1
    # Of the records and of the manifest.
    assert sorted(index.getImgIds()) == [5, 8, 60, 70]
    assert sorted(index.getCatIds()) == [0, 3, 9]


def test_two_evaluations_side_by_side(folder, capsys):
    evaluate(folder, 'second', compare=str(folder / 'first'),
             keep_top_k=60, metrics=('coco', 'voc'))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == ['class', 'AP50-95', 'COCO']
    start = lines.index(
        f'Compared with {folder}/first ({folder}/model, step 0):')
    assert lines[start + 1].split() == (
        'class AP50-95 COCO AP VOC07 AP VOC12 best F1').split()
    before, now = (load(folder / name / 'metrics.json')
                   for name in ('first', 'second'))
    name, value, change, *_ = lines[start + 5].split()
    assert name == 'all'
    assert value == f'{now["mAP50-95_COCO"]:.4f}'
    assert change == (
        f'{now["mAP50-95_COCO"] - before["mAP50-95_COCO"]:+.4f}')
    assert re.match(r'Images: \d better, \d worse: ', lines[start + 6])
    page = report_test.PageReader(folder / 'second' / 'report' / 'index.html')
    assert f'Compared with {folder}/first' in page.texts


def test_an_evaluation_is_the_same_as_itself(folder, capsys):
    """In the same folder, which is written anew."""
    evaluate(folder, 'first', compare=str(folder / 'first'), report=False)
    output = capsys.readouterr().out
    assert set(re.findall(r' [+-][\d.]+', output)) == {' +0.0000'}
    assert '\nImages: 0 better, 0 worse: ' in output


@pytest.mark.parametrize('changes, message', [
    ({'max_num_batches': 1, 'matching_threshold': .75},
     'num_images is 4 there and 2 here, matching_threshold is 0.5 there and '
     '0.75 here'),
    ({'compare': '{folder}/none'}, '{folder}/none/metrics.json is not there; '
     'give the --eval_dir of another evaluation'),
    ({'compare': '{folder}/cut'}, 'not a whole evaluation'),
    ({'compare': '{folder}/others'}, 'its images or objects are not those of '
     'this evaluation, though they are called alike; evaluate {folder}/model '
     'again'),
    ({'metrics': ('voc', 'cocoa')}, '--metrics=voc,cocoa: name one or more '
     'of voc, coco'),
    ({'metrics': ()}, '--metrics=: name one')])
def test_what_cannot_be_compared(folder, changes, message):
    for name, file in (('cut', 'detections'), ('others', 'groundtruths')):
        if not (folder / name).exists():
            shutil.copytree(folder / 'first', folder / name)
            with open(folder / name / f'{file}.json', 'a') as other:
                other.write(' x')
    changes = {'compare': str(folder / 'first'), **changes}
    if isinstance(changes['compare'], str):
        changes['compare'] = changes['compare'].format(folder=folder)
    with pytest.raises(ValueError, match=re.escape(
            message.format(folder=folder))):
        evaluate(folder, 'third', report=False, **changes)
