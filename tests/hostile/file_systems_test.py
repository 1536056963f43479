"""Disks that are full or read-only, folders of results that vanish."""
import shutil
import subprocess

import pytest

from datasets import conversion
from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from engine import cli
from engine.data import convert
from engine.detecting import detect
from engine.detecting import options
from engine.evaluation import evaluate
from engine.training import train
from nets import nets_factory
from tests import scripts
from tests import small_trunk

CHECKPOINT = str(scripts.ROOT / 'checkpoints/ssd_300_vgg_quarter_shapes.ckpt')
RESULTS = {'shapes_train.json', 'checkpoint', 'metrics.json',
           'detections.json', '000000.jpg'}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    synthetic_shapes.write(folder / 'voc', 2, 0)
    run_conversion(folder, str(folder))
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
    subprocess.call(['umount', '--lazy', tmp_path], stderr=subprocess.DEVNULL)


def run_conversion(data, folder):
    convert.convert('pascalvoc', str(data / 'voc'), 'shapes_train', folder,
                    labels=','.join(drawing.CLASSES))


def run_training(data, folder):
    name = small_trunk.SSDNet.name
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets_factory.networks_map, name, small_trunk.SSDNet)
        scripts.train(dataset_name='shapes', dataset_dir=str(data),
                      preprocessing_name='resize_only', train_dir=folder,
                      model_name=name, batch_size=1, max_number_of_steps=1)


def run_evaluation(data, folder):
    scripts.evaluate(dataset_name='shapes', dataset_split_name='train',
                     dataset_dir=str(data), eval_dir=folder,
                     checkpoint_path=CHECKPOINT)


def run_detection(data, folder):
    detect.run(options.Model(CHECKPOINT), options.Detection(),
               options.Source(str(data / 'voc' / 'JPEGImages')),
               options.Run(output_dir=folder))


@pytest.mark.parametrize('disk, cause', [
    ('size=64k', 'No space left on device'), ('ro', 'Read-only file system')])
@pytest.mark.parametrize('run, whole', [
    (run_conversion, set()), (run_training, set()),
    (run_evaluation, {'metrics.json', 'detections.json'}),
    (run_detection, {'000000.jpg'})])
def test_a_disk_that_takes_nothing_more(
        data, mount, run, whole, disk, cause):
    folder = mount(disk)
    with pytest.raises((ValueError, OSError)) as raised:
        run(data, str(folder))
    line, = cli.describe(raised.value).splitlines()
    assert cause in line and str(folder) in line
    results = {path.name for path in folder.iterdir()} & RESULTS
    assert results == (whole if disk != 'ro' else set())


@pytest.mark.parametrize('run, module, name, result', [
    (run_conversion, conversion, '_publish', None),
    (run_detection, detect, '_loop', None),
    (run_evaluation, evaluate, 'collect', 'metrics.json'),
    (run_training, train, '_run_steps', 'checkpoint')])
def test_a_folder_that_vanishes_is_made_anew_or_named(
        data, tmp_path, monkeypatch, run, module, name, result):
    folder, function = tmp_path / 'results', getattr(module, name)

    def remove_and_call(*arguments):
        shutil.rmtree(folder)
        return function(*arguments)

    monkeypatch.setattr(module, name, remove_and_call)
    if result is None:
        with pytest.raises(OSError, match=f'No such file or dir.*{folder}'):
            run(data, str(folder))
    else:
        run(data, str(folder))
        assert (folder / result).exists()
