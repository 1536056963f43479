"""COCO files, from their lists to what is converted."""
import json

import numpy as np
import pytest

from datasets import conversion
from datasets import label_map
from datasets import records
from datasets.coco import annotations
from tests import trees

CATEGORIES = [{'id': 7, 'name': 'dog'}, {'id': 0, 'name': 'cat'}]


def image_entry(image_id, file_name, **changes):
    return {'id': image_id, 'file_name': file_name, 'width': 60, 'height': 40,
            **changes}


def box(image_id, *bbox, category_id=0, **changes):
    return {'id': 1, 'image_id': image_id, 'category_id': category_id,
            'bbox': list(bbox), **changes}


def put(path, images, boxes=(), categories=CATEGORIES):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({
        'info': {}, 'images': images, 'annotations': list(boxes),
        'categories': categories}))
    return path


def put_images(folder, *names):
    trees.write(folder, dict.fromkeys(names))


def loaded(folder, **options):
    """Returns {name: Annotated} of the one COCO file of a folder."""
    part, = annotations.find(str(folder), 'toy', **options)
    return trees.loaded(part)


def converted(folder, output_dir, **options):
    parts = annotations.find(str(folder), 'toy')
    return conversion.convert(parts, str(output_dir), parts[0].labels,
                              **options)


def test_lists_are_joined_by_the_ids_of_the_file(tmp_path):
    put_images(tmp_path / 'images', '1.jpg', '2.jpg', '3.jpg', '9.jpg')
    put(tmp_path / 'labels.json', [
        image_entry('x', '2.jpg'), image_entry(0, '1.jpg'),
        image_entry(5, '3.jpg', width=0)], [
            box(0, 6, 4, 24, 16, segmentation=[[6, 4, 30, 4, 30, 20]]),
            box('x', 6, 4, 24.5, 16, category_id=7, iscrowd=1, area=99.5,
                segmentation={'counts': [1, 2], 'size': [40, 60]}),
            box(0, 0, 0, 60, 40, category_id=7), box(12, 1, 2, 3, 4),
            box(12, 1, 2, 3, 4)])
    part, = annotations.find(str(tmp_path), 'toy')
    assert part.labels == ('cat', 'dog')
    assert part.category_ids == {'cat': 0, 'dog': 7}
    assert part.names() == ['2.jpg', '1.jpg', '3.jpg']
    second, first, third = map(part.load, part.names())
    assert second.objects == [(
        'dog', (6, 4, 30.5, 20), 0, 0, 1, 99.5)]
    assert [item[:2] for item in first.objects] == [
        ('cat', (6, 4, 30, 20)), ('dog', (0, 0, 60, 40))]
    assert [item.area for item in first.objects] == [384, 2400]
    assert (second.size, third.size, third.objects) == ((40, 60), None, [])
    assert [second.image_id, first.image_id] == ['x', 0]
    assert not any([*first.repairs, *first.faults, *second.repairs])
    assert part.left_out() == {
        'image that no COCO file lists': ['images/9.jpg'],
        'image that only annotations name': ['id 12, 2 annotations']}
    assert part.missing() is None


def test_records_keep_ids_crowds_and_areas(tmp_path):
    put_images(tmp_path, 'a.jpg', 'b.jpg')
    put(tmp_path / 'toy.json', [
        image_entry(397133, 'a.jpg'), image_entry(0, 'b.jpg')], [
            box(397133, 6, 4, 24, 16, iscrowd=1, area=50),
            box(397133, 0, 0, 60, 20)])
    manifest, = converted(tmp_path, tmp_path / 'records')
    first, second = records.read_samples(
        records.shards(str(tmp_path / 'records'))['toy'])
    np.testing.assert_allclose(
        first.bboxes, [[.1, .1, .5, .5], [0, 0, .5, 1]], rtol=1e-6)
    assert first.source_id == '397133' and second.source_id == '0'
    assert first.is_crowd.tolist() == [1, 0]
    assert first.area.tolist() == [50, 1200]
    assert first.difficult.tolist() == [0, 0] and not second.names
    assert manifest['repaired'] == {}
    assert manifest['classes'] == ['cat', 'dog']
    assert manifest['category_ids'] == {'cat': 0, 'dog': 7}


@pytest.mark.parametrize('name, on_disk, repairs', [
    ('1.jpg', 'images/1.jpg', []),
    ('images/1.jpg', 'images/1.jpg', []),
    ('sub/1.jpg', 'images/sub/1.jpg', []),
    ('sub/1.jpg', '1.jpg', ['image_found_by_end_of_path']),
    ('C:\\my data\\1.jpg', 'images/1.jpg', ['image_found_by_end_of_path']),
    ('/home/a/1.jpg', 'images/b/1.jpg', ['image_found_by_end_of_path']),
    ('https://a.org/b/my%201.jpg?size=9#x', 'Images/my 1.jpg',
     ['image_found_by_end_of_path'])])
def test_images_are_found_where_their_names_lead(
        tmp_path, name, on_disk, repairs):
    put_images(tmp_path, on_disk)
    put(tmp_path / 'annotations' / 'instances_default.json',
        [image_entry(1, name)])
    (_, one), = loaded(tmp_path).items()
    assert one.image == str(tmp_path / on_disk) and not one.faults
    assert one.repairs == repairs
    assert on_disk.endswith(one.file_name)


def test_the_same_image_twice(tmp_path):
    put_images(tmp_path, '1.jpg', '2.jpg', '3.jpg', 'a/4.jpg', 'b/4.jpg')
    put(tmp_path / 'toy.json', [
        image_entry(1, '1.jpg'), image_entry(1, '1.jpg'),  # Twice the same.
        image_entry(2, '2.jpg'), image_entry(3, '2.jpg'),  # An entry a box.
        image_entry(4, '3.jpg'), image_entry(5, 'x/3.jpg'),
        image_entry(6, 'a/4.jpg'), image_entry(7, 'b/4.jpg'),
        image_entry(8, '4.jpg'), image_entry(6, '8.jpg'),
        image_entry(7., 'b/4.jpg'), image_entry(7, 'b/4.jpg', width=61)], [
            box(1, 6, 4, 24, 16), box(2, 6, 4, 24, 16), box(3, 6, 4, 24, 16),
            box(3, 0, 0, 60, 40)])
    found = loaded(tmp_path)
    assert len(found['1.jpg'].objects) == 1 and len(found['2.jpg'].objects) == 2
    for name in ('1.jpg', '2.jpg'):
        assert found[name].repairs == ['image_listed_twice']
        assert not found[name].faults
    messages = {name: [fault.message for fault in one.faults]
                for name, one in found.items()}
    path = tmp_path / '3.jpg'
    assert messages['3.jpg'] == [f"both are {path}: this and 'x/3.jpg'"]
    assert messages['x/3.jpg'] == [f"both are {path}: this and '3.jpg'"]
    assert messages['a/4.jpg'] == ["both have the id 6: this and '8.jpg'"]
    assert messages['b/4.jpg'] == ['it is listed with different sizes']
    for name in ('4.jpg', '8.jpg'):
        assert messages[name][0].startswith('no image, or several: ')


def test_a_box_of_cvat_is_turned_about_its_centre(tmp_path):
    put_images(tmp_path, '1.jpg')
    turned = {'attributes': {'occluded': False, 'rotation': 90.}}
    put(tmp_path / 'toy.json', [image_entry(1, '1.jpg')], [
        box(1, 20, 15, 20, 10, **turned),
        box(1, 20, 15, 20, 10, segmentation=[[20, 15, 40, 25]], **turned),
        box(1, 20, 15, 20, 10, attributes={'rotation': 0.0})])
    one = loaded(tmp_path)['1.jpg']
    np.testing.assert_allclose(
        [item.bbox for item in one.objects],
        [(25, 10, 35, 30), (20, 15, 40, 25), (20, 15, 40, 25)])
    assert one.repairs == ['rotated_box']


def test_splits_of_roboflow_and_its_category_without_objects(tmp_path):
    categories = [
        {'id': 0, 'name': 'cells', 'supercategory': 'none'},
        {'id': 1, 'name': 'RBC', 'supercategory': 'cells'},
        {'id': 2, 'name': 'WBC', 'supercategory': 'cells'}]
    for split in ('train', 'valid', 'test'):
        # The same name may be that of another image.
        put_images(tmp_path / split, 'a_jpg.rf.1.jpg')
        put(tmp_path / split / '_annotations.coco.json', [
            image_entry(0, 'a_jpg.rf.1.jpg')],
            [box(0, 6, 4, 24, 16, category_id=1)], categories)
    (tmp_path / 'README.roboflow.txt').touch()
    parts = annotations.find(str(tmp_path), 'cells')
    assert [part.output_name for part in parts] == [
        'cells_test', 'cells_train', 'cells_val']
    for part in parts:
        assert part.labels == ('RBC', 'WBC')
        assert part.category_ids == {'RBC': 1, 'WBC': 2}
        assert "'cells' is no class" in part.notes[0]
        one = part.load(*part.names())
        assert not one.repairs and one.objects[0].name == 'RBC'
    assert [part.left_out() for part in parts] == [
        {'other file': ['README.roboflow.txt']}, {}, {}]
    # A split alone, as a folder or a file.
    for place in (tmp_path / 'valid',
                  tmp_path / 'valid' / '_annotations.coco.json'):
        for name in ('cells', 'cells_val'):
            part, = annotations.find(str(place), name)
            assert part.output_name == 'cells_val'
    assert annotations.find(str(tmp_path / 'test'), 'x')[0].labels == (
        'RBC', 'WBC')
    # With objects it is a class.
    put(tmp_path / 'train' / '_annotations.coco.json', [
        image_entry(0, 'a_jpg.rf.1.jpg')],
        [box(0, 6, 4, 24, 16)], categories)
    assert annotations.find(str(tmp_path / 'train'), 'x')[0].labels == (
        'cells', 'RBC', 'WBC')


def test_coco_2017_as_its_archives_are_unpacked(tmp_path):
    # As in COCO, 80 of the ids from 1 to 90.
    ids = [i for i in range(1, 91)
           if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
    categories = [{'id': i, 'name': name, 'supercategory': 'x'}
                  for i, name in zip(ids, label_map.COCO_LABELS, strict=True)]
    with pytest.raises(ValueError, match=(
            'instances_train2017.json is missing; it is in COCO')):
        annotations.find_2017(str(tmp_path))
    for split in ('train2017', 'val2017'):
        put_images(tmp_path / split, '000000000001.jpg')
        for kind in ('instances', 'person_keypoints'):
            put(tmp_path / 'annotations' / f'{kind}_{split}.json',
                [image_entry(1, '000000000001.jpg')],
                [box(1, 6, 4, 24, 16, category_id=90)], categories)
    put_images(tmp_path / 'test2017', '000000000009.jpg')
    parts = annotations.find_2017(str(tmp_path))
    assert [part.output_name for part in parts] == [
        'coco_2017_train', 'coco_2017_val']
    for part in parts:
        assert part.labels == label_map.COCO_LABELS
        one = part.load(*part.names())
        assert one.objects[0].name == 'toothbrush' and not one.repairs
    assert parts[0].category_ids['stop sign'] == 13
    parts = annotations.find(str(tmp_path), 'coco')
    assert [part.output_name for part in parts] == ['coco_train', 'coco_val']


def test_files_that_are_not_of_one_split(tmp_path):
    assert annotations.find(str(tmp_path), 'toy') is None
    (tmp_path / 'package.json').write_text('{"images": 1}')
    (tmp_path / 'empty.json').touch()
    assert annotations.find(str(tmp_path), 'toy') is None
    put_images(tmp_path / 'pictures', '1.jpg')
    for name in ('north', 'south'):
        put(tmp_path / 'json' / f'{name}.json', [image_entry(1, '1.jpg')])
    parts = annotations.find(
        str(tmp_path), 'toy', images_dir=str(tmp_path / 'pictures'),
        annotations_dir=str(tmp_path / 'json'))
    assert [part.output_name for part in parts] == ['toy_north', 'toy_south']
    (tmp_path / 'json' / 'south.json').rename(tmp_path / 'north.json')
    with pytest.raises(ValueError, match='several COCO files of the same'):
        annotations.find(str(tmp_path), 'toy')


@pytest.mark.parametrize('text, message', [
    ('{"images": [], "annotations": [], "categories": []', 'is not JSON: '),
    ('{"images": [], "annotations": [], "categories": ' + '9' * 5000 + '}',
     'is not JSON: '),
    ('["images", "annotations", "categories"]', 'is not a COCO file; it must'),
    ('{"images": {}, "annotations": [], "categories": []}', 'is not a COCO'),
    ('{"images": [], "annotations": [], "categories": []}', 'lists no image'),
    ('{"images": [{"id": 1, "file_name": "2.jpg"}], "annotations": [], '
     '"categories": [1]}', 'none of its 1 images is in .*give --images_dir'),
    ('{"images": [1], "annotations": [], "categories": []}',
     'lists no category'),
    ('{"images": [{"id": 1, "file_name": "1.jpg"}], "categories": [1], '
     '"annotations": [{"image_id": 2}]}', 'none of its 1 annotations is of'),
    ('{"images": ' + '[' * 10 ** 5 + '], "annotations": [], "categories": []}',
     'is not a COCO file')])
def test_what_is_no_coco_file(tmp_path, text, message):
    put_images(tmp_path, '1.jpg')
    (tmp_path / 'toy.json').write_text(text)
    with pytest.raises(ValueError, match=f'^{tmp_path}/toy.json.* ?{message}'):
        annotations.find(str(tmp_path), 'toy')
