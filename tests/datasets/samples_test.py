"""What an annotation says of its image, against the image."""
import os
import types

import pytest

from datasets import image_pixels
from datasets import manifests
from datasets import samples

BOX = (6, 4, 30, 20)
RELATIVE = [.1, .1, .5, .5]  # ymin, xmin, ymax, xmax of it in 40 x 60.


def read(bbox=BOX, size=(40, 60), orientation=1, image=(40, 60), **fields):
    """Returns the Reading of an image with one object."""
    item = samples.Object('a', bbox, area=fields.pop('area', None))
    decoded = image_pixels.Image(b'', b'PNG', *image, orientation)
    reader = types.SimpleNamespace(
        make_decodable=lambda contents: [decoded for _ in contents])
    reading, = samples.check([samples.Annotated(
        'name', 'place', 'name.png', os.devnull, size, [item], **fields)],
        {'a': 1}, reader)
    return reading


@pytest.mark.parametrize('bbox, size, orientation, kinds', [
    # The same.
    (BOX, (40, 60), 1, []),
    # Turned by EXIF: the size is that of the upright image, or cannot tell.
    (BOX, (40, 60), 6, ['turned_upright']),
    (BOX, (40, 60), 3, ['turned_upright_untold']),
    (BOX, None, 6, ['missing_size', 'turned_upright_untold']),
    # It is that of the stored one: 60 high, 40 wide.
    ((4, 6, 20, 30), (60, 40), 5, ['turned_boxes']),
    ((4, 30, 20, 54), (60, 40), 6, ['turned_boxes']),
    ((20, 30, 36, 54), (60, 40), 7, ['turned_boxes']),
    ((20, 6, 36, 30), (60, 40), 8, ['turned_boxes']),
    # Scaled evenly, turned or not; sides are rounded.
    ((60, 40, 300, 200), (400, 600), 1, ['scaled_boxes']),
    ((1.5, 1, 7.5, 5), (10, 15), 1, ['scaled_boxes']),
    ((60.1, 40, 300.5, 200), (400, 601), 1, ['scaled_boxes']),
    ((60, 40, 300, 200), (400, 600), 8, ['scaled_boxes', 'turned_upright']),
    ((40, 300, 200, 540), (600, 400), 6, ['scaled_boxes', 'turned_boxes']),
    # Unknown.
    (BOX, None, 1, ['missing_size']),
    (BOX, (0, 0), 1, ['missing_size']),
    (BOX, (0, 60), 1, ['missing_size']),
    # Width for height.
    (BOX, (60, 40), 1, ['swapped_size']),
])
def test_one_rule_explains_the_difference(bbox, size, orientation, kinds):
    reading = read(bbox, size, orientation)
    assert (reading.faults, reading.repairs) == ([], kinds)
    assert reading.sample.bboxes == [pytest.approx(RELATIVE, rel=1e-6)]
    assert reading.doubts == []


def test_only_the_boxes_tell_which_form_they_are_of():
    reading = read((4, 30, 20, 54), None, 6)
    assert reading.repairs == ['missing_size', 'turned_boxes']
    assert reading.sample.bboxes == [pytest.approx(RELATIVE)]


def test_a_square_image_cannot_tell_how_it_was_seen():
    assert read((6, 6, 30, 30), (60, 60), 6, (60, 60)).repairs == [
        'turned_upright_untold']


def test_boxes_of_stored_images_make_those_that_cannot_tell_doubtful():
    tally = manifests.Tally({'a': 1}, 'folder')
    tally.add(read(BOX, (40, 60), 3))
    assert tally.doubts() == []
    tally.add(read((4, 30, 20, 54), (60, 40), 6))
    line, = tally.doubts()
    assert line.startswith('folder: turned_upright_untold is likely a mistake')
    assert 'as it is stored, before EXIF turns it' in line


@pytest.mark.parametrize('bbox, size, orientation, kind, message', [
    (BOX, (48, 64), 1, 'size_mismatch', 'the size is 64 x 48, the image '
     '60 x 40, which is not the same, evenly scaled'),
    (BOX, (48, 64), 6, 'size_mismatch', 'which is not the same'),
    (BOX, (600, 400), 1, 'size_mismatch', 'which is not the same'),
    # Turned, and nobody knows which way.
    ((4, 30, 20, 54), (60, 40), 1, 'sides_swapped', 'the size is 40 x 60, the '
     'image 60 x 40, and the boxes do not fit: the image was turned after'),
    # Boxes and size contradict each other.
    ((20, 10, 50, 30), (20, 30), 1, 'size_mismatch', 'fit the image alone'),
    ((4, 30, 20, 54), (40, 60), 6, 'size_mismatch', 'fit the image alone'),
    ((6, 4, 54, 20), (60, 40), 6, 'size_mismatch', 'fit the image alone'),
])
def test_what_no_rule_explains_is_a_fault(
        bbox, size, orientation, kind, message):
    reading = read(bbox, size, orientation)
    assert reading.sample is None
    assert [fault.kind for fault in reading.faults] == [kind]
    assert message in reading.faults[0].message


def test_relative_boxes_need_no_size():
    reading = read((.1, .1, .5, .5), None, is_relative=True)
    assert (reading.repairs, reading.sample.bboxes) == ([], [RELATIVE])
    assert read((.1, .1, .5, .5), (400, 600), is_relative=True
                ).sample.bboxes == [RELATIVE]
    assert read(BOX, None, is_relative=True).doubts == [samples.OF_PIXELS]


def test_another_image_that_the_annotation_names_is_told():
    assert read(named_file='other.png').repairs == ['other_image_named']


def test_what_coco_tells_is_kept():
    sample = read((60, 40, 300, 200), (400, 600), area=20000.,
                  image_id=7).sample
    assert (sample.source_id, sample.area) == ('7', [pytest.approx(200)])
    assert sample.is_crowd == ()
    assert read().sample[-3:] == ('', (), ())


@pytest.mark.parametrize('bbox, kept, kind, is_doubtful', [
    ((-.5, 4, 30, 20), [.1, 0, .5, .5], 'clipped_box', False),  # Rounded.
    ((-9, 4, 30, 20), [.1, 0, .5, .5], 'clipped_box', True),
    ((60, 4, 70, 20), None, 'dropped_box_outside', True),
    ((59.9999999, 4, 70, 20), None, 'dropped_box_outside', True),
    ((6, 4, 6, 20), None, 'dropped_box_without_area', True),
    # float32 would not have it.
    ((6, 4, 6.0000001, 20), None, 'dropped_box_without_area', True),
    ((30, 20, 6, 4), RELATIVE, 'reversed_box', True),
    ((60, 40, 30, 20), [.5, .5, 1, 1], 'reversed_box', False)])
def test_boxes_are_repaired(bbox, kept, kind, is_doubtful):
    reading = read(bbox)
    assert reading.repairs == [kind]
    assert reading.sample.bboxes == ([] if kept is None else [
        pytest.approx(kept)])
    assert bool(reading.doubts) == is_doubtful
