"""Evaluations from records and a checkpoint to what they leave behind."""
import json
import shutil
import types
from unittest import mock

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from datasets import tfrecords
from datasets.voc import pascalvoc
from engine.evaluation import evaluate
from engine.evaluation import options
from tests import detector_files
from tests import scripts
from tests.engine.evaluation import report_test

SHAPES = {'wide': (20, 40), 'tall': (40, 20)}


def write(path, images):
    """Writes records of a dog: of each name the bytes of an image."""
    with tfrecords.open_writer(str(path)) as writer:
        for name, encoded in images.items():
            writer.write(tfrecords.encode_example(tfrecords.Sample(
                encoded, b'JPEG', f'{name}.jpg', *SHAPES.get(name, (20, 20)),
                [[0, 0, 1, 1]], [12], ['dog'], [0], [0])))


def jpeg(height, width):
    picture = np.full((height, width, 3), 90, np.uint8)
    return cv2.imencode('.jpg', picture)[1].tobytes()


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Records of two images, a checkpoint of random weights."""
    folder = tmp_path_factory.mktemp('evaluation')
    write(folder / 'voc_2007_test_000.tfrecord',
          {name: jpeg(*shape) for name, shape in SHAPES.items()})
    detector_files.save(folder / 'model', pascalvoc.LABELS)
    return folder


def evaluated(folder, eval_dir, **changes):
    return scripts.evaluate(**{
        'dataset_name': 'pascalvoc_2007', 'dataset_dir': str(folder),
        'checkpoint_path': str(folder / 'model'), 'eval_dir': str(eval_dir),
        **changes})


def test_an_evaluation_in_a_few_lines_of_python(
        folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('HOME', str(tmp_path))
    results = evaluate.run(
        options.Data('pascalvoc_2007', str(folder)),
        options.Model(str(folder / 'model')),
        run=options.Run(eval_dir='~/eval'))
    assert capsys.readouterr().out.splitlines()[-1] == (
        f'Next: python detect_ssd_network.py --checkpoint_path={folder}/model '
        '--input=IMAGE_FOLDER_OR_VIDEO')  # Nothing is found: no threshold.
    metrics = json.loads((tmp_path / 'eval' / 'metrics.json').read_text())
    assert metrics['mAP_VOC07'] == results.metrics['AP_VOC07']
    assert list(metrics['classes']) == list(pascalvoc.LABELS)
    assert metrics['classes']['dog']['num_objects'] == 2
    assert metrics['num_images'] == 2
    page = report_test.PageReader(tmp_path / 'eval' / 'report' / 'index.html')
    assert page.row('dog', 1)[1] == '2'
    # The images' names are in another order than the records.
    captions = [text.split()[0] for text in page.texts if ' · ' in text]
    assert set(captions) == set(SHAPES)
    assert [picture.shape[:2] for picture in page.jpegs()] == [
        SHAPES[name] for name in captions]


def test_crowds_are_not_to_be_found(folder, tmp_path):
    path = tmp_path / 'voc_2007_test_000.tfrecord'
    with tfrecords.open_writer(str(path)) as writer:
        writer.write(tfrecords.encode_example(tfrecords.Sample(
            jpeg(20, 20), b'JPEG', '1.jpg', 20, 20,
            [[0, 0, .5, 1], [.5, 0, 1, .5], [.5, .5, 1, 1]], [12] * 3,
            ['dog'] * 3, [0, 1, 0], [0] * 3, is_crowd=[0, 0, 1])))
    for remove_difficult, num in ((True, 1), (False, 2)):
        results = evaluated(
            tmp_path, tmp_path / 'eval', report=False,
            checkpoint_path=str(folder / 'model'),
            remove_difficult=remove_difficult)
        assert {row.name: row.num_objects for row in results.classes}[
            'dog'] == num


def test_classes_in_another_order_are_told_by_their_names(folder, tmp_path):
    names = pascalvoc.LABELS[::-1]
    prefix = detector_files.save(tmp_path / 'turned', names)
    evaluated(folder, tmp_path / 'eval', report=False)
    evaluated(folder, tmp_path / 'eval_turned', report=False,
              checkpoint_path=prefix)
    for name, turned in zip(pascalvoc.LABELS, names, strict=True):
        assert (tmp_path / f'eval/comp4_det_test_{name}.txt').read_text() == (
            tmp_path / f'eval_turned/comp4_det_test_{turned}.txt').read_text()


def test_checkpoints_are_scored_as_they_come(
        folder, tmp_path, monkeypatch, capsys):
    logs = tmp_path / 'logs'

    def write_state(prefix):
        logs.mkdir(exist_ok=True)
        (logs / 'checkpoint').write_text(f'model_checkpoint_path: "{prefix}"')

    def write_checkpoint():
        for path in folder.glob('model.*'):
            shutil.copy(path, logs)
        write_state('/elsewhere/model')  # The folder was copied from there.

    # What has happened whenever the evaluation looks again.
    events = [lambda: None, lambda: write_state('model.ckpt-1'),
              write_checkpoint, lambda: None]

    def sleep(seconds):
        if not events:
            raise KeyboardInterrupt
        events.pop(0)()

    monkeypatch.setattr(evaluate, 'time', types.SimpleNamespace(sleep=sleep))
    with pytest.raises(KeyboardInterrupt):
        evaluated(folder, tmp_path, report=False, wait_for_checkpoints=True,
                  checkpoint_path=str(logs), max_num_batches=1)
    output = capsys.readouterr().out
    assert f'checkpoints in {logs}, which is not there yet; Ctrl-C' in output
    assert f'{logs}/model.ckpt-1: was removed before it was read' in output
    assert output.count(f'{logs}/model (step 0) on 1 images of ') == 1
    assert not (tmp_path / 'report').exists()


@pytest.mark.parametrize('name', [
    'model', 'model.index', 'voc_2007_test_000.tfrecord', 'model.ckpt-7',
    'model.ckpt.zip'])
def test_only_of_a_folder_are_checkpoints_waited_for(folder, tmp_path, name):
    with pytest.raises(ValueError, match=(
            f'^--checkpoint_path={folder}/{name}: --wait_for_checkpoints '
            'needs the folder of a training')):
        evaluated(folder, tmp_path, wait_for_checkpoints=True,
                  checkpoint_path=str(folder / name))


def test_a_folder_that_cannot_be_written_is_said_at_once(folder, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match=f'{tmp_path}/file'):
        evaluated(folder, tmp_path / 'file' / 'eval')


def test_a_damaged_image_is_named_and_another_error_stays(
        folder, tmp_path, monkeypatch):
    write(tmp_path / 'voc_2007_test_000.tfrecord',
          {'whole': jpeg(20, 20), 'cut': jpeg(20, 20)[:300]})
    with pytest.raises(ValueError, match=(
            r'voc_2007_test_000.tfrecord, record 1: the image cut cannot be '
            r'decoded: .*\. Convert it again\.')):
        evaluated(folder, tmp_path / 'eval', dataset_dir=str(tmp_path))
    monkeypatch.setattr(evaluate, 'collect', mock.Mock(
        side_effect=tf.errors.InvalidArgumentError(None, None, 'other')))
    with pytest.raises(tf.errors.InvalidArgumentError, match='other'):
        evaluated(folder, tmp_path)
