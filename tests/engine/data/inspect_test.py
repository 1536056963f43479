"""What is said and shown of records, on data that can be counted by hand."""
import os

import cv2
import numpy as np
import pytest

from common import drawing
from datasets import tfrecords
from datasets.shapes import drawing as shape_drawing
from datasets.shapes import synthetic_shapes
from detection import anchors
from engine import models
from engine.data import contact_sheet
from engine.data import inspect
from nets import nets_factory
from tests import scripts

NONE = np.zeros(0, np.int64)
CENTRE = 32.5 * 8 / 512  # Of the anchors of a cell of ssd_512_vgg's block4.


def sample(labels, difficult=None, bboxes=None, height=200, width=400,
           encoded=b''):
    num = len(labels)
    return tfrecords.Sample(
        encoded, b'PNG', '', height, width,
        np.zeros((num, 4)) if bboxes is None else np.array(bboxes),
        np.array(labels, np.int64), [],
        np.array(difficult or [0] * num), [0] * num)


def square(side):
    """Returns the bbox of a square, its side as a part of the image's."""
    return [CENTRE - side / 2] * 2 + [CENTRE + side / 2] * 2


def test_classes_are_counted():
    lines = inspect.class_lines([
        sample([1, 1, 2], [0, 1, 0]), sample([]), sample([2])],
        ['cat', 'dog', 'red panda'])
    assert lines == [
        'class      objects  difficult  images',
        'cat              2          1       1',
        'dog              2          0       2',
        'red panda        0          0       0',
        'all              4          1       3',
        '1 images have no object.',
        'No object is of class red panda.']


def test_rare_classes_are_told():
    lines = inspect.class_lines(
        [sample([1])] * 20 + [sample([2, 2, 2])], ['cat', 'dog'])
    assert lines[-1] == ('dog is in 20 times fewer images than cat: train '
                         'with --sampling=balanced.')
    lines = inspect.class_lines([sample([1])] * 9 + [sample([2])], 'ab')
    assert lines[-1].startswith('all')


def test_suggested_anchors(tmp_path):
    """Thin boxes: no default anchor is wider than 3 to 1."""
    bboxes = np.array([[y, x, y + .1, x + .6] for y in (.1, .5, .8)
                       for x in (.05, .2, .35)])
    network = nets_factory.get_network('ssd_300_vgg_quarter')
    path = str(tmp_path / 'anchors.json')
    lines = inspect.suggestion_lines(bboxes, network, path)
    rows = {line.split()[0]: line.split()[1:] for line in lines[3:-1]}
    assert list(rows) == ['--anchors=coco', '--anchors=voc', 'suggested']
    assert rows['--anchors=voc'][0] == '33.3%'
    assert rows['suggested'][0] == '100.0%'
    assert lines[-1].endswith(
        f'--model_name=ssd_300_vgg_quarter --anchors={path}')
    trained = models.make_network(network.name, ['bar'], None, path).params
    assert (anchors.best_overlaps(
        bboxes, trained.feat_shapes, trained.img_shape, trained.anchor_sizes,
        trained.anchor_ratios, trained.anchor_steps) >= .5).all()


def test_anchors_of_a_box():
    """The smallest anchors: 21 and 30 of 300 pixels, 20.48 and 35.84 of 512.

    A square of 4 % overlaps a centred one of 4 % by 1, of 7 % by
    (4 / 7) ** 2 = 0.33 and of 10 % by 0.16.
    """
    fits = inspect.anchor_fits(np.array([square(.04)]))
    shares = {(fit.names[0], fit.preset): fit.share for fit in fits}
    assert [shares[name, preset] for name in ('ssd_300_vgg', 'ssd_512_vgg')
            for preset in ('coco', 'voc')] == [0, 0, 1, 0]
    # Every network and preset is tried.
    assert {(name, fit.preset) for fit in fits for name in fit.names} == {
        (name, preset) for name, network in nets_factory.networks_map.items()
        for preset in network.anchor_presets}


def test_sizes_and_advice():
    bboxes = np.array([square(.04), square(.5), square(1), square(.1)])
    lines = inspect.size_lines(bboxes)
    num_others = sum(line.startswith('As ') for line in lines)
    table = [line.split('  ') for line in lines[1:-1 - num_others]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in table]
    assert cells[0][1:] == ['all', '0-5', '5-10', '10-20', '20-40', '40-100']
    assert cells[1] == ['objects', '4', '1', '0', '1', '0', '2']
    assert cells[2] == ['ssd_300_vgg coco', '75.0 %',
                        '0.0 %', '-', '100.0 %', '-', '100.0 %']
    assert lines[-1 - num_others].startswith(
        'As ssd_300_vgg: ssd_300_vgg_quarter, ')
    assert lines[-1].startswith(
        'Advice: --model_name=ssd_512_vgg --anchors=coco (100.0 %).')


def test_what_a_network_is():
    network = nets_factory.get_network('ssd_300_mobilenet_v1')
    assert inspect.network_lines(network, 20) == [
        'ssd_300_mobilenet_v1, of 300 x 300 pixels, with 1917 anchors:',
        'layer      cells  anchors  of a cell',
        'block11  19 x 19     1083          3',
        'block13  10 x 10      600          6',
        'block14    5 x 5      150          6',
        'block15    3 x 3       54          6',
        'block16    2 x 2       24          6',
        'block17    1 x 1        6          6',
        '5.8 million parameters, 1.15 GMAC (10^9 multiply-adds) an image, '
        'with 20 classes.']
    # 17 scores less of an anchor: 17 x (3 x 512 + 6 x (1024 + 512 + 256 + 256
    # + 128)) weights of 1 x 1 and 17 x 33 biases, 248,625 in all.
    assert inspect.network_lines(network, 3)[-1] == (
        '5.5 million parameters, 1.13 GMAC (10^9 multiply-adds) an image, '
        'with 3 classes.')


def test_a_larger_input_is_advised_only_where_it_gains():
    for share_300, share_512, side in (
            (.99, 1., 300), (.95, 1., 512), (1., .9, 300)):
        advised = inspect.advise([
            inspect.Fit(['a'], 'coco', 300, share_300, []),
            inspect.Fit(['a'], 'voc', 300, share_300 - .001, []),
            inspect.Fit(['b'], 'coco', 512, share_512, [])])
        assert (advised.side, advised.preset) == (side, 'coco')


def test_the_sheet_shows_every_class():
    """Class 1 is in all images, class 2 in one, and one has no object."""
    labels = [np.array([1])] * 50 + [np.array([1, 2]), NONE]
    chosen = contact_sheet.choose(labels, 6)
    assert len(chosen) == 6
    assert chosen == sorted(set(chosen))
    assert {50, 51} < set(chosen)
    assert contact_sheet.choose(labels[:3], 6) == [0, 1, 2]


def test_the_sheet_shows_boxes_in_their_places():
    encoded = cv2.imencode(
        '.png', np.zeros((200, 400, 3), np.uint8))[1].tobytes()
    sheet = contact_sheet.draw(
        [('empty', sample([], encoded=encoded)), ('broken', sample([1])),
         ('cat', sample([1], bboxes=[[.25, .5, .75, 1]], encoded=encoded))],
        ['cat'])
    step, line = contact_sheet.SIDE + contact_sheet.GAP, contact_sheet.LINE
    assert sheet.shape == (line + 160 + contact_sheet.GAP, 3 * step, 3)
    assert not sheet[line + 20:line + 160, :320].any()
    assert (sheet[line:, step:2 * step] == 255).all()
    picture = sheet[line:line + 160, 2 * step:2 * step + 320]
    np.testing.assert_array_equal(
        picture[80, 160], drawing.class_color(1))
    assert not picture[80, 150].any()


def test_the_sheet_leaves_out_names_that_would_hide_the_objects():
    encoded = cv2.imencode(
        '.png', np.zeros((100, 100, 3), np.uint8))[1].tobytes()
    for number in (40, 41):
        sheet = contact_sheet.draw([('', sample(
            [1] * number, bboxes=[[.5, .5, .9, .9]] * number,
            encoded=encoded))], ['cat'])
        above = sheet[contact_sheet.LINE:contact_sheet.LINE + 48, :100]
        assert above.any() == (number == 40)


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('inspect')
    synthetic_shapes.write(folder / 'shapes', 7, 0, size=100)
    scripts.write_records(
        folder / 'shapes', folder, 'shapes_train', shape_drawing.CLASSES)
    return folder


def test_the_command(shapes):
    process = scripts.run(
        shapes, 'inspect_data.py --dataset_dir=. --dataset_name=shapes '
        '--output_dir=new/folder --suggest_anchors '
        '--model_name=ssd_300_vgg_quarter')
    assert 'Warning' not in process.stderr
    lines = process.stdout.splitlines()
    assert lines[0] == 'shapes train, in .:'
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert rows['all'][2] == '7'
    assert int(rows['all'][0]) == sum(
        int(rows[name][0]) for name in shape_drawing.CLASSES)
    assert any(line.startswith('Images with boxes and names: new')
               for line in lines)
    name = 'shapes_ssd_300_vgg_quarter_anchors.json'
    assert lines[-1].endswith(f'--anchors={os.path.join("new/folder", name)}')
    assert (shapes / 'new' / 'folder' / name).exists()
    sheet = cv2.imread(str(shapes / 'new' / 'folder' / 'shapes_train.png'))
    num_columns = contact_sheet.NUM_COLUMNS
    assert sheet.shape[1] == num_columns * (
        contact_sheet.SIDE + contact_sheet.GAP)


def test_data_without_objects(shapes, tmp_path, capsys):
    scripts.remove_objects(shapes / 'shapes')
    scripts.write_records(
        shapes / 'shapes', tmp_path, 'none_train', shape_drawing.CLASSES)
    inspect.inspect('none', 'train', str(tmp_path), str(tmp_path))
    assert '7 images have no object.' in capsys.readouterr().out
    with pytest.raises(ValueError, match='none train has no object that anc'):
        inspect.inspect('none', 'train', str(tmp_path), str(tmp_path), True)
    assert (tmp_path / 'none_train.png').exists()


def test_a_class_that_is_not_known_is_refused(tmp_path):
    path = str(tmp_path / 'voc_2007_train_000.tfrecord')
    with tfrecords.open_writer(path) as writer:
        writer.write(tfrecords.encode_example(
            sample([21], bboxes=[[0, 0, 1, 1]])._replace(names=['?'])))
    with pytest.raises(ValueError, match='image 000000: an object is of '
                       'class 21, but there are 20 classes'):
        inspect.inspect(
            'pascalvoc_2007', 'train', str(tmp_path), str(tmp_path))
