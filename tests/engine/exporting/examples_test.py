"""The programs of docs/export.md, as they are written there."""
import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from datasets.shapes import drawing
from engine import backends
from engine.exporting import export
from nets import nets_factory
from tests import detector_files
from tests import exported_files
from tests import scripts
from tests import small_trunk

PROGRAMS = re.findall(r'```python\n(.*?)```', (
    scripts.ROOT / 'docs' / 'export.md').read_text(), re.DOTALL)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """An image, and what a small network of random weights is exported to."""
    folder = tmp_path_factory.mktemp('examples')
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets_factory.networks_map, exported_files.NAME,
                      small_trunk.SSDNet)
        frozen = exported_files.build(
            exported_files.save(folder / 'model'), keep_top_k=6)
    exported_files.write(folder / 'exported', frozen)
    (folder / 'exported' / export.REPORT).write_text(
        (folder / 'exported/saved_model' / backends.SAVED_MODEL_METADATA
         ).read_text())
    image, = detector_files.pictures(1)
    detector_files.write_picture(folder / 'image.jpg', image)
    return folder


@pytest.mark.parametrize('program', PROGRAMS, ids=[
    re.search('exported/[a-z.]*', program)[0] for program in PROGRAMS])
def test_a_program_finds_what_the_backend_does(program, folder):
    image = cv2.imread(str(folder / 'image.jpg'))
    with backends.Backend(str(folder / 'exported/model.onnx')) as backend:
        found = backend.detect(
            cv2.resize(image, (64, 64))[np.newaxis, :, :, ::-1])
    assert found.num == 6
    lines = subprocess.run(
        [sys.executable, '-c', program], cwd=folder, check=True, text=True,
        env={**os.environ, 'PYTHONPATH': str(scripts.ROOT)},
        stdout=subprocess.PIPE).stdout
    if 'zip(' not in program:
        assert lines == '[] [] []\n'  # Nothing is above 0.5.
        return
    rows = re.findall(r'(\w+) (\S+) \[([^]]*)\]', lines)
    assert [name for name, _, _ in rows] == [
        drawing.CLASSES[class_id - 1] for class_id in found.classes[0]]
    np.testing.assert_allclose(
        [float(score) for _, score, _ in rows], found.scores[0], atol=1e-5)
    np.testing.assert_allclose(
        [list(map(float, bbox.split())) for _, _, bbox in rows],
        found.bboxes[0] * np.tile(image.shape[:2], 2), atol=.1)


def test_opencv_reads_heads(folder, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets_factory.networks_map, exported_files.NAME,
                      small_trunk.SSDNet)
        frozen = exported_files.build(
            str(folder / 'model'), heads_only=True)
    path = exported_files.write(
        tmp_path, frozen, formats=['onnx'], heads_only=True)['onnx']
    image = cv2.imread(str(folder / 'image.jpg'))
    pixels = cv2.resize(image, (64, 64))[np.newaxis, :, :, ::-1]
    # As the C++ of docs/export.md.
    net = cv2.dnn.readNetFromONNX(path)
    net.setInput(pixels.astype(np.float32))
    boxes, scores = net.forward(['boxes', 'scores'])
    with backends.Backend(path) as backend:
        expected = backend.run(pixels)
    np.testing.assert_allclose(boxes, expected['boxes'], atol=1e-4)
    np.testing.assert_allclose(scores, expected['scores'], atol=1e-4)
