"""Files of images: which are used, what is said of the others, and frames."""
import json
import os
import pathlib

import cv2
import numpy as np
import pytest
from PIL import Image

from datasets import image_pixels
from datasets.voc import annotations
from engine.detecting import annotation_files
from engine.detecting import detections
from engine.detecting import json_files
from engine.detecting import options
from engine.detecting import sinks
from engine.detecting import sources
from tests import detector_files

PICTURES = detector_files.pictures(3, size=(30, 40))
FOUND = detections.Detected(
    np.array([[2., 4, 10, 20]]), np.array([.9]), np.array([1]), ['a'], None)


def opened(what, output_dir=None, **changes):
    return sources.open_source(options.Source(str(what), **changes),
                               output_dir and str(output_dir))


def write(path, picture=PICTURES[0], **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **options)
    return path


def save(source, output_dir, formats=()):
    """Writes results as if something were found in each image."""
    sink = sinks.make(source, str(output_dir))
    annotated = annotation_files.AnnotationFiles(
        formats, source, str(output_dir))
    with annotated.opened(('a',)), json_files.JsonFile.opened(
            str(output_dir), source, json_files.image_ids(source),
            model_name='none') as report:
        for sample in source.samples():
            if sample.pixels is not None:
                sample = sample._replace(
                    found=FOUND._replace(size=sample.pixels.shape[:2]))
                sink.write(sample, None, sink.encode(sample, sample.pixels))
                annotated.add(sample)
            report.add(sample)
    return annotated, report, json.loads(
        (output_dir / 'detections.json').read_text('utf-8'))


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix()
                  for path in folder.rglob('*') if path.is_file())


@pytest.fixture
def folder(tmp_path):
    """What people have in a folder of photos."""
    folder = tmp_path / 'photos'
    write(folder / 'a.JPG')
    write(folder / 'b.jfif', format='jpeg')
    write(folder / 'no_ending', format='png')
    write(folder / 'sub' / 'inner.png')
    write(folder / 'sub' / '.trash' / 'x.png')
    write(folder / 'results' / 'a.JPG')
    (folder / 'clip.MP4').write_bytes(b'video')
    (folder / 'a.xml').write_text('<annotation/>')
    (folder / '.DS_Store').write_bytes(b'of a Mac')
    (folder / 'gone.png').symlink_to(folder / 'nowhere.png')
    (folder / 'sub' / 'up').symlink_to(folder)
    return folder


def test_each_file_of_a_folder_is_used_or_named(folder, tmp_path):
    source = opened(folder)
    assert source.names == ['a.JPG', 'b.jfif', 'no_ending']
    assert source.left_out == {
        'hidden': ['.DS_Store'], 'no image': ['a.xml'],
        'a video; it is an --input of its own': ['clip.MP4'],
        'neither file nor folder': ['gone.png'],
        'a folder; --recursive goes into it': ['results', 'sub']}
    _, report, results = save(source, tmp_path / 'out')
    assert results['files_found'] == 9 and report.num_files == 3
    assert results['left_out'] == source.left_out


def test_folders_in_a_folder_and_their_results(folder, tmp_path):
    source = opened(folder, folder / 'results', recursive=True)
    assert source.names == ['a.JPG', 'b.jfif', 'no_ending', 'sub/inner.png']
    assert source.left_out == {
        'hidden': ['.DS_Store', 'sub/.trash'], 'no image': ['a.xml'],
        'a video; it is an --input of its own': ['clip.MP4'],
        'neither file nor folder': ['gone.png'], '--output_dir': ['results']}
    save(source, tmp_path / 'out')
    assert files_below(tmp_path / 'out') == [
        'a.JPG', 'b.jfif.png', 'coco_detections.json', 'detections.json',
        'no_ending.png', 'sub/inner.png']


def test_a_folder_of_folders_says_what_to_do(tmp_path):
    write(tmp_path / 'inner' / 'x.png')
    with pytest.raises(ValueError, match=(
            r'no image \(they end in .*\); 1 left out \(a folder; --recursive '
            r'goes into it: inner\)\.$')):
        opened(tmp_path)
    source = opened(tmp_path, recursive=True)
    # As below a folder that is named, though all differ only further down.
    assert source.names == ['inner/x.png']


def test_a_list_of_paths(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'lists').mkdir()
    write(tmp_path / 'lists' / 'ü.png')
    (tmp_path / 'lists' / 'l.txt').write_text(
        f'photos/a.JPG\r\n\r\n{folder}/sub/inner.png\n ü.png \nphotos/a.JPG\n'
        './photos/a.JPG\nphotos\nphotos/clip.MP4\nnot_there.jpg\n'
        'http://host/x.jpg\n', 'utf-8')
    source = opened('lists/l.txt')
    assert source.files == [
        'photos/a.JPG', f'{folder}/sub/inner.png', 'lists/ü.png']
    assert source.names == [
        'photos/a.JPG', 'photos/sub/inner.png', 'lists/ü.png']
    assert source.left_out == {
        'listed twice': ['photos/a.JPG', './photos/a.JPG'],
        'a folder; --recursive goes into it': ['photos'],
        'a video; it is an --input of its own': ['photos/clip.MP4'],
        'no such file': ['not_there.jpg'],
        'a name that cannot be used': ['http://host/x.jpg']}
    (tmp_path / 'lists' / 'l.txt').write_bytes(b'\xff\xfe')
    with pytest.raises(ValueError, match='l.txt: the list has no path of an'):
        opened('lists/l.txt')


def test_what_of_a_folder_cannot_be_opened_is_named(tmp_path, monkeypatch):
    write(tmp_path / 'a.png')
    (tmp_path / 'loop').symlink_to('loop')
    (tmp_path / 'lost+found').mkdir()
    access = os.access  # Root has all permissions.
    monkeypatch.setattr(os, 'access', lambda path, mode: (
        'lost+found' not in str(path) and access(path, mode)))
    source = opened(tmp_path, recursive=True)
    assert source.names == ['a.png']
    assert source.left_out == {
        'neither file nor folder': ['loop'],
        'a folder without the permission to look into it': ['lost+found']}


def test_a_pattern_that_means_other_things_too(folder):
    source = opened(f'{folder}/*')
    assert source.names == ['a.JPG', 'a.xml', 'b.jfif', 'no_ending']
    assert set(source.left_out) == {
        'a folder; --recursive goes into it', 'neither file nor folder',
        'a video; it is an --input of its own'}
    with pytest.raises(ValueError, match=r'clip.\*: 1 left out \(a video; it'):
        opened(f'{folder}/clip.*')
    with pytest.raises(ValueError, match=(
            r'^--recursive=True: --input=.*photos/\* is no folder; leave it')):
        opened(f'{folder}/*', recursive=True)
    with pytest.raises(ValueError, match='--start=1: it is for videos, --inp'):
        opened(folder, start=1)


@pytest.mark.parametrize('ending', ['gif', 'png', 'webp', 'tiff'])
def test_animated_pictures_frame_by_frame(tmp_path, ending):
    frames = [Image.fromarray(picture) for picture in PICTURES]
    path = tmp_path / f'anim.{ending}'
    lossless = {'lossless': True} if ending == 'webp' else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **lossless)
    write(tmp_path / 'b.png')
    annotated, report, results = save(
        opened(tmp_path), tmp_path / 'out', formats=['voc'])
    assert [(pathlib.Path(image['file']).name, image.get('frame'),
             image['image_id']) for image in results['images']] == [
        (path.name, 0, 1), (path.name, 1, 3), (path.name, 2, 4),
        ('b.png', None, 2)]
    assert report.num_files == 2 and report.num_images == 4
    assert files_below(tmp_path / 'out') == [
        'Annotations/b.xml', *(f'anim.{ending}_000{i}.png' for i in range(3)),
        'b.png', 'coco_detections.json', 'detections.json', 'labelmap.txt']
    for number, picture in enumerate(PICTURES):
        drawn = cv2.imread(str(tmp_path / 'out' / f'{path.name}_000{number}.'
                               'png'))[..., ::-1]
        # A GIF has 256 colors.
        assert np.abs(drawn.astype(int) - picture).mean() < 12
    assert annotated.notes == [f'{path} is animated, its frames are not '
                               'files: no annotations.']


def test_animations_that_break_off_or_are_deep(tmp_path):
    frames = [Image.fromarray(picture) for picture in PICTURES]
    path = tmp_path / 'cut.tiff'
    frames[0].save(path, save_all=True, append_images=frames[1:])
    path.write_bytes(path.read_bytes()[:-2000])
    deep = tmp_path / 'deep.tiff'
    cv2.imwritemulti(str(deep), [
        np.full((8, 8, 3), number, np.uint16) for number in (9, 5000)])
    samples = list(opened(f'{tmp_path}/*').samples())
    assert [(sample.frame, sample.fault is None) for sample in samples
            if sample.file == str(path)][-1][1] is False
    first, fault = (sample for sample in samples if sample.file == str(deep))
    assert first.frame == 0 and first.pixels.shape == (8, 8, 3)
    assert fault.fault == (
        f'{deep}: frame 1 cannot be read: of several pages, only those of 8 '
        'bits a sample are read.')


@pytest.mark.parametrize('orientation', [1, 3, 6, 8])
def test_photos_are_upright_in_all_results(tmp_path, orientation):
    """The bbox of FOUND is that of a red field in the upright picture."""
    upright = np.zeros((30, 40, 3), np.uint8)
    upright[2:10, 4:20, 0] = 255
    exif = Image.Exif()
    exif[0x112] = orientation
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    write(tmp_path / 'in' / 'a.jpg', np.ascontiguousarray(
        np.rot90(upright, turns)), exif=exif, quality=95)
    save(opened(tmp_path / 'in'), tmp_path / 'out', formats=['voc'])
    content = (tmp_path / 'out' / 'a.jpg').read_bytes()
    assert b'Exif' not in content
    written, read = (image_pixels.read(str(tmp_path / name / 'a.jpg'))
                     for name in ('out', 'in'))
    for picture in (written, read):
        assert np.abs(picture[3:9, 5:19].astype(int) - (255, 0, 0)).mean() < 20
        assert picture[12:].mean() < 5
    annotation = annotations.read_annotation(
        tmp_path / 'out' / 'Annotations' / 'a.xml')
    assert (annotation.height, annotation.width) == written.shape[:2]
    assert annotation.objects[0].bbox == (4, 2, 20, 10)


def test_a_file_that_changes_while_it_is_read_is_one_line(tmp_path):
    for name in ('a.png', 'b.png', 'c.png'):
        write(tmp_path / name)
    source = opened(tmp_path)
    (tmp_path / 'a.png').write_bytes((tmp_path / 'a.png').read_bytes()[:50])
    (tmp_path / 'c.png').unlink()
    cut, whole, gone = source.samples()
    assert cut.fault == f'{tmp_path}/a.png: not an image, or a damaged one.'
    assert whole.pixels is not None
    assert gone.fault == (
        f"[Errno 2] No such file or directory: '{tmp_path}/c.png'")


def test_pictures_have_colors_whatever_the_format(tmp_path):
    """OpenCV writes nothing colored as .pgm and .pbm, few colors as .gif."""
    grey = Image.fromarray(PICTURES[0]).convert('L')
    for name in ('a.pgm', 'b.pbm', 'c.gif', 'd.ppm', 'E.JPG'):
        image = grey.convert('1') if name == 'b.pbm' else grey
        (tmp_path / 'in').mkdir(exist_ok=True)
        image.convert('RGB' if name == 'd.ppm' else image.mode).save(
            tmp_path / 'in' / name)
    save(opened(tmp_path / 'in'), tmp_path / 'out')
    assert files_below(tmp_path / 'out') == [
        'E.JPG', 'a.pgm.png', 'b.pbm.png', 'c.gif.png',
        'coco_detections.json', 'd.ppm', 'detections.json']
    for name in ('E.JPG', 'a.pgm.png', 'b.pbm.png', 'c.gif.png', 'd.ppm'):
        drawn = cv2.imread(str(tmp_path / 'out' / name), cv2.IMREAD_UNCHANGED)
        assert drawn.shape == (30, 40, 3)


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path):
    write(tmp_path / 'in' / 'a.jpg')
    sink = sinks.make(opened(tmp_path / 'in'), str(tmp_path / 'out'))
    with pytest.raises(ValueError, match=(
            '^OpenCV cannot write a .jpg of 70000 x 1 pixels.$')):
        sink.encode(detections.Sample('a.jpg', 'a.jpg'),
                    np.zeros((1, 70000, 3), np.uint8))
    file = tmp_path / 'in' / 'a.jpg'
    with pytest.raises(ValueError, match=(
            f'^--output_dir={file}: it is a file; give a folder.$')):
        sinks.make(opened(tmp_path / 'in'), str(file))


def test_pictures_that_would_be_one(tmp_path):
    write(tmp_path / 'in' / 'a.jfif', format='jpeg')
    write(tmp_path / 'in' / 'a.jfif.png')
    with pytest.raises(ValueError, match=(
            'a.jfif and a.jfif.png would have the same picture, .*a.jfif.png')):
        sinks.make(opened(tmp_path / 'in'), str(tmp_path / 'out'))
