"""What is found becomes annotations that the conversion reads again."""
import glob
import json
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from datasets import records
from engine.detecting import annotation_files
from engine.detecting import detections
from engine.detecting import json_files
from engine.detecting import options
from engine.detecting import sources
from tests import detector_files
from tests import scripts

NAMES = ('汽车', 'गाय', '#1', 'salt, pepper', '$5 bill', '50%', '_private',
         '<b>bold', 'C++', 'a|b', 'yes', "it's: a \"name\"", 'w/o; helmet',
         'unused')
FORMATS = ['voc', 'coco', 'yolo', 'csv']
SIZE = (90, 120)


def found_in(number):
    """Returns what is found in an image; nothing in the first."""
    rng = np.random.default_rng(number)
    num = 4 * number
    low = rng.uniform(0, np.array(SIZE) * .6, (num, 2))
    high = low + rng.uniform(3, np.array(SIZE) * .4, (num, 2))
    class_ids = rng.permutation(4 * len(NAMES))[:num] % (len(NAMES) - 1) + 1
    return detections.Detected(
        np.concatenate([low, high], 1).astype(np.float32),
        np.sort(rng.uniform(.5, 1, num))[::-1].astype(np.float32), class_ids,
        [NAMES[label - 1] for label in class_ids], SIZE)


@pytest.fixture
def photos(tmp_path):
    """Returns the folder of images: in folders, one stored on its side."""
    pictures = detector_files.pictures(4, size=SIZE)
    folder = tmp_path / 'photos'
    for name, picture in zip(('a.jpg', 'sub/a.jpg', 'sub/ä b.png'), pictures):
        detector_files.write_picture(folder / name, picture)
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(pictures[3]))).save(
        folder / 'turned.jpg', exif=exif, quality=95)
    return folder


def opened(folder):
    return sources.open_source(options.Source(
        str(folder), recursive=folder.is_dir()))


def write(source, output_dir, formats):
    """Writes what is found; returns AnnotationFiles and {name: found}."""
    annotated = annotation_files.AnnotationFiles(
        formats, source, str(output_dir),
        lambda sample: source.names.index(sample.name) + 1)
    found = {}
    with annotated.opened(NAMES):
        for number, sample in enumerate(source.samples()):
            found[sample.name] = found_in(number)
            annotated.add(sample._replace(found=found[sample.name]))
    return annotated, found


def convert(command, output_dir):
    """Runs a command that was told; returns the samples by file name."""
    assert command.startswith('python tf_convert_data.py --format=')
    scripts.call(command.removeprefix('python ').replace(
        '--output_dir=tfrecords', f'--output_dir={output_dir}'))
    paths = sorted(glob.glob(f'{output_dir}/own_train_*.tfrecord'))
    manifest = json.loads((output_dir / 'own_train.json').read_text('utf-8'))
    return manifest, list(records.read_samples(paths))


@pytest.mark.parametrize('name', FORMATS)
def test_the_conversion_reads_what_is_written(photos, tmp_path, name):
    annotated, found = write(opened(photos), tmp_path / 'out', [name])
    manifest, samples = convert(annotated.commands[name], tmp_path / 'records')
    assert tuple(manifest['classes']) == NAMES
    assert len(samples) == len(found) == 4
    for sample in samples:
        key = next(key for key in found if len(found[key].names) == len(
            sample.labels))
        expected = found.pop(key)
        assert sample.filename.rpartition('/')[2] == key.rpartition('/')[2]
        assert (sample.height, sample.width) == SIZE
        np.testing.assert_allclose(
            np.reshape(sample.bboxes, (-1, 4)) * [*SIZE, *SIZE],
            expected.bboxes, atol=.006)
        assert list(sample.labels) == expected.class_ids.tolist()


def test_all_formats_at_once_hold_equal_boxes(photos, tmp_path):
    annotated, found = write(opened(photos), tmp_path / 'out', FORMATS)
    assert annotated.made == ['Annotations', 'coco', 'yolo', 'csv']
    assert not annotated.notes
    read = [[(len(sample.labels), np.round(
        np.reshape(sample.bboxes, (-1, 4)) * [*SIZE, *SIZE], 2).tolist())
        for sample in convert(command, tmp_path / name)[1]]
        for name, command in annotated.commands.items()]
    for other in read[1:]:
        assert sorted(other) == sorted(read[0])


def test_nothing_is_found_in_any_image(photos, tmp_path):
    source = opened(photos / 'a.jpg')
    annotated, _ = write(source, tmp_path / 'out', FORMATS)
    for name in ('coco', 'yolo', 'csv'):
        manifest, samples = convert(
            annotated.commands[name], tmp_path / name)
        assert [len(sample.labels) for sample in samples] == [0]


def test_what_may_be_corrected_is_never_replaced(photos, tmp_path):
    source = opened(photos)
    write(source, tmp_path / 'out', FORMATS)
    for name, path in (
            ('voc', 'Annotations/a.xml'), ('coco', 'coco/annotations.json'),
            ('yolo', 'yolo/labels/a.txt'), ('csv', 'csv/annotations.csv')):
        with pytest.raises(ValueError, match=(
                f'^--format={name}: {tmp_path}/out/{path} is there already and '
                'may have been corrected by hand; give another --output_dir')):
            annotation_files.AnnotationFiles(
                [name], source, str(tmp_path / 'out'))
    with pytest.raises(ValueError, match=(
            '--format=xml: use one or several of voc, coco, yolo, csv.')):
        annotation_files.AnnotationFiles(['xml'], source, str(tmp_path))
    detector_files.write_picture(
        photos / 'a.png', np.zeros((9, 9, 3), np.uint8))
    for name in ('voc', 'yolo'):
        with pytest.raises(ValueError, match=(
                f'--format={name}: a.jpg and a.png would have the same')):
            annotation_files.AnnotationFiles(
                [name], opened(photos), str(tmp_path / 'other'))


def test_images_of_all_places_have_no_folder_to_convert(tmp_path):
    source = mock.Mock(files=['/a/x.jpg', '/b/y.jpg'], is_video=False,
                       names=['a/x.jpg', 'b/y.jpg'])
    for name in ('voc', 'coco', 'csv'):
        with pytest.raises(ValueError, match=(
                f'^--format={name}: the images have no folder in common but /, '
                'and the conversion would look through all of it; detect in '
                'each folder by itself, or use --format=yolo.$')):
            annotation_files.AnnotationFiles([name], source, str(tmp_path))
    annotation_files.AnnotationFiles(['yolo'], source, str(tmp_path))


def test_a_run_that_fails_leaves_no_list_or_table(photos, tmp_path):
    annotated = annotation_files.AnnotationFiles(
        FORMATS, opened(photos), str(tmp_path / 'out'), lambda sample: 1)
    with pytest.raises(ValueError, match='x'), annotated.opened(NAMES):
        raise ValueError('x')
    assert not [path for path in (tmp_path / 'out').rglob('*')
                if path.is_file()]


def test_pictures_with_drawn_boxes_are_no_images_to_train_on(tmp_path):
    out = tmp_path / 'out'
    picture = np.zeros((9, 9, 3), np.uint8)
    detector_files.write_picture(tmp_path / 'in' / 'a.png', picture)
    source = sources.open_source(options.Source(str(tmp_path / 'in')))
    annotated = annotation_files.AnnotationFiles(['voc'], source, str(out))
    with annotated.opened(('a',)), json_files.JsonFile.opened(
            str(out), source, checkpoint='c'):
        sample, = source.samples()
        annotated.add(sample._replace(found=detections.Detected(
            np.array([[1., 1, 5, 5]]), np.array([.9]), np.array([1]), ['a'],
            (9, 9))))
    detector_files.write_picture(out / 'a.png', picture)
    command = annotated.commands['voc']
    convert(command, tmp_path / 'records')
    for changed in (command.replace('/in ', '/out '),
                    command.replace(f'--images_dir={tmp_path}/in ', '')):
        assert changed != command
        with pytest.raises(ValueError, match=(
                f'^{out}: its pictures have boxes drawn on them, as detections'
                '.json is beside them; give the folder of the original images '
                'as --images_dir.$')):
            convert(changed, tmp_path / 'records')
