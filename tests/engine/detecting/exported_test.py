"""Detection and evaluation with exported files, as with their checkpoint."""
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from datasets.shapes import drawing
from engine import backends
from engine.detecting import detector
from engine.detecting import fastest
from engine.exporting import graph
from nets import nets_factory
from tests import exported_files
from tests import scripts
from tests import small_trunk

FORMATS = list(exported_files.FILES)


CHECKPOINT = str(
    scripts.ROOT / 'checkpoints' / 'ssd_300_vgg_quarter_shapes.ckpt')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Drawn shapes, as records and as photos, and the exported checkpoint."""
    folder = tmp_path_factory.mktemp('exported')
    scripts.synthetic_shapes.write(folder / 'voc', 6, 0, seed=3)
    scripts.write_records(
        folder / 'voc', folder, 'toy_test', labels=drawing.CLASSES)
    (folder / 'voc' / 'JPEGImages').rename(folder / 'photos')
    exported_files.write(folder, exported_files.build(CHECKPOINT),
                         model_name='ssd_300_vgg_quarter',
                         checkpoint='as it was', input_type='float32')
    return folder


@pytest.fixture(scope='module')
def paths(folder):
    return {name: str(folder / path)
            for name, path in exported_files.FILES.items()}


@pytest.fixture(scope='module')
def photos(folder):
    return [str(path) for path in sorted((folder / 'photos').iterdir())]


make = detector.Detector


def check_same(found, expected):
    assert sum(len(image.names) for image in expected) > 10
    for one, other in zip(found, expected, strict=True):
        assert one.names == other.names and one.size == other.size
        np.testing.assert_array_equal(one.class_ids, other.class_ids)
        # Of resizing, 1 in 400 bytes is rounded to the other side.
        np.testing.assert_allclose(one.scores, other.scores, 0, 1e-3)
        np.testing.assert_allclose(one.bboxes, other.bboxes, 0, .2)


def write_onnx(folder, **about):
    """Writes what says `about` of itself; returns its path."""
    with tf.Graph().as_default() as whole:
        tf.identity(tf.placeholder(
            tf.float32, [1, 8, 8, 3], backends.INPUT), backends.DETECTIONS[0])
        frozen = graph.Frozen(
            whole.as_graph_def(), (), backends.DETECTIONS[:1], (1, 8, 8, 3),
            'float32')
    return exported_files.write(
        folder, frozen, formats=['onnx'], **about)['onnx']


@pytest.mark.parametrize('name', FORMATS)
def test_all_formats_find_what_the_checkpoint_finds(paths, photos, name):
    with make(CHECKPOINT) as network, make(paths[name]) as exported:
        assert exported.class_names == network.class_names
        assert exported.model_name == network.model_name
        assert exported.checkpoint == paths[name]
        check_same(exported.detect(photos), network.detect(photos))
        assert exported.detect([]) == []


@pytest.mark.parametrize('options', [{'tile': '150'}, {'track': True}])
def test_tiles_and_identities_as_with_a_checkpoint(
        folder, paths, options):
    with make(CHECKPOINT, **options) as network, (
            make(paths['onnx'], **options)) as exported:
        found, expected = (
            [sample.found for sample in one.stream(folder / 'photos')]
            for one in (exported, network))
    check_same(found, expected)


def test_the_threshold_is_that_of_the_file_or_of_its_own_evaluation(tmp_path):
    path = write_onnx(tmp_path, best_threshold=.625)
    with make(path, select_threshold='best') as exported:
        assert exported.select_threshold == .625
    pathlib.Path(f'{path}.best_threshold.json').write_text(
        json.dumps({'best_f1': {'select_threshold': .25}}))
    with make(path, select_threshold='best') as exported:
        assert exported.select_threshold == .25


@pytest.mark.parametrize('options, message', [
    ({'anchors': 'voc', 'which': 'best'},
     '{path}: is exported, and --anchors, --which is decided on in it; leave '
     'that out.'),
    ({'compute_dtype': 'bfloat16'},
     '{path}: is exported, and --compute_dtype is decided on in it; leave that '
     'out.'),
    ({'class_names': ['a']},
     '{path}: is exported, and --labels is decided on in it; leave that out.'),
    ({'nms_threshold': .3},
     '--nms_threshold=0.3: {path} was exported with 0.45; leave the flag out, '
     'or export it again.'),
    ({'select_threshold': .001},
     '--select_threshold=0.001: {path} was exported with 0.01 and leaves out '
     'what is below; give a higher one, or export it again.'),
    ({'select_threshold': 'best'},
     '--select_threshold=best: {path}.best_threshold.json is not there; ')])
def test_what_the_file_has_decided_on_is_refused(paths, options, message):
    path = paths['onnx']
    with pytest.raises(ValueError, match='^' + re.escape(
            message.format(path=path))):
        make(path, **options)


def test_heads_alone_detect_nothing(tmp_path):
    path = write_onnx(tmp_path, heads_only=True)
    with pytest.raises(ValueError, match=f'^{path}: was exported with '
                       '--heads_only, which leaves the suppression out'):
        make(path)


def test_neither_tensorflow_nor_pillow_is_needed_for_arrays(paths):
    program = (
        'import sys\n'
        'for name in "tensorflow", "PIL", "absl", "tqdm", "tf_slim":\n'
        '    sys.modules[name] = None\n'
        'import numpy as np\n'
        'from engine.detecting import detector\n'
        f'with detector.Detector({paths["onnx"]!r}) as network:\n'
        '    print(network.detect(np.zeros((9, 9, 3), np.uint8)).size)\n')
    process = subprocess.run(
        [sys.executable, '-c', program], check=True, cwd=scripts.ROOT,
        capture_output=True, text=True)
    assert process.stdout == '(9, 9)\n'


def test_auto_is_the_fastest_that_finds_the_same(tmp_path, monkeypatch):
    monkeypatch.setitem(nets_factory.networks_map, exported_files.NAME,
                        small_trunk.SSDNet)
    path = exported_files.save(tmp_path / 'model')
    with make(path, engine='auto') as network:
        assert network.detect(np.zeros((9, 9, 3), np.uint8)).size == (9, 9)
        assert network.checkpoint == path
        note, = network.notes
    chosen, *rates = re.fullmatch(
        r'--engine=auto: (.+) is used \((.+)\)\.', note).groups()
    rates = dict(re.findall(r'([A-Za-z ]+) ([\d.]+) images/s', rates[0]))
    assert {name.strip() for name in rates} == {
        'TensorFlow', 'OpenVINO', 'ONNX Runtime', 'LiteRT'}
    assert chosen in {name.strip() for name in rates}


@pytest.mark.parametrize('place, name', [
    (fastest.export.FORMATS['openvino'], 'convert'),
    (backends, 'Backend')])
def test_auto_leaves_an_engine_out_that_fails(
        tmp_path, monkeypatch, place, name):
    monkeypatch.setitem(nets_factory.networks_map, exported_files.NAME,
                        small_trunk.SSDNet)
    path = exported_files.save(tmp_path / 'model')

    def fail(*_):
        raise RuntimeError('unknown operation\nin line 2')

    monkeypatch.setattr(place, name, fail)
    with make(path, engine='auto') as network:
        note, = network.notes
    assert ', OpenVINO is left out, unknown operation' in note
    assert 'line 2' not in note and 'OpenVINO is used' not in note


def test_auto_computes_in_float32():
    with pytest.raises(ValueError, match=(
            '^--engine=auto computes in float32, not in bfloat16; leave')):
        make(CHECKPOINT, engine='auto', compute_dtype='bfloat16')


def test_the_scripts_take_exported_files(folder, photos):
    scripts.run(folder, 'detect_ssd_network.py --input=photos '
                '--checkpoint_path=model.onnx --output_dir=found')
    content = json.loads((folder / 'found' / 'detections.json').read_text())
    with make(CHECKPOINT) as network:
        assert [one['names'] for one in content['images']] == [
            one.names for one in network.detect(photos)]
    assert content['checkpoint'] == 'model.onnx'
    metrics, expected = (evaluate(folder, path)
                         for path in (folder / 'model.xml', CHECKPOINT))
    assert metrics['mAP_VOC07'] == pytest.approx(expected['mAP_VOC07'], .01)
    assert metrics['step'] == 7
    assert (folder / 'model.xml.best_threshold.json').exists()


def evaluate(folder, path, *more):
    """Returns metrics.json of an evaluation of a file."""
    scripts.call(' '.join((
        f'eval_ssd_network.py --dataset_name=toy --dataset_dir={folder} '
        f'--checkpoint_path={path} --eval_dir={folder}/eval --report=False',
        *more)))
    return json.loads((folder / 'eval' / 'metrics.json').read_text())


def test_a_folder_of_them_names_them(folder):
    with pytest.raises(ValueError, match=re.escape(
            f'{folder}: the folder has exported files and no checkpoint; to '
            'detect or evaluate, give the path of one: '
            f'{folder}/model.onnx, {folder}/model.tflite, {folder}/model.xml, '
            f'{folder}/saved_model.')):
        make(str(folder))


def test_a_training_is_waited_for_and_no_file(folder):
    with pytest.raises(ValueError, match=(
            'model.xml: is an exported file; leave out --wait_for_checkpoints, '
            'which is for the folder of a training.$')):
        evaluate(folder, folder / 'model.xml', '--wait_for_checkpoints')
