"""Disks that are full or read-only, folders of results that vanish."""
import shutil
import subprocess

import pytest

from datasets import conversion
from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from engine import checkpoints
from engine import cli
from engine.data import convert
from engine.detecting import detect
from engine.evaluation import evaluate
from engine.training import train
from tests import scripts

CHECKPOINT = str(
    scripts.ROOT / 'checkpoints' / 'ssd_300_vgg_quarter_shapes.ckpt')
MODEL = 'ssd_300_vgg_quarter'
FULL, READ_ONLY = 'size=64k', 'ro'
CAUSES = {FULL: 'No space left on device', READ_ONLY: 'Read-only file system'}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    synthetic_shapes.write(folder / 'voc', 6, 0)
    for split_name in ('train', 'test'):
        scripts.write_records(folder / 'voc', folder, f'shapes_{split_name}',
                              drawing.CLASSES)
    return folder


@pytest.fixture
def mount(tmp_path):
    """Returns a function that makes a disk of some options."""
    def mount(options):
        process = subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', tmp_path],
            capture_output=True, text=True, check=False)
        if process.returncode:
            pytest.skip(f'No disk can be mounted here: {process.stderr}')
        return tmp_path

    yield mount
    subprocess.run(['umount', '--lazy', tmp_path], capture_output=True,
                   check=False)


def run_conversion(data, folder):
    convert.convert('pascalvoc', str(data / 'voc'), 'shapes_train', folder,
                    labels=','.join(drawing.CLASSES))


def run_training(data, folder):
    scripts.train(dataset_name='shapes', dataset_dir=str(data),
        train_dir=folder, model_name=MODEL, checkpoint_path=CHECKPOINT,
        batch_size=1, max_number_of_steps=1)


def run_evaluation(data, folder):
    scripts.evaluate(dataset_name='shapes', dataset_dir=str(data),
                     eval_dir=folder, checkpoint_path=CHECKPOINT)


def run_detection(data, folder):
    detect.run(scripts.options(
        'detect_ssd_network', input=str(data / 'voc' / 'JPEGImages'),
        output_dir=folder, checkpoint_path=CHECKPOINT))


@pytest.mark.parametrize('options', [FULL, READ_ONLY])
@pytest.mark.parametrize('run, whole', [
    (run_conversion, None), (run_training, None),
    (run_evaluation, 'metrics.json'), (run_detection, '000000.jpg')])
def test_a_disk_that_takes_nothing_more(data, mount, run, whole, options):
    folder = mount(options)
    with pytest.raises((ValueError, OSError)) as raised:
        run(data, str(folder))
    line, = cli.describe(raised.value).splitlines()
    assert CAUSES[options] in line and str(folder) in line
    results = {path.name for path in folder.iterdir()} & {
        'shapes_train.json', 'checkpoint', 'metrics.json', 'detections.json',
        '000000.jpg'}
    assert results == ({whole} if whole and options == FULL else set())


def remove_before(monkeypatch, folder, module, name):
    """Makes a function of a module remove a folder before it does its work."""
    function = getattr(module, name)

    def remove_and_call(*arguments):
        shutil.rmtree(folder)
        return function(*arguments)

    monkeypatch.setattr(module, name, remove_and_call)


@pytest.mark.parametrize('run, module, name', [
    (run_conversion, conversion, '_write_shards'),
    (run_detection, detect, '_loop')])
def test_a_folder_of_results_that_vanishes_is_named(
        data, tmp_path, monkeypatch, run, module, name):
    folder = tmp_path / 'results'
    remove_before(monkeypatch, folder, module, name)
    with pytest.raises(OSError) as raised:
        run(data, str(folder))
    line, = cli.describe(raised.value).splitlines()
    assert 'No such file or directory' in line and str(folder) in line


def test_an_evaluation_makes_its_folder_anew(data, tmp_path, monkeypatch):
    remove_before(monkeypatch, tmp_path / 'eval', evaluate, '_collect')
    run_evaluation(data, str(tmp_path / 'eval'))
    assert (tmp_path / 'eval' / 'metrics.json').exists()


def test_a_training_makes_its_folder_anew(data, tmp_path, monkeypatch):
    remove_before(monkeypatch, tmp_path / 'train', train, '_run_steps')
    run_training(data, str(tmp_path / 'train'))
    prefix = checkpoints.paths.find(str(tmp_path / 'train'))
    assert checkpoints.reader.global_step(prefix) == 1
