"""Conversion as a user sees it: arguments, reports, advice."""
import json
import subprocess
import sys

import pytest

from datasets import dataset_factory
from engine.data import convert
from tests import scripts
from tests import trees
from tests import voc_files

BOX = (1, 1, 9, 9)


@pytest.mark.parametrize('layout', [
    ('VOC2007', 'VOC2012', 'VOC2007TEST'),
    ('VOC2007/trainval', 'VOC2012/trainval', 'VOC2007/test'),
    ('VOCdevkit/VOC2007', 'VOCdevkit/VOC2012', 'VOCdevkit/VOC2007')])
def test_converts_0712_in_one_go(tmp_path, layout):
    for folder, stem, image_set in zip(
            layout, '123', ('trainval', 'trainval', 'test'), strict=True):
        voc_files.put(tmp_path / folder, stem, [('dog', BOX)])
        voc_files.put_list(tmp_path / folder, image_set, stem)
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
    ({'dataset_name': 'pascalvoc_0712',
      'layout': convert.Layout(image_set='x')}, 'leave out'),
    ({'dataset_name': 'coco_2017', 'output_name': 'x'}, 'leave out'),
    ({'labels': 'a', 'labels_file': 'b'}, 'are both given'),
    ({'layout': convert.Layout('kitti')}, 'kitti is not known; .* voc, coco'),
    ({'layout': convert.Layout('yolo', image_set='x')}, 'is a list of VOC'),
    ({}, 'holds no annotations of the format voc, coco, yolo, csv'),
    ({'layout': convert.Layout('csv')}, 'no annotations of the format csv,'),
    ({'dataset_dir': 'nowhere'}, 'nowhere does not exist'),
])
def test_arguments_are_checked(tmp_path, options, message):
    arguments = {'dataset_name': 'pascalvoc', 'dataset_dir': str(tmp_path),
                 'output_name': 'pascalvoc', 'output_dir': str(tmp_path)}
    with pytest.raises(ValueError, match=message):
        convert.convert(**{**arguments, **options})


def test_image_sets_are_of_voc_alone(tmp_path):
    trees.write(tmp_path, {
        'data.yaml': 'train: images/train\nnames: [mug]',
        'images/train/1.png': None, 'labels/train/1.txt': '0 .5 .5 .2 .4'})
    with pytest.raises(ValueError, match=(
            '--image_set is a list of VOC, and .* is of the format yolo; '
            r'leave it out. Records will be mugs_train\.')):
        convert.convert('pascalvoc', str(tmp_path), 'mugs', str(tmp_path),
                        layout=convert.Layout(image_set='train'))


@pytest.mark.parametrize('folder', ['JPEGImages', 'images/train'])
def test_a_folder_of_images_alone_is_shown_its_annotations(tmp_path, folder):
    above = tmp_path / 'my photos'
    (above / folder).mkdir(parents=True)
    (above / 'Annotations').mkdir()
    with pytest.raises(ValueError, match=(
            f"There are some beside it; try --dataset_dir='{above}'$")):
        convert.convert('pascalvoc', str(above / folder), 'x', str(tmp_path))


def test_records_need_no_conversion(tmp_path):
    (tmp_path / 'train-00000-of-00001').touch()
    with pytest.raises(ValueError, match=(
            r'holds records, train-\*-of-00001, which need no conversion')):
        convert.convert('pascalvoc', str(tmp_path), 'x', str(tmp_path))


@pytest.mark.parametrize('output_name', [
    'toy_train', 'voc_2007_train', 'voc_2012_test', 'voc_2007', 'a_b_c'])
def test_what_is_advised_can_be_opened(tmp_path, capsys, output_name):
    voc_files.put(tmp_path, '1', [('dog', BOX)])
    convert.convert('pascalvoc', str(tmp_path), output_name, str(tmp_path))
    advice = capsys.readouterr().out.splitlines()[-1]
    advised = dict(flag[2:].split('=') for flag in advice.split()
                   if flag.startswith('--'))
    assert dataset_factory.get_dataset(
        advised['dataset_name'], advised['dataset_split_name'],
        advised['dataset_dir']).num_samples == 1


def test_a_name_without_a_split_is_told(tmp_path, capsys):
    voc_files.put(tmp_path, '1', [('dog', BOX)])
    convert.convert('pascalvoc', str(tmp_path), 'toy', str(tmp_path))
    assert '--output_name of the form <name>_<split>' in (
        capsys.readouterr().out)
    with pytest.raises(ValueError, match='toy .no --dataset_name reads it'):
        dataset_factory.get_dataset('toy', 'train', str(tmp_path))


def test_what_splits_share_and_lack_is_told(tmp_path, capsys):
    def convert_split(split):
        convert.convert('pascalvoc', str(tmp_path / split), f'toy_{split}',
                        str(tmp_path), labels='a,b')
        return [line.removeprefix('Warning: ') for line
                in capsys.readouterr().err.splitlines() if 'Warning' in line]

    contents = [voc_files.image('.png', voc_files.PIXELS + i)
                for i in range(9)]
    for stem, content in zip('123', contents, strict=False):
        voc_files.put(tmp_path / 'train', stem, [('a', BOX)], '.png',
                      content=content)
    assert convert_split('train') == []
    for stem, content in zip('45678', [*contents[:2], *contents[4:6],
                                       contents[4]], strict=True):
        voc_files.put(tmp_path / 'test', stem, [('b', BOX)], '.png',
                      content=content)
    assert convert_split('test') == [
        '1 images (8) of toy_test repeat earlier ones of it.',
        '2 images (4, 5) of toy_test are in toy_train too. An evaluation on '
        'what was trained on shows nothing.',
        'toy_train has no object of b, but toy_test has: what is not trained '
        'is not found.']
    # To train on both is meant: nobody scores one of them.
    convert.convert('pascalvoc', str(tmp_path / 'train'), 'more_train',
                    str(tmp_path))
    assert 'are in toy_test too' in (told := capsys.readouterr().err)
    assert 'are in toy_train too' not in told
    for path in tmp_path.glob('more_train*'):
        path.unlink()
    # The other way round as well; and a damaged manifest is no obstacle.
    assert [line[:30] for line in convert_split('train')] == [
        '2 images (1, 2) of toy_train a', 'toy_train has no object of b, ']
    (tmp_path / 'toy_train.json').write_text('{')
    assert len(convert_split('test')) == 1


def test_a_set_is_split_by_name_in_one_call(tmp_path, capsys):
    for index in range(40):
        voc_files.put(tmp_path, f'x{index}', [('mug', BOX)], '.png',
                      content=voc_files.image('.png', voc_files.PIXELS + index))
    (tmp_path / 'JPEGImages' / 'lone.png').write_bytes(b'')
    convert.convert('pascalvoc', str(tmp_path), 'mugs', str(tmp_path),
                    layout=convert.Layout(split='0.75,0.25'))
    printed = capsys.readouterr().out
    manifests = [json.loads((tmp_path / f'mugs_{part}.json').read_text())
                 for part in ('train', 'test')]
    numbers = [manifest['num_images'] for manifest in manifests]
    assert sum(numbers) == 40
    assert 6 <= numbers[1] <= 14
    assert f'found: {numbers[1]} annotated images and ' in printed
    assert sum(manifest['found']['other_files'] for manifest in manifests) == 1
    assert 'those of the data were taken: mug' in printed
    assert '--dataset_name=mugs --dataset_split_name=train' in printed
    with pytest.raises(ValueError, match="--split is '1'; .* as 0.8,0.2"):
        convert.convert('pascalvoc', str(tmp_path), 'mugs', str(tmp_path),
                        layout=convert.Layout(split='1'))


def test_formats_are_found_or_told(tmp_path, capsys):
    for split in ('train', 'valid'):
        (tmp_path / split).mkdir()
        (tmp_path / split / 'a.jpg').write_bytes(voc_files.image())
        (tmp_path / split / '_annotations.csv').write_text(
            'filename,width,height,class,xmin,ymin,xmax,ymax\n'
            'a.jpg,60,40,mug,6,4,30,20\n')
    convert.convert('pascalvoc', str(tmp_path), 'mugs', str(tmp_path))
    for split in ('train', 'val'):
        assert dataset_factory.get_dataset(
            'mugs', split, str(tmp_path)).labels == ('mug',)
    with pytest.raises(ValueError, match='is split already, into mugs_'):
        convert.convert('pascalvoc', str(tmp_path), 'mugs', str(tmp_path),
                        layout=convert.Layout(split='0.8,0.2'))


def test_bccd_reports_its_two_boxes_without_area(tmp_path, capsys):
    if not scripts.BCCD.is_dir():
        pytest.skip(f'{scripts.BCCD} is not on this machine')
    for split, image_set, num_images in (('train', 'trainval', 292),
                                         ('test', 'test', 72)):
        convert.convert(
            'pascalvoc', str(scripts.BCCD), f'bccd_{split}', str(tmp_path),
            labels='RBC,WBC,Platelets',
            layout=convert.Layout(image_set=image_set))
        printed = capsys.readouterr().out
        assert ('repaired: dropped_box_without_area: 2 in BloodImage_00338, '
                'BloodImage_00343' in printed) == (split == 'train')
        dataset = dataset_factory.get_dataset('bccd', split, str(tmp_path))
        assert dataset.num_samples == num_images
        assert dataset.labels == ('RBC', 'WBC', 'Platelets')


def test_help_is_quick_because_nothing_slow_is_imported():
    result = subprocess.run(
        [sys.executable, '-c', 'import sys, tf_convert_data; '
         'sys.exit(bool({"tensorflow", "cv2", "numpy"} & set(sys.modules)))'],
        cwd=scripts.ROOT)
    assert result.returncode == 0


def test_the_script_runs_as_the_original_did(tmp_path):
    voc_files.put(tmp_path / 'VOC2007' / 'test', '1', [('dog', BOX)])
    process = scripts.run(
        tmp_path, 'tf_convert_data.py --dataset_name=pascalvoc '
        '--dataset_dir=./VOC2007/test/ --output_dir=./tfrecords '
        '--output_name=voc_2007_train')
    assert '1 images, 1 objects' in process.stdout
    assert ('train_ssd_network.py --train_dir=logs --dataset_dir=./tfrecords '
            '--dataset_name=pascalvoc_2007 --dataset_split_name=train'
            ) in process.stdout
    assert (tmp_path / 'tfrecords' / 'voc_2007_train_000.tfrecord').exists()
