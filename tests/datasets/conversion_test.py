"""Conversion of annotated images, from the folders to the records."""
import errno
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from common import files
from datasets import conversion
from datasets import dataset_factory
from datasets import manifests
from datasets import samples
from datasets.voc import folders
from tests import scripts
from tests import voc_files

image, put = voc_files.image, voc_files.put
BOX = (1, 1, 9, 9)


def run(folder, output_dir, labels=('a', 'b'), name='toy_train',
        image_set=None, **options):
    return conversion.convert(
        [folders.Part(str(folder), image_set, name)], str(output_dir),
        labels, **options)[0]


def examples(folder, name='toy_train'):
    return [tf.train.Example.FromString(record).features.feature
            for path in sorted(pathlib.Path(folder).glob(f'{name}_*.tfrecord'))
            for record in tf.io.tf_record_iterator(str(path))]


def bboxes(features):
    return np.stack([features[f'image/object/bbox/{side}'].float_list.value
                     for side in ('ymin', 'xmin', 'ymax', 'xmax')], -1)


def records_in(folder):
    return {path.name: path.read_bytes() for path in folder.glob('toy_*')}


class Drawer:
    """A format of its own: boxes by the names of one image."""
    folder, output_name = 'drawer', 'toy_train'
    labels, notes = ('b', 'c', 'a'), ()

    def __init__(self, image):
        self.image = image

    def names(self):
        return ['a 6 4 30 20', 'b 0 0 60 40', 'none', 'broken']

    def load(self, name):
        label, *sides = name.split()
        return samples.Annotated(
            name, f'{self.folder}, drawing {name}', f'{label}.jpg',
            None if name == 'broken' else self.image, (40, 60),
            objects=[samples.Object(label, [*map(int, sides)], 0, 1)]
            if sides else [],
            faults=[samples.Fault('torn', 'it is torn')]
            if name == 'broken' else [])

    def left_out(self):
        return {'image without drawing': ['lone.jpg', '\x1b.jpg'], 'text': []}

    def missing(self):
        return None


def test_a_format_is_names_and_a_way_to_load_them(tmp_path):
    path = tmp_path / 'drawn.jpg'
    path.write_bytes(image())
    with pytest.raises(ValueError, match=(
            'drawer, drawing broken: it is torn\n')):
        conversion.convert([Drawer(str(path))], str(tmp_path), ['a', 'b'])
    manifest, = conversion.convert(
        [Drawer(str(path))], str(tmp_path), skip_invalid=True)
    assert manifest['objects_per_class'] == {'b': 1, 'c': 0, 'a': 1}
    assert manifest['skipped'] == {'torn': {'count': 1, 'files': ['broken']}}
    assert manifest['repaired'] == {}
    assert manifest['found'] == {'annotated_images': 4, 'other_files': 2}
    assert manifest['left_out'] == {'image without drawing': {
        'count': 2, 'files': ['lone.jpg', '\x1b.jpg']}}
    assert manifests.report(manifest)[4:] == [
        'found: 4 annotated images and 2 other files; used: 3; left out: 3',
        'skipped: torn: 1 in broken',
        'left out: image without drawing: 2 in lone.jpg, %1B.jpg']
    first, _, third = examples(tmp_path)
    np.testing.assert_allclose(bboxes(first), [[.1, .1, .5, .5]], rtol=1e-6)
    assert first['image/object/bbox/truncated'].int64_list.value == [1]
    assert third['image/filename'].bytes_list.value == [b'none.jpg']


def test_writes_annotations_in_sorted_order_and_counts(tmp_path):
    put(tmp_path / 'voc', '2', [('b', (6, 4, 60, 40)), ('b', BOX)])
    put(tmp_path / 'voc', '1')
    (tmp_path / 'voc' / 'Annotations' / '._1.xml').write_bytes(b'Mac')
    folder = tmp_path / 'new' / 'records'
    run(tmp_path / 'voc', folder)
    first, second = examples(folder)
    assert first['image/encoded'].bytes_list.value == [image()]
    assert first['image/filename'].bytes_list.value == [b'1.jpg']
    assert second['image/shape'].int64_list.value == [40, 60, 3]
    # As the original: divided by the size, without taking 1 off.
    np.testing.assert_allclose(bboxes(second)[0], [.1, .1, 1., 1.], rtol=1e-6)
    assert second['image/object/bbox/label'].int64_list.value == [2, 2]
    assert second['image/object/bbox/label_text'].bytes_list.value[0] == b'b'
    assert second['image/object/bbox/difficult'].int64_list.value == [0, 0]
    assert json.loads((folder / 'toy_train.json').read_text()) == {
        'format_version': 1, 'num_images': 2, 'num_objects': 2,
        'num_difficult': 0, 'classes': ['a', 'b'],
        'images_per_class': {'a': 0, 'b': 1},
        'objects_per_class': {'a': 0, 'b': 2},
        'files': [{
            'name': 'toy_train_000.tfrecord', 'num_records': 2,
            'bytes': (folder / 'toy_train_000.tfrecord').stat().st_size}],
        'image_hashes': 2 * hashlib.sha256(image()).hexdigest()[:16],
        'found': {'annotated_images': 2, 'other_files': 0},
        'repaired': {}, 'skipped': {}, 'left_out': {}}


def test_repairs_boxes_and_sizes_and_counts_by_kind(tmp_path):
    put(tmp_path, '1', [
        ('a', (-5, 0, 30, 50)), ('a', (30, 20, 6, 4)), ('a', (5, 5, 5, 9)),
        ('a', (60, 0, 70, 9)), ('b', (6, 4, 30, 20))])
    put(tmp_path, '2', [('a', (60, 40, 300, 200))], size=(600, 400))
    put(tmp_path, '3', [('a', (6, 4, 30, 20))], size=None)
    assert run(tmp_path, tmp_path)['repaired'] == {
        kind: {'count': 1, 'files': [stem]} for kind, stem in (
            ('clipped_box', '1'), ('reversed_box', '1'),
            ('dropped_box_without_area', '1'), ('dropped_box_outside', '1'),
            ('scaled_boxes', '2'), ('missing_size', '3'))}
    first, *others = examples(tmp_path)
    np.testing.assert_allclose(bboxes(first), [
        [0, 0, 1, .5], [.1, .1, .5, .5], [.1, .1, .5, .5]], rtol=1e-6)
    assert first['image/object/bbox/label'].int64_list.value == [1, 1, 2]
    for features in others:
        np.testing.assert_allclose(bboxes(features), [[.1, .1, .5, .5]],
                                   rtol=1e-6)


def test_finds_images_by_stem_and_never_outside(tmp_path):
    put(tmp_path, '1', extension='.PNG', file_name='elsewhere.jpg')
    put(tmp_path, '2', extension='.Jpeg', file_name='../../2.Jpeg')
    put(tmp_path, '3', extension='.bmp', file_name='C:\\images\\3.bmp')
    put(tmp_path, '4', extension='', file_name='../outside.jpg')
    (tmp_path / 'outside.jpg').write_bytes(image())
    manifest = run(tmp_path, tmp_path, skip_invalid=True)
    assert manifest['repaired'] == {
        'image_found_by_stem': {'count': 1, 'files': ['1']},
        'reencoded_image': {'count': 1, 'files': ['3']}}
    assert manifest['skipped'] == {
        'missing_image': {'count': 1, 'files': ['4']}}
    assert [features['image/format'].bytes_list.value[0]
            for features in examples(tmp_path)] == [b'PNG', b'JPEG', b'PNG']


def test_skip_invalid_goes_on_and_names_what_is_missing(tmp_path):
    put(tmp_path, '1', [('a', BOX)])
    put(tmp_path, '2', [('persn', BOX), ('c', BOX)])
    put(tmp_path, '3', extension='')
    put(tmp_path, '4', content=b'\xff\xd8\xff')
    put(tmp_path, '5')
    (tmp_path / 'Annotations' / '5.xml').write_text('<annotation>')
    with pytest.raises(ValueError, match=(
            'Known classes: a, person.\nUnknown classes: c, persn .did you '
            'mean person.*\n.*--skip_invalid')):
        run(tmp_path, tmp_path, ('a', 'person'))
    manifest = run(tmp_path, tmp_path, ('a', 'person'), skip_invalid=True)
    assert manifest['num_images'] == 1
    assert manifest['skipped'] == {
        kind: {'count': 1, 'files': [stem]} for kind, stem in (
            ('unknown_class', '2'), ('missing_image', '3'),
            ('unreadable_image', '4'), ('bad_annotation', '5'))}
    put(tmp_path, '1', extension='', file_name='gone.jpg')
    (tmp_path / 'JPEGImages' / '1.jpg').unlink()
    with pytest.raises(ValueError, match='no image is left'):
        run(tmp_path, tmp_path, ('a', 'person'), skip_invalid=True)


def test_links_may_not_lead_out_of_the_images(tmp_path):
    folder = tmp_path / 'voc'
    images, outside = folder / 'JPEGImages', tmp_path / 'outside'
    put(folder, '1')
    put(folder, '2')
    put(folder, '3', extension='', file_name='elsewhere/1.jpg')
    for name, target in (('1', outside), ('2', images / 'below')):
        target.mkdir()
        (images / f'{name}.jpg').rename(target / f'{name}.jpg')
        (images / f'{name}.jpg').symlink_to(target / f'{name}.jpg')
    (images / 'elsewhere').symlink_to(outside)
    with pytest.raises(ValueError, match=(
            r'image: a link that leads out of JPEGImages, to .*/1\.jpg.*make '
            r'JPEGImages itself the link: 2 in .*1\.xml, .*3\.xml')) as caught:
        run(folder, tmp_path)
    assert '2.xml' not in str(caught.value)
    # The whole folder may be anywhere.
    (images / '1.jpg').unlink()
    put(folder, '1')
    put(folder, '3')
    images.rename(tmp_path / 'big_disk')
    images.symlink_to(tmp_path / 'big_disk')
    assert run(folder, tmp_path)['num_images'] == 3


def test_equal_faults_are_one_line_with_examples(tmp_path):
    for index in range(7):
        put(tmp_path, f'x{index}', [('cat', BOX)], content=b'text')
        put(tmp_path, f'y{index}', extension='')
    put(tmp_path, 'z', [('dog', BOX)])
    with pytest.raises(ValueError) as caught:
        run(tmp_path, tmp_path)
    place = os.path.join(str(tmp_path), 'Annotations', '{}.xml')
    lines = str(caught.value).splitlines()
    assert lines[0].startswith('15 annotations cannot be converted')
    assert lines[2] == f"  {place.format('z')}: unknown class 'dog'"
    for line, start, letter in zip((lines[1], *lines[3:5]), (
            "unknown class 'cat'", 'image: not an image, or a damaged one',
            'no image: '), 'xxy', strict=True):
        assert line.startswith(f'  {start}')
        places = [place.format(f'{letter}{index}') for index in range(5)]
        assert line.endswith(f': 7 in {", ".join(places)} and 2 more')
    assert len(lines) == 8


def test_faults_that_differ_in_texts_and_numbers_are_one_line(tmp_path):
    for index in range(7):
        put(tmp_path, str(index), [('cat', BOX)] * index + [
            ('x' * 300 if index == 6 else f"it's {index}", (1, 'a', 3, 4))])
    with pytest.raises(ValueError) as caught:
        run(tmp_path, tmp_path, ['cat'])
    first, second = str(caught.value).splitlines()[1:3]
    places = [f'{tmp_path}/Annotations/{index}.xml' for index in range(5)]
    assert first == "  object * (*): <ymin> is 'a', not a number: 7 in " + (
        ', '.join(f'{place} ({index + 1}, "it\'s {index}")' for index, place
                  in enumerate(places)) + ' and 2 more')
    # No more than five are a line each.
    assert second == 'Correct them, or leave them out with --skip_invalid.'
    for index in range(2):
        put(tmp_path, str(index), [('cat', BOX)])
    with pytest.raises(ValueError) as caught:
        run(tmp_path, tmp_path, ['cat'])
    lines = str(caught.value).splitlines()[1:-1]
    assert [line.partition('object ')[2][:1] for line in lines] == list('34567')
    assert lines[-1].endswith(
        f"object 7 ('{200 * 'x'}...'): <ymin> is 'a', not a number")


def test_classes_of_own_data_are_those_in_it(tmp_path):
    put(tmp_path, '1', [('WBC', BOX), ('RBC', BOX)])
    put(tmp_path, '2', [('Platelets', BOX)])
    manifest = run(tmp_path, tmp_path, labels=None)
    assert manifest['classes'] == ['Platelets', 'RBC', 'WBC']
    put(tmp_path, '3', [('dog', BOX)])
    with pytest.raises(ValueError, match=(
            'Unknown classes: Platelets, RBC, WBC.\n.*those of VOC')):
        run(tmp_path, tmp_path, labels=None)


@pytest.mark.parametrize('change, cause', [
    (lambda box: [value / 60 for value in box], 'from 0 to 1 are parts'),
    (lambda box: [box[1], box[0], box[3], box[2]], 'x and y are swapped'),
    (lambda box: [value + 30 for value in box], 'another copy of the images'),
    (lambda box: [31, 12, 9, 8], 'xmax and ymax are width and height'),
    (lambda box: [30, 20, 30.1, 30], 'smaller than a pixel at 300 x 300')])
def test_a_set_that_is_likely_misread_is_refused(tmp_path, change, cause):
    boxes = [('a', change((20 + index, 10, 50 + index, 30)))
             for index in range(3)]
    for index in range(4):
        put(tmp_path, str(index), boxes if index == 3 else [('a', BOX)] * 3)
    with pytest.raises(ValueError, match=(
            f'^{tmp_path}: 3 of 12 objects would be clipped, .*\n  .*{cause}.*'
            r': 3 in 3\nNothing was written. .*--allow_repairs')):
        run(tmp_path, tmp_path, skip_invalid=True)
    assert run(tmp_path, tmp_path, allow_repairs=True)['num_images'] == 4
    put(tmp_path, '4', [('a', BOX)] * 3)  # 3 of 15 may be an accident.
    assert run(tmp_path, tmp_path)['num_images'] == 5


def test_a_set_that_uses_a_quarter_of_its_images_is_refused(tmp_path):
    for index in range(10):
        put(tmp_path, str(index), [('a', BOX)] * 10)
    with pytest.raises(ValueError, match=(
            'all 100 objects are in the top left quarter .* percent')):
        run(tmp_path, tmp_path, skip_invalid=True)
    put(tmp_path, '9', [('a', (1, 1, 9, 20.1))])
    put(tmp_path, '10', [('a', BOX)] * 10)
    assert run(tmp_path, tmp_path)['num_objects'] == 101


def test_a_small_set_is_refused_if_all_of_it_is_doubtful(tmp_path):
    put(tmp_path, '1', [('a', (.1, .1, .5, .5))])
    with pytest.raises(ValueError, match='1 of 1 objects .*\n.* from 0 to 1'):
        run(tmp_path, tmp_path)
    put(tmp_path, '1', [('a', (.1, .1, .5, .5)), ('a', BOX)])
    assert run(tmp_path, tmp_path)['num_objects'] == 2


def test_what_others_of_the_set_show_to_be_misread_is_refused(tmp_path):
    # Width and height are swapped; boxes of one image fit both ways.
    put(tmp_path, '1', [('a', BOX)], size=(40, 60))
    assert run(tmp_path, tmp_path)['repaired'] == {
        'swapped_size': {'count': 1, 'files': ['1']}}
    put(tmp_path, '2', [('a', (1, 1, 9, 59))], size=(40, 60))
    with pytest.raises(ValueError, match=(
            'swapped_size is likely a mistake in 1 in 1: the image was turned '
            'after its boxes were drawn, in 1 in 2\n')):
        run(tmp_path, tmp_path, skip_invalid=True)
    assert run(tmp_path, tmp_path, skip_invalid=True,
               allow_repairs=True)['num_images'] == 1


def test_unknown_classes_are_offered_as_labels(tmp_path):
    put(tmp_path, '1', [('RBC', BOX), ('person', BOX), ('a&#x9b;31m', BOX)])
    with pytest.raises(ValueError, match='--labels=RBC,person\n') as caught:
        run(tmp_path, tmp_path, labels=None)
    # What would do things to the screen is escaped.
    assert r"unknown class 'a\x9b31m'" in str(caught.value)
    assert str(caught.value).replace('\n', '').isprintable()


def test_a_smaller_conversion_replaces_a_larger_one(tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, 'SAMPLES_PER_FILE', 2)
    for stem in '12345':
        put(tmp_path, stem)
    (tmp_path / 'toy_train_more_000.tfrecord').touch()
    # As a conversion leaves them that is killed.
    (tmp_path / 'toy_train.partial').mkdir()
    (tmp_path / 'toy_train.partial' / 'toy_train_007.tfrecord').touch()
    shards = run(tmp_path, tmp_path)['files']
    assert [(shard['name'], shard['num_records']) for shard in shards] == [
        ('toy_train_000.tfrecord', 2), ('toy_train_001.tfrecord', 2),
        ('toy_train_002.tfrecord', 1)]
    voc_files.put_list(tmp_path, 'one', '4\n\n')
    assert run(tmp_path, tmp_path, image_set='one')['num_images'] == 1
    assert sorted(path.name for path in tmp_path.glob('toy*')) == [
        'toy_train.json', 'toy_train_000.tfrecord',
        'toy_train_more_000.tfrecord']


@pytest.mark.parametrize('content, message', [
    (None, 'x.txt is missing; --image_set can be: trainval'),
    ('\n', 'names no annotation'),
    ('1\n1\n', "x.txt: '1' is given 2 times"),
    ('../1\n', "x.txt: '../1' is given 1 times; .* inside of the folder"),
    ('\x1b[31m1\n', r"x.txt: '\\x1b\[31m1' is given 1 times; .* printable"),
    ('1\n9\n', '9.xml: .*No such file'),
    ('8\n9\n', "x.txt: .*Annotations has .* none of its 2 names, as '8'"),
])
def test_image_sets_are_checked(tmp_path, content, message):
    put(tmp_path, '1')
    voc_files.put_list(tmp_path, 'trainval', '1\n')
    if content is not None:
        voc_files.put_list(tmp_path, 'x', content)
    with pytest.raises(ValueError, match=message):
        run(tmp_path, tmp_path, image_set='x')


@pytest.mark.parametrize('name, message', [
    ('a/b', "--output_name is 'a/b'; .* without folder"),
    ('', "--output_name is ''"),
    ('pascalvoc_2007_train', 'but --dataset_name=pascalvoc_2007 reads '
     'voc_2007_train: records need that name'),
    ('pascalvoc_0712_test', 'reads voc_2007_test and voc_2012_test')])
def test_names_that_could_not_be_opened_are_refused(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, tmp_path, name=name)


@pytest.mark.parametrize('skip_invalid, gone', [
    (False, 'Annotations'), (True, 'Annotations'), (True, 'JPEGImages')])
def test_a_folder_that_vanishes_is_one_fault(tmp_path, gone, skip_invalid):
    put(tmp_path / 'voc', '1')

    def remove(names, output_name):
        shutil.rmtree(tmp_path / 'voc' / gone)
        return names

    with pytest.raises(ValueError, match=(
            f'^{tmp_path}/voc/{gone} has gone since the conversion began; '
            'nothing was written.$')):
        run(tmp_path / 'voc', tmp_path / 'records', progress=remove,
            skip_invalid=skip_invalid)
    assert not os.listdir(tmp_path / 'records')
    with pytest.raises(ValueError, match=f'{gone} is not a folder'):
        run(tmp_path / 'voc', tmp_path / 'records')


def test_what_is_killed_is_whole_or_refused():
    process = subprocess.run(
        [sys.executable, '-m', 'tests.hostile.kill_conversion', '--kills=6'],
        cwd=scripts.ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    assert '6 kills: ' in process.stdout


def test_interrupted_replacement_is_refused_even_if_sizes_agree(
        tmp_path, monkeypatch):
    put(tmp_path, '1', [('a', BOX)])
    run(tmp_path, tmp_path, ('a', 'b'))
    replace = os.replace

    def replace_shards(source, target):
        replace(source, target)
        if target.endswith('.tfrecord'):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, 'replace', replace_shards)
        run(tmp_path, tmp_path, ('b', 'a'))
    with pytest.raises(ValueError, match="format_version 'unfinished'"):
        dataset_factory.get_dataset('toy', 'train', str(tmp_path))
    run(tmp_path, tmp_path, ('b', 'a'))
    dataset = dataset_factory.get_dataset('toy', 'train', str(tmp_path))
    assert dataset.labels == ('b', 'a')


def test_what_fails_leaves_the_earlier_records(tmp_path, monkeypatch):
    put(tmp_path, '1')
    run(tmp_path, tmp_path)
    before = records_in(tmp_path)
    put(tmp_path, '2', [('c', BOX)])
    with pytest.raises(ValueError, match="unknown class 'c'"):
        run(tmp_path, tmp_path)
    with scripts.full_disk(), pytest.raises(OSError, match=(
            'toy_train_000.tfrecord.*; File too large')):
        run(tmp_path, tmp_path, ('a', 'c'))
    # What is left on a disk may suffice for the records alone.
    monkeypatch.setattr(files, 'write_whole', mock.Mock(
        side_effect=OSError(errno.ENOSPC, 'No space left on device')))
    with pytest.raises(OSError, match='No space left on device'):
        run(tmp_path, tmp_path, ('a', 'c'))
    assert records_in(tmp_path) == before
