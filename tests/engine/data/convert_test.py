"""Conversion of VOC folders, from the flags to the records."""
import errno
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from unittest import mock

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from datasets import conversion
from datasets import dataset_factory
from datasets.shapes import synthetic_shapes
from datasets.voc import folders
from engine.data import convert
from tests import scripts

ROOT = scripts.ROOT
BCCD = ROOT.parent / 'shared' / 'data' / 'bccd'
PIXELS = np.full((40, 60, 3), 90, np.uint8)


def put(folder, stem, objects=(), extension='.jpg', file_name=None,
        size=(60, 40), content=None):
    """Writes an image of 40 x 60 pixels and its annotation.

    Args:
      folder: VOC folder.
      stem: of the annotation and the image.
      objects: pairs of name and (xmin, ymin, xmax, ymax).
      extension: of the image; '' for no image.
      file_name: what the annotation says, if not the image's name.
      size: width and height that the annotation tells, or None.
      content: bytes of the image.
    """
    for name in ('Annotations', 'JPEGImages', 'ImageSets/Main'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if extension:
        if content is None:
            content = cv2.imencode(extension.lower(), PIXELS)[1].tobytes()
        (folder / 'JPEGImages' / (stem + extension)).write_bytes(content)
    if file_name is None:
        file_name = stem + extension
    lines = ['<annotation>', f'<filename>{file_name}</filename>']
    if size is not None:
        lines.append(f'<size><width>{size[0]}</width>'
                     f'<height>{size[1]}</height></size>')
    for name, bbox in objects:
        sides = ''.join(f'<{side}>{value}</{side}>' for side, value in zip(
            ('xmin', 'ymin', 'xmax', 'ymax'), bbox, strict=True))
        lines.append(f'<object><name> {name} </name>'
                     f'<bndbox>{sides}</bndbox></object>')
    (folder / 'Annotations' / f'{stem}.xml').write_text(
        '\n'.join([*lines, '</annotation>']))


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


def test_writes_annotations_in_sorted_order(tmp_path):
    content = cv2.imencode('.jpg', PIXELS)[1].tobytes()
    put(tmp_path / 'voc', '2', [('b', (6, 4, 60, 40))])
    put(tmp_path / 'voc', '1', content=content)
    (tmp_path / 'voc' / 'Annotations' / '._1.xml').write_bytes(b'Mac')
    manifest = run(tmp_path / 'voc', tmp_path / 'new' / 'records')
    first, second = examples(tmp_path / 'new' / 'records')
    assert first['image/encoded'].bytes_list.value == [content]
    assert first['image/filename'].bytes_list.value == [b'1.jpg']
    assert second['image/shape'].int64_list.value == [40, 60, 3]
    # As the original: divided by the size, without taking 1 off.
    np.testing.assert_allclose(bboxes(second), [[.1, .1, 1., 1.]], rtol=1e-6)
    assert second['image/object/bbox/label'].int64_list.value == [2]
    assert second['image/object/bbox/label_text'].bytes_list.value == [b'b']
    assert second['image/object/bbox/difficult'].int64_list.value == [0]
    assert manifest['repaired'] == manifest['skipped'] == {}


def test_manifest_counts_and_describes_the_files(tmp_path):
    put(tmp_path, '1', [('a', (1, 1, 9, 9)), ('a', (3, 3, 9, 9))])
    put(tmp_path, '2')
    run(tmp_path, tmp_path)
    manifest = json.loads((tmp_path / 'toy_train.json').read_text())
    content = (tmp_path / 'toy_train_000.tfrecord').read_bytes()
    assert manifest == {
        'format_version': 1, 'num_images': 2, 'num_objects': 2,
        'num_difficult': 0, 'classes': ['a', 'b'],
        'images_per_class': {'a': 1, 'b': 0},
        'objects_per_class': {'a': 2, 'b': 0},
        'files': [{'name': 'toy_train_000.tfrecord', 'num_records': 2,
                   'bytes': len(content),
                   'sha256': hashlib.sha256(content).hexdigest()}],
        'image_hashes': 2 * hashlib.sha256(cv2.imencode(
            '.jpg', PIXELS)[1].tobytes()).hexdigest()[:16],
        'repaired': {}, 'skipped': {}}


def test_repairs_boxes_and_counts_them_by_kind(tmp_path):
    put(tmp_path, '1', [
        ('a', (-5, 0, 30, 50)), ('a', (30, 20, 6, 4)), ('a', (5, 5, 5, 9)),
        ('a', (60, 0, 70, 9)), ('b', (6, 4, 30, 20))])
    repaired = run(tmp_path, tmp_path)['repaired']
    assert {kind: entry['count'] for kind, entry in repaired.items()} == {
        'clipped_box': 1, 'reversed_box': 1, 'dropped_box_without_area': 1,
        'dropped_box_outside': 1}
    assert repaired['clipped_box']['files'] == ['1']
    features, = examples(tmp_path)
    np.testing.assert_allclose(bboxes(features), [
        [0, 0, 1, .5], [.1, .1, .5, .5], [.1, .1, .5, .5]], rtol=1e-6)
    assert features['image/object/bbox/label'].int64_list.value == [1, 1, 2]


def test_sizes_are_those_of_the_pixels(tmp_path):
    put(tmp_path, '1', [('a', (6, 4, 30, 20))], size=(600, 400))
    put(tmp_path, '2', [('a', (6, 4, 30, 20))], size=None)
    manifest = run(tmp_path, tmp_path)
    assert manifest['repaired'] == {
        'size_mismatch': {'count': 1, 'files': ['1']},
        'missing_size': {'count': 1, 'files': ['2']}}
    for features in examples(tmp_path):
        np.testing.assert_allclose(bboxes(features), [[.1, .1, .5, .5]],
                                   rtol=1e-6)


def test_finds_images_by_stem_and_never_outside(tmp_path):
    put(tmp_path, '1', extension='.PNG', file_name='elsewhere.jpg')
    put(tmp_path, '2', extension='.Jpeg', file_name='../../2.Jpeg')
    put(tmp_path, '3', extension='.bmp', file_name='C:\\images\\3.bmp')
    put(tmp_path, '4', extension='', file_name='../outside.jpg')
    (tmp_path / 'outside.jpg').write_bytes(
        (tmp_path / 'JPEGImages' / '2.Jpeg').read_bytes())
    manifest = run(tmp_path, tmp_path, skip_invalid=True)
    assert manifest['repaired'] == {
        'image_found_by_stem': {'count': 3, 'files': ['1', '2', '3']},
        'reencoded_image': {'count': 1, 'files': ['3']}}
    assert manifest['skipped'] == {
        'missing_image': {'count': 1, 'files': ['4']}}
    assert [features['image/format'].bytes_list.value[0]
            for features in examples(tmp_path)] == [b'PNG', b'JPEG', b'PNG']


def put_faulty(folder):
    put(folder, '1', [('a', (1, 1, 9, 9))])
    put(folder, '2', [('persn', (1, 1, 9, 9)), ('c', (1, 1, 9, 9))])
    put(folder, '3', extension='')
    put(folder, '4', content=b'\xff\xd8\xff')
    put(folder, '5')
    (folder / 'Annotations' / '5.xml').write_text('<annotation>')


def test_lists_all_faults_and_writes_nothing(tmp_path):
    put_faulty(tmp_path)
    with pytest.raises(ValueError) as caught:
        run(tmp_path, tmp_path / 'records', ('a', 'person'))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith('4 annotations cannot be converted; nothing')
    annotation = os.path.join(str(tmp_path), 'Annotations', '{}.xml: ')
    for line, stem, message in zip(lines[1:], '22345', (
            "unknown class 'persn'", "unknown class 'c'", 'no image: ',
            'image 4.jpg: not an image', 'not XML: '), strict=False):
        assert line.strip().startswith(annotation.format(stem) + message)
    assert lines[6:8] == ['Known classes: a, person.',
                          'Unknown classes: c, persn (did you mean person?).']
    assert '--skip_invalid' in lines[-1]
    assert os.listdir(tmp_path / 'records') == []


def test_skip_invalid_goes_on_and_names_what_is_missing(tmp_path):
    put_faulty(tmp_path)
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


def test_unknown_classes_without_labels_are_offered_as_labels(tmp_path):
    put(tmp_path, '1', [('RBC', (1, 1, 9, 9)), ('person', (1, 1, 9, 9))])
    with pytest.raises(ValueError, match='--labels=RBC,person'):
        run(tmp_path, tmp_path, labels=None)


def test_links_may_not_lead_out_of_the_images(tmp_path):
    outside = tmp_path / 'outside'
    outside.mkdir()
    folder = tmp_path / 'voc'
    for stem in '1234':
        put(folder, stem)
    images = folder / 'JPEGImages'
    (images / '1.jpg').rename(outside / '1.jpg')
    (images / '1.jpg').symlink_to(outside / '1.jpg')
    (images / 'below').mkdir()
    (images / '2.jpg').rename(images / 'below' / '2.jpg')
    (images / '2.jpg').symlink_to('below/2.jpg')
    (images / 'elsewhere').symlink_to(outside)
    put(folder, '3', extension='', file_name='elsewhere/1.jpg')
    (images / '4.jpg').unlink()
    os.mkfifo(images / '4.jpg')
    with pytest.raises(ValueError) as caught:
        run(folder, tmp_path)
    for message in (
            r'1\.xml: image 1\.jpg: a link that leads out of JPEGImages, to .*'
            'make JPEGImages itself the link', r'4\.xml: image 4\.jpg: not a ',
            r'3\.xml: image elsewhere/1\.jpg: a link'):
        assert re.search(message, str(caught.value))
    assert '2.xml' not in str(caught.value)
    # The whole folder may be anywhere.
    for path in (images / '1.jpg', images / '4.jpg'):
        path.unlink()
    put(folder, '1')
    put(folder, '3')
    put(folder, '4')
    images.rename(tmp_path / 'big_disk')
    images.symlink_to(tmp_path / 'big_disk')
    assert run(folder, tmp_path)['num_images'] == 4


@pytest.mark.parametrize('name', [
    'a&#x9b;31m', 'a&#x202e;b', 'a&#10;b', '../a'])
def test_class_names_do_nothing_to_the_screen(tmp_path, name):
    put(tmp_path, '1', [(name, (1, 1, 9, 9))])
    with pytest.raises(ValueError, match="unknown class '") as caught:
        run(tmp_path, tmp_path, labels=None)
    assert str(caught.value).replace('\n', '').isprintable()


def test_a_smaller_conversion_replaces_a_larger_one(tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, 'SAMPLES_PER_FILE', 2)
    for stem in '12345':
        put(tmp_path, stem)
    (tmp_path / 'toy_train_more_000.tfrecord').touch()
    (tmp_path / 'toy_train_007.tfrecord.partial').touch()
    files = run(tmp_path, tmp_path)['files']
    assert [(file['name'], file['num_records']) for file in files] == [
        ('toy_train_000.tfrecord', 2), ('toy_train_001.tfrecord', 2),
        ('toy_train_002.tfrecord', 1)]
    (tmp_path / 'ImageSets' / 'Main' / 'one.txt').write_text('4\n\n')
    assert run(tmp_path, tmp_path, image_set='one')['num_images'] == 1
    assert sorted(path.name for path in tmp_path.glob('toy*')) == [
        'toy_train.json', 'toy_train_000.tfrecord',
        'toy_train_more_000.tfrecord']


def test_a_failed_conversion_leaves_the_earlier_one(tmp_path):
    put(tmp_path, '1')
    run(tmp_path, tmp_path)
    before = (tmp_path / 'toy_train_000.tfrecord').read_bytes()
    put(tmp_path, '2', [('c', (1, 1, 9, 9))])
    with pytest.raises(ValueError, match="unknown class 'c'"):
        run(tmp_path, tmp_path)
    assert (tmp_path / 'toy_train_000.tfrecord').read_bytes() == before
    assert not list(tmp_path.glob('*.partial'))


@pytest.mark.parametrize('content, message', [
    (None, 'x.txt is missing; --image_set can be: trainval'),
    ('\n', 'names no annotation'),
    ('1\n1\n', "x.txt: '1' is given 2 times"),
    ('../1\n', "x.txt: '../1' is given 1 times; .* without folder"),
    ('/etc/passwd\n', "x.txt: '/etc/passwd' is given 1 times"),
    ('\x1b[31m1\n', r"x.txt: '\\x1b\[31m1' is given 1 times; .* printable"),
    ('9\n', '9.xml: .*No such file'),
])
def test_image_sets_are_checked(tmp_path, content, message):
    put(tmp_path, '1')
    lists = tmp_path / 'ImageSets' / 'Main'
    (lists / 'trainval.txt').write_text('1\n')
    if content is not None:
        (lists / 'x.txt').write_text(content)
    with pytest.raises(ValueError, match=message):
        run(tmp_path, tmp_path, image_set='x')


def test_a_folder_that_is_not_voc_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='Annotations is not a folder'):
        run(tmp_path, tmp_path)


@pytest.mark.parametrize('skip_invalid', [False, True])
@pytest.mark.parametrize('gone', ['Annotations', 'JPEGImages'])
def test_a_folder_that_vanishes_is_one_fault(tmp_path, gone, skip_invalid):
    put(tmp_path / 'voc', '1')
    put(tmp_path / 'voc', '2')

    def remove(stems, output_name):
        shutil.rmtree(tmp_path / 'voc' / gone)
        return stems

    with pytest.raises(ValueError, match=(
            f'^{tmp_path}/voc/{gone} has gone since the conversion began; '
            'nothing was written.$')):
        run(tmp_path / 'voc', tmp_path / 'records', progress=remove,
            skip_invalid=skip_invalid)
    assert not os.listdir(tmp_path / 'records')


@pytest.mark.parametrize('layout', [
    ('VOC2007', 'VOC2012', 'VOC2007TEST'),
    ('VOC2007/trainval', 'VOC2012/trainval', 'VOC2007/test'),
    ('VOCdevkit/VOC2007', 'VOCdevkit/VOC2012', 'VOCdevkit/VOC2007')])
def test_converts_0712_in_one_go(tmp_path, layout):
    for folder, stem, image_set in zip(
            layout, '123', ('trainval', 'trainval', 'test'), strict=True):
        put(tmp_path / folder, stem, [('dog', (1, 1, 9, 9))])
        (tmp_path / folder / 'ImageSets' / 'Main' / f'{image_set}.txt'
         ).write_text(stem)
    output_dir = str(tmp_path / 'records')
    convert.convert('pascalvoc_0712', str(tmp_path), 'pascalvoc', output_dir)
    for name, split, size in (('pascalvoc_0712', 'train', 2),
                              ('pascalvoc_2007', 'test', 1)):
        dataset = dataset_factory.get_dataset(name, split, output_dir)
        assert dataset.num_samples == size


def test_0712_says_where_it_looked(tmp_path):
    with pytest.raises(ValueError, match=(
            'Nothing for voc_2007_train: none of .*VOC2007/ImageSets/Main/'
            'trainval.txt, .*VOC2007/trainval/')):
        convert.convert('pascalvoc_0712', str(tmp_path), 'pascalvoc', 'out')


@pytest.mark.parametrize('options, message', [
    ({'dataset_name': 'bccd'}, 'pascalvoc or pascalvoc_0712.*--output_name'),
    ({'dataset_name': 'pascalvoc_0712', 'image_set': 'x'}, 'leave out'),
    ({'labels': 'a', 'labels_file': 'b'}, 'are both given'),
    ({'output_name': 'a/b'}, "--output_name is 'a/b'"),
])
def test_arguments_are_checked(tmp_path, options, message):
    put(tmp_path, '1')
    arguments = {'dataset_name': 'pascalvoc', 'dataset_dir': str(tmp_path),
                 'output_name': 'pascalvoc', 'output_dir': str(tmp_path)}
    with pytest.raises(ValueError, match=message):
        convert.convert(**{**arguments, **options})


def test_what_splits_share_and_lack_is_told(tmp_path, capsys):
    def convert_split(split):
        convert.convert('pascalvoc', str(tmp_path / split), f'toy_{split}',
                        str(tmp_path), labels='a,b')
        return [line.removeprefix('Warning: ') for line
                in capsys.readouterr().err.splitlines() if 'Warning' in line]

    contents = [cv2.imencode('.png', PIXELS + i)[1].tobytes()
                for i in range(9)]
    for stem, content in zip('123', contents, strict=False):
        put(tmp_path / 'train', stem, [('a', (1, 1, 9, 9))], '.png',
            content=content)
    assert convert_split('train') == []
    for stem, content in zip('45678', [*contents[:2], *contents[4:6],
                                       contents[4]], strict=True):
        put(tmp_path / 'test', stem, [('b', (1, 1, 9, 9))], '.png',
            content=content)
    assert convert_split('test') == [
        '1 images (8) of toy_test repeat earlier ones of it.',
        '2 images (4, 5) of toy_test are in toy_train too. An evaluation on '
        'what was trained on shows nothing.',
        'toy_train has no object of b, but toy_test has: what is not trained '
        'is not found.']
    # The other way round as well; and a damaged manifest is no obstacle.
    assert [line[:30] for line in convert_split('train')] == [
        '2 images (1, 2) of toy_train a', 'toy_train has no object of b, ']
    (tmp_path / 'toy_train.json').write_text('{')
    assert len(convert_split('test')) == 1


def test_help_is_quick_because_nothing_slow_is_imported():
    result = subprocess.run(
        [sys.executable, '-c', 'import sys, tf_convert_data; '
         'sys.exit(bool({"tensorflow", "cv2", "numpy"} & set(sys.modules)))'],
        cwd=ROOT)
    assert result.returncode == 0


def test_the_script_runs_as_the_original_did(tmp_path):
    put(tmp_path / 'VOC2007' / 'test', '1', [('dog', (1, 1, 9, 9))])
    command = [sys.executable, str(ROOT / 'tf_convert_data.py'),
               '--dataset_name=pascalvoc', '--dataset_dir=./VOC2007/test/',
               '--output_dir=./tfrecords']
    result = subprocess.run(
        [*command, '--output_name=voc_2007_train'], cwd=tmp_path, text=True,
        capture_output=True)
    assert result.returncode == 0, result.stderr
    assert '1 images, 1 objects' in result.stdout
    assert ('train_ssd_network.py --train_dir=logs --dataset_dir=./tfrecords '
            '--dataset_name=pascalvoc_2007 --dataset_split_name=train'
            ) in result.stdout
    assert (tmp_path / 'tfrecords' / 'voc_2007_train_000.tfrecord').exists()
    result = subprocess.run([*command, '--labels=cat'], cwd=tmp_path,
                            text=True, capture_output=True)
    assert result.returncode == 1
    assert 'tf_convert_data.py: 1 annotations cannot' in result.stderr


def test_shapes_are_converted_and_decoded(tmp_path):
    synthetic_shapes.write(tmp_path, 4, 0, size=100)
    manifest = run(tmp_path, tmp_path, ('circle', 'square', 'triangle',
                                        'star', 'cross'))
    assert manifest['num_images'] == 4
    assert manifest['num_objects'] > 0 and manifest['repaired'] == {}


def test_bccd_reports_its_two_boxes_without_area(tmp_path):
    if not BCCD.is_dir():
        pytest.skip(f'{BCCD} is not on this machine')
    sizes = {}
    for split, image_set in (('train', 'trainval'), ('test', 'test')):
        manifest = run(BCCD, tmp_path, ('RBC', 'WBC', 'Platelets'),
                       f'bccd_{split}', image_set)
        sizes[split] = manifest['num_images']
    assert sizes == {'train': 292, 'test': 72}
    train = json.loads((tmp_path / 'bccd_train.json').read_text())
    assert train['repaired'] == {'dropped_box_without_area': {
        'count': 2, 'files': ['BloodImage_00338', 'BloodImage_00343']}}
    dataset = dataset_factory.get_dataset('bccd', 'train', str(tmp_path))
    assert (dataset.num_samples, dataset.num_classes) == (292, 3)


def test_what_is_killed_is_whole_or_refused():
    """Most kills come while files of a conversion replace earlier ones."""
    process = subprocess.run(
        [sys.executable, '-m', 'tests.hostile.kill_conversion', '--times=6',
         '--seed=4'], cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    assert '0 wrong of 6 conversions' in process.stdout


def test_interrupted_replacement_is_refused_even_if_sizes_agree(
        tmp_path, monkeypatch):
    put(tmp_path, '1', [('a', (1, 1, 9, 9))])
    run(tmp_path, tmp_path, ('a', 'b'))
    replace = os.replace

    def replace_shards(source, target):
        if target.endswith('.tfrecord'):
            replace(source, target)
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, 'replace', replace_shards)
        run(tmp_path, tmp_path, ('b', 'a'))
    with pytest.raises(ValueError, match="format_version 'unfinished'"):
        dataset_factory.get_dataset('toy', 'train', str(tmp_path))
    run(tmp_path, tmp_path, ('b', 'a'))
    dataset = dataset_factory.get_dataset('toy', 'train', str(tmp_path))
    assert dataset.labels == ('b', 'a')


def test_a_disk_that_is_full_at_the_manifest_leaves_the_earlier_records(
        tmp_path, monkeypatch):
    put(tmp_path / 'voc', '1')
    run(tmp_path / 'voc', tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.glob('toy_*')}
    put(tmp_path / 'voc', '2')
    monkeypatch.setattr(json, 'dump', mock.Mock(
        side_effect=OSError(errno.ENOSPC, 'No space left on device')))
    with pytest.raises(OSError, match=(
            f"No space left on device: '{tmp_path}/toy_train.json.partial'")):
        run(tmp_path / 'voc', tmp_path)
    assert {path.name: path.read_bytes()
            for path in tmp_path.glob('toy_*')} == before


def test_a_full_disk_leaves_the_earlier_records(tmp_path):
    put(tmp_path, '1', [('dog', (1, 1, 9, 9))])
    run(tmp_path, tmp_path, ('dog', 'cat'))
    before = {path.name: path.read_bytes() for path in tmp_path.glob('toy_*')}
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    put(tmp_path, '2', content=cv2.imencode('.png', noise)[1].tobytes())
    process = subprocess.run(
        ['bash', '-c', 'ulimit -f 100; exec "$@"', '', sys.executable,
         str(ROOT / 'tf_convert_data.py'), f'--dataset_dir={tmp_path}',
         f'--output_dir={tmp_path}', '--output_name=toy_train',
         '--labels=dog,cat'], text=True, capture_output=True, check=False)
    assert process.returncode == 1
    assert re.search(r'tf_convert_data.py: .*toy_train_000.tfrecord.*; File '
                     'too large', process.stderr)
    assert 'Traceback' not in process.stderr
    assert {path.name: path.read_bytes()
            for path in tmp_path.glob('toy_*')} == before
