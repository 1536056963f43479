"""Exported files in their runtimes, and what is refused."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from datasets.shapes import drawing
from engine import backends
from tests import exported_files
from tests import scripts

FORMATS = list(exported_files.FILES)
IMAGES = np.random.default_rng(0).integers(
    0, 256, (5, 64, 64, 3), dtype=np.uint8)


pytestmark = pytest.mark.usefixtures('small_trunk_registered')


@pytest.fixture(scope='module')
def checkpoint(small_trunk_registered, tmp_path_factory):
    return exported_files.save(tmp_path_factory.mktemp('random') / 'model')


@pytest.fixture(scope='module')
def paths(checkpoint, tmp_path_factory):
    """{format: path}; the folder's name is odd."""
    folder = tmp_path_factory.mktemp('exported') / '~ [v1], 50%d #2 日'
    return exported_files.write(folder, exported_files.build(checkpoint))


@pytest.fixture(params=FORMATS)
def copied(request, paths, tmp_path):
    """The path of a file of each format, which may be damaged."""
    shutil.copytree(pathlib.Path(paths['onnx']).parent, tmp_path / 'copy')
    return tmp_path / 'copy' / exported_files.FILES[request.param]


def parts(path):
    """Returns the paths of the files that make up an exported one."""
    if path.is_dir():
        return sorted(part for part in path.rglob('*') if part.is_file())
    return [path] + [path.with_suffix('.bin')] * (path.suffix == '.xml')


@pytest.mark.parametrize('name', FORMATS)
def test_any_number_of_images_of_either_type(paths, name):
    with backends.Backend(paths[name]) as backend:
        found = backend.detect(IMAGES)
        assert backend.about['classes'] == list(drawing.CLASSES)
        assert [(value.shape, str(value.dtype)) for value in found] == [
            ((5, 200), 'int32'), ((5, 200), 'float32'),
            ((5, 200, 4), 'float32'), ((5,), 'int32')]
        for image, *one in zip(IMAGES.astype(np.float32), *found):
            for value, expected in zip(
                    backend.detect(image[None]), one, strict=True):
                np.testing.assert_array_equal(value[0], expected)
        assert len(backend.detect(IMAGES[:0]).num) == 0
    for classes, scores, bboxes, num in zip(*found, strict=True):
        assert 0 < num
        assert ((classes > 0) == (np.arange(200) < num)).all()
        assert (classes <= 5).all() and (np.diff(scores) <= 0).all()
        assert (bboxes >= 0).all() and (bboxes <= 1).all()
        assert not scores[num:].any() and not bboxes[num:].any()


@pytest.mark.parametrize('name', FORMATS)
def test_many_threads_share_a_file(paths, name):
    with backends.Backend(paths[name]) as backend:
        expected = backend.detect(IMAGES).scores
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            results = list(pool.map(
                backend.detect, [image[None] for image in IMAGES]))
    for found, scores in zip(results, expected, strict=True):
        np.testing.assert_array_equal(found.scores[0], scores)


@pytest.mark.parametrize('name', FORMATS)
def test_a_batch_is_filled_up_and_bytes_are_an_input(
        checkpoint, paths, name, tmp_path):
    frozen = exported_files.build(
        checkpoint, batch_size=3, input_type='uint8', keep_top_k=7)
    path = exported_files.write(tmp_path, frozen, formats=[name])[name]
    with backends.Backend(path) as backend, backends.Backend(
            paths[name]) as other:
        found, expected = backend.detect(IMAGES), other.detect(IMAGES)
        with pytest.raises(ValueError, match=(
                r'the images are float32 \[5, 64, 64, 3\]; they must be uint8 '
                r'\[n, 64, 64, 3\], RGB')):
            backend.detect(IMAGES.astype(np.float32))
    np.testing.assert_allclose(
        found.scores, expected.scores[:, :7], atol=1e-5)
    assert (found.num == np.minimum(expected.num, 7)).all()


@pytest.mark.parametrize('name', FORMATS)
def test_heads_are_what_suppression_takes(checkpoint, name, tmp_path):
    frozen = exported_files.build(checkpoint, heads_only=True)
    path = exported_files.write(
        tmp_path, frozen, formats=[name], heads_only=True)[name]
    with backends.Backend(path) as backend:
        heads = backend.run(IMAGES[:2])
        with pytest.raises(ValueError, match='with --heads_only, which lea'):
            backend.detect(IMAGES)
    assert heads['boxes'].shape == (2, 336, 4)
    assert heads['scores'].shape == (2, 336, 6)
    np.testing.assert_allclose(heads['scores'].sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize('images, what', [
    (IMAGES[:, :60], r'uint8 \[5, 60, 64, 3\]'),
    (IMAGES[0], r'uint8 \[64, 64, 3\]'),
    (IMAGES.astype(float), r'float64 \[5, 64, 64, 3\]')])
def test_images_of_another_size_or_type_are_refused(paths, images, what):
    with backends.Backend(paths['onnx']) as backend, pytest.raises(
            ValueError, match=f'model.onnx: the images are {what}; they must '
            r'be float32 \[n, 64, 64, 3\], RGB.'):
        backend.detect(images)


def test_what_is_damaged_is_refused(copied):
    for part in parts(copied):
        whole = part.read_bytes()
        places = [0, len(whole) // 2, len(whole) - 1]
        places += [whole.find(b'ssd-sha256-')] * (b'ssd-sha256-' in whole)
        for place in places:
            flipped = bytearray(whole)
            flipped[place] ^= 1
            part.write_bytes(flipped)
            with pytest.raises(ValueError, match=(
                    f'{copied.name}: (is damaged, or was changed: its sum is '
                    'another|was not written by export_ssd_network.py, or is '
                    'damaged); export it again')):
                backends.Backend(str(copied))
        for content in b'', whole[:len(whole) // 2], whole + b'0':
            part.write_bytes(content)
            with pytest.raises(ValueError, match='damaged'):
                backends.Backend(str(copied))
        part.write_bytes(whole)
    backends.Backend(str(copied)).close()


def test_what_is_missing_is_named(copied):
    for part in parts(copied):
        whole = part.read_bytes()
        part.unlink()
        with pytest.raises(ValueError, match=(
                f'{part.name}: is missing|not an exported file')):
            backends.Backend(str(copied))
        part.write_bytes(whole)


def test_what_failed_its_proof_is_refused(copied):
    failed = copied.with_name(f'{copied.stem}.failed{copied.suffix}')
    copied.rename(failed)
    with pytest.raises(ValueError, match=(
            f'{failed.name}: is not as good as its checkpoint .export.json')):
        backends.Backend(str(failed))


def test_another_version_is_refused(checkpoint, tmp_path):
    frozen = exported_files.build(checkpoint)
    path = exported_files.write(
        tmp_path, frozen, formats=['onnx'], format_version=2)['onnx']
    with pytest.raises(ValueError, match=(
            'model.onnx: is of version 2; this program reads version 1. Exp')):
        backends.Backend(path)


def test_a_sound_file_that_its_runtime_cannot_open(tmp_path):
    path = tmp_path / 'model.onnx'
    content = backends.seal({'': f'no ONNX {backends.NO_SUM}'.encode()})['']
    path.write_bytes(content)
    with pytest.raises(ValueError, match='model.onnx: cannot be opened: '):
        backends.Backend(str(path))


@pytest.mark.parametrize('path, is_exported', [
    ('a/model.onnx', True), ('a.XML', True), ('~/b.tflite', True),
    ('model.ckpt', False), ('.', False)])
def test_what_is_an_exported_file(path, is_exported):
    assert backends.is_exported(path) == is_exported
    if not is_exported:
        with pytest.raises(ValueError, match='not an exported file; these e'):
            backends.Backend(path)


def test_a_folder_is_one_by_its_content(paths):
    assert backends.is_exported(paths['saved_model'])


@pytest.mark.parametrize('name, package', [
    ('onnx', 'onnxruntime'), ('openvino', 'openvino'),
    ('tflite', 'ai_edge_litert.interpreter')])
def test_a_runtime_that_is_missing_is_named(
        paths, name, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=(
            f'{exported_files.FILES[name]} needs the package '
            f'{package.partition(".")[0]}, ' r".*: pip install '.\[export\]'")):
        backends.Backend(paths[name])


def test_neither_tensorflow_nor_telemetry_is_imported(paths, tmp_path):
    program = f"""
import sys
import numpy as np
from engine import backends
for path in {[paths[name] for name in FORMATS if name != 'saved_model']}:
    with backends.Backend(path) as backend:
        assert backend.detect(np.zeros((1, 64, 64, 3), np.uint8)).num
backends.import_package('nncf', 'int8')
assert 'tensorflow' not in sys.modules
assert 'openvino_telemetry' not in sys.modules
"""
    subprocess.run(
        [sys.executable, '-c', program], cwd=scripts.ROOT, check=True,
        capture_output=True, env={**os.environ, 'HOME': str(tmp_path)})
    # Where it would keep the number that it knows this machine by.
    assert not (tmp_path / 'intel').exists()
