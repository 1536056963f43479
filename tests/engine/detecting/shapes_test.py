"""The demo checkpoint on drawn shapes: large pictures, and a film."""
import itertools
import json

import cv2
import numpy as np
import pytest

from datasets.shapes import drawing
from detection import boxes
from engine.detecting import detect
from engine.detecting import detector
from engine.detecting import options
from tests import detector_files
from tests import scripts

CHECKPOINT = str(
    scripts.ROOT / 'checkpoints' / 'ssd_300_vgg_quarter_shapes.ckpt')


@pytest.fixture(scope='module')
def network():
    with detector.Detector(CHECKPOINT, tile='auto', track=True) as network:
        yield network


def shape_of(name, side, seed):
    """Returns a function that paints a shape of about a side in a square.

    It is the same shape each time, wherever the square is.
    """
    for number in itertools.count(seed):
        rng = np.random.default_rng(number)
        canvas = np.full((2 * side, 2 * side, 3), 128, np.float32)
        shape = drawing.draw_shape(canvas, rng, name)
        low, high = shape.outline.min(0), shape.outline.max(0)
        if (low > 0).all() and (high < 2 * side).all() and (
                .85 * side < (high - low).max()):
            break
    drawing.paint(canvas, shape, rng)

    def paint(image, top, left):
        """Returns the bbox in the image."""
        view = image[top:top + 2 * side, left:left + 2 * side]
        view[shape.mask] = canvas[shape.mask]
        return [*(low[::-1] + (top, left)), *(high[::-1] + (top, left))]

    return paint


def grain(image, rng):
    image = image + rng.standard_normal(image.shape, np.float32) * 5
    return np.clip(image, 0, 255).astype(np.uint8)


def test_small_shapes_in_a_large_picture_are_found_once(network):
    rng = np.random.default_rng(3)
    image = drawing.texture(rng, 700, 900)
    # The tiles of 300 pixels begin at 0, 200, 400 and, across, 600.
    objects, names = [], []
    for top, left in itertools.product(range(10, 600, 95), range(15, 800, 95)):
        names.append(str(rng.choice(drawing.CLASSES)))
        objects.append(shape_of(names[-1], 40, len(names))(image, top, left))
    assert len(objects) == 63
    image = grain(image, rng)

    def found_in(found):
        overlaps = boxes.jaccard(
            np.array(objects)[:, None], found.bboxes[None].astype(float))
        labels = [drawing.CLASSES.index(name) + 1 for name in names]
        overlaps *= np.equal.outer(labels, found.class_ids)
        return (overlaps > .5).sum(1)

    times = found_in(network.detect(image))
    assert (times > 0).mean() >= .9
    assert times.max() == 1
    whole, = network._find([image])
    assert (found_in(whole) > 0).mean() < .5


def test_shapes_that_cross_keep_their_identities(
        network, tmp_path, monkeypatch, capsys):
    """A circle passes before a square; a star stays."""
    circle, square, star = (
        shape_of(name, 60, seed) for name, seed in (
            ('circle', 0), ('square', 100), ('star', 200)))
    behind = drawing.texture(np.random.default_rng(1), 300, 300)
    rng, frames = np.random.default_rng(0), []
    for number in range(40):
        frame = behind.copy()
        square(frame, 60, 170 - 4 * number)
        circle(frame, 40 + number, 10 + 4 * number)
        star(frame, 175, 20)
        frames.append(grain(frame, rng))
    video = detector_files.write_video(tmp_path / 'film.avi', frames)
    monkeypatch.setattr(detect, '_make_detector', lambda *_: network)
    monkeypatch.setattr(network, 'close', lambda: None)
    detect.run(options.Model('c'), options.Detection(),
               options.Source(input=video),
               options.Run(output_dir=str(tmp_path / 'out')))
    results = json.loads(
        (tmp_path / 'out' / 'detections.json').read_text('utf-8'))
    assert results['counts'] == {'circle': 1, 'square': 1, 'star': 1}
    assert ('Objects followed: 1 circle, 1 square, 1 star.\n'
            in capsys.readouterr().out)
    for name in results['counts']:
        ids = {number for image in results['images']
               for number, other in zip(image['ids'], image['names'])
               if other == name and number is not None}
        assert len(ids) == 1
    assert (network.detect(frames[0]).scores > .5).all()
    capture = cv2.VideoCapture(str(tmp_path / 'out' / 'film.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 40
