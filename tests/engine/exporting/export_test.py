"""Exports from a checkpoint to files that are proven, or refused.

The demo checkpoint, whose mAP says something, in all formats; a small network
of random weights for what goes wrong.
"""
import json
import shutil
import sys

import numpy as np
import onnx
import pytest

from datasets.shapes import drawing
from engine import backends
from engine.exporting import export
from engine.exporting import images
from engine.exporting import proof
from tests import detector_files
from tests import exported_files
from tests import scripts
from tests import small_trunk

DEMO = 'ssd_300_vgg_quarter_shapes.ckpt'
FORMATS = list(exported_files.FILES)
INT8_FORMATS = ('onnx', 'openvino', 'tflite')


pytestmark = pytest.mark.usefixtures('small_trunk_registered')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Records of the splits test and train of drawn shapes."""
    folder = tmp_path_factory.mktemp('shapes')
    scripts.synthetic_shapes.write(folder / 'voc', 10, 0, seed=3)
    for split in 'test', 'train':
        scripts.write_records(folder / 'voc', folder, f'toy_{split}',
                              labels=drawing.CLASSES)
    return folder


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """A copy of the demo checkpoint, with a threshold of an evaluation."""
    folder = tmp_path_factory.mktemp('demo')
    for path in (scripts.ROOT / 'checkpoints').glob(f'{DEMO}.[di]*'):
        shutil.copy(path, folder)
    (folder / f'{DEMO}.best_threshold.json').write_text(
        json.dumps({'best_f1': {'select_threshold': .625}}))
    return folder / DEMO


@pytest.fixture(scope='module')
def small(small_trunk_registered, tmp_path_factory):
    """A checkpoint of the small network."""
    return exported_files.save(tmp_path_factory.mktemp('small') / 'model')


def run(checkpoint, data, output_dir, command=''):
    """Exports as the script does."""
    scripts.call(
        f'export_ssd_network.py --checkpoint_path={checkpoint} '
        f'--dataset_name=toy --dataset_dir={data} --output_dir={output_dir} '
        + command)


def report(folder):
    return json.loads((folder / 'export.json').read_text())


def num_bytes(path):
    """Returns the size of an exported file."""
    paths = [path, *path.rglob('*')]
    if path.suffix == '.xml':
        paths.append(path.with_suffix('.bin'))
    return sum(part.stat().st_size for part in paths if part.is_file())


def check_report(folder, formats, max_loss, max_score, max_bbox):
    """Checks export.json, and that the files say the same of themselves."""
    content = report(folder)
    assert content['num_images'] == 10 and content['best_threshold'] == .625
    assert content['mAP_VOC07'] > .8
    assert [one['file'] for one in content['files']] == [
        exported_files.FILES[name] for name in formats]
    for one in content['files']:
        path = folder / one['file']
        assert one['is_good'] and one['images_per_second'] > 0
        assert one['num_detections'] > 20
        assert one['score_difference'] <= max_score
        assert one['bbox_difference'] <= max_bbox
        for metric in 'mAP_VOC07', 'mAP50-95_COCO':
            assert abs(one[metric] - content[metric]) <= max_loss
        assert one['num_bytes'] == num_bytes(path)
        with backends.Backend(str(path)) as backend:
            about = backend.about
        assert about.pop('sum') != backends.NO_SUM
        assert about.pop('checkpoint') == DEMO
        assert about == {name: content[name] for name in about}
        assert about['classes'] == list(drawing.CLASSES)
        assert about['image_shape'] == [300, 300]
        assert about['select_threshold'] == .01
    return content


@pytest.fixture(scope='module')
def exported(demo, data, tmp_path_factory):
    """The folder of an export in all formats."""
    folder = tmp_path_factory.mktemp('exported')
    run(demo, data, folder)
    return folder


def test_float32_is_as_good_in_all_formats(exported):
    content = check_report(exported, FORMATS, .001, 1e-5, .01)
    assert content['precision'] == 'float32'
    # A tie may be settled otherwise.
    assert sum(one['num_different'] for one in content['files']) <= 2
    assert not list(exported.glob('.*'))


def test_int8_is_as_good_in_all_formats(demo, data, tmp_path, capsys):
    run(demo, data, tmp_path, '--precision=int8 --input_type=uint8 '
        '--num_calibration_images=6 --max_map_loss=0.03')
    content = check_report(tmp_path, INT8_FORMATS, .03, .6, .05)
    weights = (demo.parent / f'{DEMO}.data-00000-of-00001').stat().st_size
    for one in content['files']:
        assert one['num_bytes'] < .4 * weights
        assert one['score_difference'] > 1e-3
    *table, advice = capsys.readouterr().out.splitlines()[-7:]
    assert table[0].split() == [
        'mAP', 'VOC07', 'mAP50-95', 'COCO', 'different', 'score', 'bbox',
        'images/s', 'MB']
    assert [line.split()[0] for line in table[1:5]] == [
        'checkpoint', 'model.onnx', 'model.xml', 'model.tflite']
    assert advice == (
        'Next: python detect_ssd_network.py --checkpoint_path='
        f'{tmp_path}/model.onnx --input=IMAGE_FOLDER_OR_VIDEO')


def test_int8_for_tensorrt_is_symmetric(small, data, tmp_path):
    run(small, data, tmp_path, '--precision=int8 --formats=tensorrt')
    model = onnx.load(tmp_path / 'model_tensorrt.onnx')
    values = {tensor.name: onnx.numpy_helper.to_array(tensor)
              for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node
             if node.op_type in ('QuantizeLinear', 'DequantizeLinear')]
    assert len(nodes) > 20
    for node in nodes:
        zero_point = values[node.input[2]]
        assert zero_point.dtype == np.int8 and not zero_point.any()


def test_float16_is_half_the_size(small, data, tmp_path):
    run(small, data, tmp_path / 'half', '--precision=float16 --batch_size=4')
    exported_files.write(tmp_path / 'whole', exported_files.build(small))
    for one in report(tmp_path / 'half')['files']:
        assert one['is_good'] and 0 < one['score_difference'] < .01
    for name in ('saved_model/saved_model.pb', 'model.onnx', 'model.bin',
                 'model.tflite'):
        half, whole = ((tmp_path / folder / name).stat().st_size
                       for folder in ('half', 'whole'))
        assert half < whole


def test_heads_of_a_part_of_the_images(small, data, tmp_path):
    # As an export that was killed leaves it.
    (tmp_path / '.export.partial').mkdir()
    (tmp_path / '.export.partial' / 'model.onnx').touch()
    run(small, data, tmp_path, '--heads_only --formats=tflite '
        '--num_proof_images=9 --keep_top_k=20')
    content = report(tmp_path)
    assert content['heads_only'] and content['num_images'] == 9
    one, = content['files']
    assert one['num_detections'] == 9 * 20 and one['num_different'] <= 2
    assert {path.name for path in tmp_path.iterdir()} == {
        'export.json', 'model.tflite'}


def test_what_is_worse_is_marked_and_no_longer_there_as_good(
        small, data, tmp_path):
    run(small, data, tmp_path, '--formats=saved_model')
    with pytest.raises(ValueError, match=(
            'saved_model.failed: mAP_VOC07 fell from 0.* to 0.*; mAP50-95_COCO'
            ' fell from .*. That should not be: please report it, with the v'
            )):
        run(small, data, tmp_path, '--formats=saved_model --max_map_loss=-1')
    assert {path.name for path in tmp_path.rglob('*') if path.is_file()} == {
        'export.json', 'saved_model.pb', 'ssd_metadata.json'}
    assert not report(tmp_path)['files'][0]['is_good']
    with pytest.raises(ValueError, match='is not as good as its checkpoint'):
        backends.Backend(str(tmp_path / 'saved_model.failed'))
    run(small, data, tmp_path, '--formats=saved_model')
    assert backends.is_exported(str(tmp_path / 'saved_model'))
    assert not backends.is_exported(str(tmp_path / 'saved_model.failed'))


def test_the_script_ends_with_a_line_and_status_1(small, data, tmp_path):
    message = scripts.fails(
        tmp_path, f'export_ssd_network.py --checkpoint_path={small} '
        f'--dataset_name=toy --dataset_dir={data} --output_dir=. '
        '--formats=saved_model,onnx --precision=int8')
    assert message == (
        'export_ssd_network.py: --formats=saved_model,onnx: saved_model has '
        'no --precision=int8; these have: onnx, openvino, tflite, tensorrt.\n'
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('command, message', [
    ('--formats=onnx,coreml', '--formats=onnx,coreml: unknown: coreml; known:'
     ' saved_model, onnx, openvino, tflite, tensorrt'),
    ('--dataset_split_name=val', 'No file .*toy_val_.*; in that folder'),
    ('--precision=int8 --calibration_split_name=val',
     '--calibration_split_name=val: No file .*toy_val'),
    ('--nms_threshold=2', 'nms_threshold is 2.0; both must be in'),
    ('--model_name=ssd_300_vgg', 'the checkpoint is a ssd_64_small; leave'),
    ('--moving_average_decay=.9', 'has no moving averages; leave')])
def test_what_does_not_fit_is_refused_before_anything_is_written(
        small, data, tmp_path, command, message):
    with pytest.raises(ValueError, match=message):
        run(small, data, tmp_path, command)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_without_metadata_needs_its_network(
        data, small, tmp_path):
    path = detector_files.save(
        tmp_path / 'other.ckpt', drawing.CLASSES, with_metadata=False,
        model_name=exported_files.NAME)
    with pytest.raises(ValueError, match=(
            'other.ckpt: has no ssd_metadata: give its --model_name, such as')):
        run(path, data, tmp_path / 'a')
    run(path, data, tmp_path / 'a', '--formats=saved_model '
        f'--model_name={exported_files.NAME}')
    with backends.Backend(str(tmp_path / 'a' / 'saved_model')) as backend:
        assert backend.about['classes'] == list(drawing.CLASSES)


@pytest.mark.parametrize('package, name', [
    ('tf2onnx', 'onnx'), ('openvino', 'openvino'), ('nncf', 'openvino'),
    ('ai_edge_litert', 'tflite')])
def test_a_missing_package_is_named(
        small, data, tmp_path, monkeypatch, package, name):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=(
            f'--formats={name} needs the package {package}, which is not inst'
            r"alled: pip install '.\[export\]'")):
        run(small, data, tmp_path, f'--formats={name} --precision=int8')


@pytest.mark.parametrize('name', FORMATS)
def test_a_full_disk_leaves_nothing(small, data, tmp_path, name):
    with pytest.raises(OSError, match='File too large|is the disk full'):
        with scripts.full_disk():
            run(small, data, tmp_path, f'--formats={name}')
    assert not list(tmp_path.iterdir())


def test_images_without_an_object_prove_nothing(small, data, tmp_path):
    shutil.copytree(data / 'voc', tmp_path / 'voc')
    scripts.remove_objects(tmp_path / 'voc')
    scripts.write_records(tmp_path / 'voc', tmp_path, 'toy_test',
                          labels=drawing.CLASSES)
    with pytest.raises(ValueError, match=(
            'toy test: its images have no object to find, which proves noth')):
        run(small, tmp_path, tmp_path / 'out', '--formats=saved_model')
    assert not list((tmp_path / 'out').iterdir())


def test_calibration_images_are_chosen_by_seed(data):
    dataset = export.models.open_dataset(
        export.evaluation_options.Data('toy', str(data), 'train'))
    network = small_trunk.SSDNet()

    def chosen(seed, num_images=4):
        return images.chosen(dataset, network, num_images, seed)

    assert chosen(0).shape == (4, 64, 64, 3) and chosen(0).dtype == np.uint8
    np.testing.assert_array_equal(chosen(0), chosen(0))
    assert (chosen(0) != chosen(1)).any()
    assert len(chosen(0, 99)) == 10


def found(*rows):
    """Returns the Found of an image: rows of class, score, bbox."""
    classes, scores, bboxes = zip(*rows)
    return backends.Found(
        np.array([[*classes, 0]]), np.array([[*scores, 0.]]),
        np.array([[*bboxes, (0., 0., 0., 0.)]]), np.array([len(rows)]))


def test_differences_are_of_what_both_have():
    one = found((1, .9, (0., 0., .5, .5)), (2, .8, (0., 0., .5, .5)),
                (1, .3, (.5, .5, 1., 1.)))
    other = found((1, .875, (0., 0., .5, .49)), (1, .7, (0., 0., .5, .5)),
                  (1, .3, (.5, .5, 1., .6)))
    # The first pair is the best overlap, of the scores .9 and .7.
    assert proof.compare([one], [other]) == proof.Difference(
        3, 4, pytest.approx(.2), 0.)
    assert proof.compare([one, one], [one, one]) == (6, 0, 0., 0.)
    assert proof.compare([found((1, 1., (0., 0., 1., 1.)))], [found(
        (1, .5, (0., 0., 1., .95)))]) == (1, 0, .5, pytest.approx(.05))
    empty = found((2, 1., (0., 1., 0., 1.)), (2, 1., (0., 0., .5, 0.)))
    assert proof.compare([empty], [empty]) == (2, 0, 0., 0.)
