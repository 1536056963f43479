"""The detect script, from its inputs to the files that it leaves."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
from unittest import mock

import cv2
import numpy as np
import pytest

from common import drawing
from datasets.voc import annotations
from engine.detecting import captures
from engine.detecting import detect
from engine.detecting import detections
from engine.detecting import detector
from engine.detecting import images
from engine.detecting import json_files
from engine.detecting import options
from engine.detecting import sinks
from engine.detecting import streams
from engine.detecting import window
from tests import detector_files
from tests import fake_captures
from tests import scripts

PICTURES = detector_files.pictures(5)
FRAMES = detector_files.pictures(20, size=(96, 128))
Camera = fake_captures.Camera
SECONDS = fake_captures.SECONDS
# What a camera's end is called, when nothing comes any more.
END = ['0: no frame comes any more; it is opened again.',
       '0: nothing came for 0 seconds; it is given up.']


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    path = detector_files.save(tmp_path_factory.mktemp('checkpoint') / 'c')
    with detector.Detector(
            path, select_threshold=detector_files.THRESHOLD) as network:
        yield network


@pytest.fixture
def run(monkeypatch, network, tmp_path):
    """Runs detect without building the network each time."""
    monkeypatch.setattr(detect, '_make_detector', lambda *_: network)
    monkeypatch.setattr(network, 'close', lambda: None)
    monkeypatch.setattr(streams, 'FIRST_PAUSE', 0)
    monkeypatch.setattr(streams, 'SECONDS_TO_GIVE_UP', 0)
    monkeypatch.setattr(streams, 'SECONDS_OF_BACKLOG', fake_captures.SECONDS)

    def run(what, open_capture=captures.open_capture, **changes):
        chosen, where = scripts.chosen((options.Source, options.Run), {
            'input': str(what), 'output_dir': str(tmp_path / 'out'),
            **changes})
        detect_objects = network.detect

        def detect_paced(pictures):
            if pictures and isinstance(open_capture, Camera):
                open_capture.taken()
            return detect_objects(pictures)

        with monkeypatch.context() as patch:
            patch.setattr(network, 'detect', detect_paced)
            detect.run(options.Model('c'), options.Detection(), chosen, where,
                       open_capture)
        return json.loads(pathlib.Path(
            where.output_dir, 'detections.json').read_text('utf-8'))

    return run


@pytest.fixture
def folder(tmp_path):
    for index, picture in enumerate(PICTURES):
        detector_files.write_picture(
            tmp_path / 'in' / f'{index}.png', picture)
    return tmp_path / 'in'


@pytest.fixture
def video(tmp_path):
    return detector_files.write_video(tmp_path / 'film.avi', FRAMES)


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    assert capture.get(cv2.CAP_PROP_FPS) == 12
    return frames


def assert_is_found(record, found):
    height, width = found.size
    assert record['size'] == {'height': height, 'width': width}
    assert record['names'] == found.names
    np.testing.assert_allclose(record['scores'], found.scores, atol=2e-4)
    np.testing.assert_allclose(
        np.reshape(record['boxes'], (-1, 4)), found.bboxes, atol=.05)


def test_a_folder_with_other_files_and_unreadable_ones(
        run, network, folder, tmp_path, capsys):
    (folder / 'notes.txt').write_text('text')
    (folder / '._0.png').write_text('of a Mac')
    (folder / '2b.JPG').write_text('text')
    (folder / '4.png').write_bytes((folder / '4.png').read_bytes()[:300])
    results = run(folder)
    found = network.detect(PICTURES[:4])
    assert [record['file'] for record in results['images']] == [
        str(folder / f'{index}.png') for index in range(4)]
    for record, image in zip(results['images'], found, strict=True):
        assert_is_found(record, image)
    assert results['classes'] == list(detector_files.NAMES)
    drawn = cv2.imread(str(tmp_path / 'out' / '0.png'))[..., ::-1]
    np.testing.assert_array_equal(drawn, drawing.draw_bboxes(
        PICTURES[0], found[0].bboxes, found[0].class_ids, found[0].names,
        found[0].scores))
    assert sorted(os.listdir(tmp_path / 'out')) == [
        '0.png', '1.png', '2.png', '3.png', 'detections.json']
    faults = [f'{folder / "2b.JPG"}: not an image, or a damaged one.',
              f'{folder / "4.png"}: not an image, or a damaged one.']
    captured = capsys.readouterr()
    assert results['unreadable'] == captured.err.splitlines() == faults
    assert results['files_found'] == 8
    assert results['left_out'] == {
        'hidden': ['._0.png'], 'no image': ['notes.txt']}
    num_objects = sum(len(image.names) for image in found)
    assert captured.out == (
        '8 files found: 4 used; 2 could not be read; 1 left out (hidden: '
        '._0.png); 1 left out (no image: notes.txt).\n'
        f'4 images with {num_objects} objects: pictures and detections.json '
        f'are in {tmp_path / "out"}\n')


@pytest.mark.parametrize('names, ids', [
    (['000139.jpg', 'sub/7.png'], [139, 7]), (['7.jpg', 'sub/7.png'], [1, 2]),
    (['7.jpg', 'x.png'], [1, 2]), (['b.jpg'], [1])])
def test_ids_are_what_images_are_called_by(names, ids):
    image_id = json_files.image_ids(mock.Mock(names=names, is_video=False))
    assert [image_id(detections.Sample('', name)) for name in names] == ids


def test_results_in_cocos_format(run, network, folder, video, tmp_path):
    images = run(folder, save_coco=True)['images']
    assert [image['image_id'] for image in images] == [0, 1, 2, 3, 4]
    rows = json.loads((tmp_path / 'out' / 'coco_detections.json').read_text())
    found = network.detect(PICTURES)
    assert [(row['image_id'], row['category_id'], row['score'])
            for row in rows] == [
        (number, label, pytest.approx(score, abs=2e-4))
        for number, one in enumerate(found)
        for label, score in zip(one.class_ids, one.scores)]
    ymin, xmin, ymax, xmax = found[0].bboxes[0]
    np.testing.assert_allclose(
        rows[0]['bbox'], [xmin, ymin, xmax - xmin, ymax - ymin], atol=.05)
    images = run(video, save_coco=True)['images']
    assert [image['image_id'] for image in images] == list(range(1, 21))
    assert 'image_id' not in run(folder / '0.png')['images'][0]


def test_a_pattern_keeps_folders_that_differ(run, folder, tmp_path):
    detector_files.write_picture(folder / 'more' / '0.jpg', PICTURES[1])
    assert len(run(f'{folder}/**/0.*')['images']) == 2
    for name, picture in (('0.png', PICTURES[0]), ('more/0.jpg', PICTURES[1])):
        drawn = cv2.imread(str(tmp_path / 'out' / name))
        assert drawn.shape == picture.shape


@pytest.mark.parametrize('name, pattern', [
    ('in [v1] 50%d', '*.png'), ('in [v1] 50%d', '[01].png'),
    (r'a\[b], *?', r'**/[!2-4].png'), ('日', r'..\日\?.png')])
def test_folders_are_literal_and_what_is_behind_them_a_pattern(
        run, folder, tmp_path, name, pattern):
    folder = folder.rename(tmp_path / name)
    results = run(f'{folder}/{pattern}', output_dir=f'{folder}/out')
    assert [os.path.basename(image['file']) for image in results['images']] == (
        [f'{i}.png' for i in range(2 if '[' in pattern else len(PICTURES))])
    assert sorted(os.listdir(folder / 'out')) == sorted([
        'detections.json', *(os.path.basename(image['file'])
                             for image in results['images'])])


@pytest.mark.parametrize('name', ['12:30.avi', '[1] %02d, #.avi'])
def test_videos_of_any_name(run, video, tmp_path, monkeypatch, name):
    os.rename(video, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    results = run(name)
    assert {image['file'] for image in results['images']} == {name}
    assert len(frames_of(tmp_path / 'out' / f'{name[:-4]}.mp4')) == len(FRAMES)


def test_annotations_can_be_read_again(run, network, folder, tmp_path, capsys):
    run(folder, save_xml=True, format=['coco'], save_crops=True)
    found = network.detect(PICTURES)
    for index, one in enumerate(found):
        annotation = annotations.read_annotation(
            tmp_path / 'out' / 'Annotations' / f'{index}.xml')
        assert annotation.filename == f'{index}.png'
        assert (annotation.height, annotation.width) == one.size
        assert [item.name for item in annotation.objects] == one.names
    coco = json.loads(
        (tmp_path / 'out' / 'coco' / 'annotations.json').read_text('utf-8'))
    rows = json.loads((tmp_path / 'out' / 'coco_detections.json').read_text())
    assert [(entry['image_id'], entry['category_id'], entry['score'])
            for entry in coco['annotations']] == [
        (row['image_id'], row['category_id'], pytest.approx(
            row['score'], abs=1e-4)) for row in rows]
    num_objects = sum(len(one.names) for one in found)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        f'5 images with {num_objects} objects: pictures, Annotations, coco, '
        'crops, coco_detections.json and detections.json are in '
        f'{tmp_path / "out"}')
    assert [line.partition(',')[0] for line in lines[1:]] == ['voc', 'coco']
    crops = list((tmp_path / 'out' / 'crops').rglob('*.jpg'))
    assert len(crops) == num_objects
    ymin, xmin, ymax, xmax = found[0].bboxes[0]
    height, width, _ = cv2.imread(str(
        tmp_path / 'out' / 'crops' / found[0].names[0] / '0.png_1.jpg')).shape
    assert 0 <= height - (ymax - ymin) < 2 and 0 <= width - (xmax - xmin) < 2


def test_crops_of_frames_and_of_classes_of_any_name(tmp_path):
    crops = sinks.CropFiles(str(tmp_path / 'out'))
    found = detections.Detected(
        np.array([[2., 4, 10, 20], [29.9, 39.9, 30, 40], [9, 9, 9, 9]]),
        np.array([.9] * 3), np.array([1, 2, 3]), ['..', 'a/b', 'c'], (30, 40))
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[2:10, 4:20] = 255
    crops.add(detections.Sample('film.mp4', 'film', 7, pixels=pixels,
                                found=found))
    names = [f'{name}/film_000007_{number}.jpg' for number, name in enumerate(
        ('%2E%2E', 'a%2Fb', 'c'), 1)]
    paths = [tmp_path / 'out' / 'crops' / name for name in names]
    assert sorted(tmp_path.rglob('*.jpg')) == sorted(paths)
    assert [cv2.imread(str(path)).shape[:2] for path in paths] == [
        (8, 16), (1, 1), (1, 1)]
    assert cv2.imread(str(paths[0])).min() > 250


def test_a_video(run, network, video, tmp_path, capsys):
    results = run(video)
    frames = frames_of(tmp_path / 'out' / 'film.mp4')
    assert len(frames) == len(FRAMES)
    assert [record['frame'] for record in results['images']] == list(
        range(len(FRAMES)))
    for record, frame in zip(results['images'], frames_of(video), strict=True):
        assert record['file'] == video
        assert_is_found(record, network.detect(
            np.ascontiguousarray(frame[..., ::-1])))
    corner = frames[-1][:5, :60].astype(int)  # Of the label with the rate.
    assert corner.min() < 60
    assert capsys.readouterr().out.endswith(
        f'film.mp4 and detections.json are in {tmp_path / "out"}\n')


def test_the_result_of_a_single_input_can_be_named(
        run, folder, video, tmp_path, capsys):
    run(folder / '0.png', output_name='result.jpg', save_xml=True)
    output = capsys.readouterr().out
    assert output.startswith('1 image with ')
    assert 'result.jpg, Annotations and detections' in output
    run(video, output_name='ü 1')
    assert ': ü 1.mp4 and detections.json are in' in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path / 'out')) == [
        'Annotations', 'detections.json', 'labelmap.txt', 'result.jpg',
        'ü 1.mp4']
    # An annotation is of the image that is there.
    assert os.listdir(tmp_path / 'out' / 'Annotations') == ['0.xml']
    with pytest.raises(ValueError, match='0.png would be overwritten'):
        run(folder / '0.png', output_dir=str(folder), output_name='0.png')
    with pytest.raises(ValueError, match=(
            '--output_name=a.jpg: --input has 5 images; the name is for')):
        run(folder, output_name='a.jpg')
    for name in ('', 'a/b.jpg', '../b.jpg'):
        with pytest.raises(ValueError, match=f'--output_name={name}: give'):
            run(folder / '0.png', output_name=name)


def test_a_full_disk_is_named_and_leaves_nothing(run, folder, tmp_path):
    with pytest.raises(OSError, match='too large, on writing: .*/out/'), (
            scripts.full_disk()):
        run(folder)
    assert not os.listdir(tmp_path / 'out')
    with pytest.raises(OSError, match='too large, on writing: .*tions.json'), (
            scripts.full_disk()), json_files.JsonFile.opened(
                tmp_path / 'out', mock.Mock(account=dict),
                classes='abc' * 99):
        pass
    assert not os.listdir(tmp_path / 'out')


def test_a_stream_without_its_password(run, tmp_path):
    camera = Camera(FRAMES)
    results = run('rtsp://user:secret@host/live', camera)
    assert set(camera.targets) == {'rtsp://user:secret@host/live'}
    assert {record['file'] for record in results['images']} == {
        'rtsp://host/live'}
    assert [record['frame'] for record in results['images']] == list(
        range(len(FRAMES)))
    assert results['passed_over'] == 0
    assert 'secret' not in json.dumps(results)
    assert (tmp_path / 'out' / 'stream.mp4').exists()


def test_a_camera_with_bad_frames(run, tmp_path, capsys):
    camera = Camera([FRAMES[0], None, cv2.error('x'), FRAMES[1],
                     np.zeros((0, 0, 3), np.uint8), FRAMES[2][..., 0]])
    results = run('0', camera)
    assert set(camera.targets) == {0} and camera.is_released
    assert [record['frame'] for record in results['images']] == [0, 3, 5]
    assert results['images'][0]['file'] == '0'
    assert results['unreadable'] == [
        f'0: frame {number} cannot be read.' for number in (1, 2, 4)] + END
    assert capsys.readouterr().err.splitlines() == results['unreadable']


def test_a_camera_is_asked_for_a_size(run, video, capsys):
    camera = Camera(FRAMES[:1])
    run('0', camera, camera_size='640x480')
    assert capsys.readouterr().err.splitlines() == END
    assert camera.values.items() >= {
        cv2.CAP_PROP_FRAME_WIDTH: 640, cv2.CAP_PROP_FRAME_HEIGHT: 480}.items()
    run('0', Camera(FRAMES[:1]), camera_size='1920x480')
    assert capsys.readouterr().err.splitlines() == [
        '--camera_size=1920x480: camera 0 gives 1280x480.', *END]
    for what, size, fault in (
            (video, '640x480', f'--input={video} is no camera; leave it'),
            ('rtsp://host/live', '1x1', '--input=rtsp://host/live is no cam'),
            *(('0', size, 'give width and height in pixels')
              for size in ('640', '640x0', '640x480x3', 'big'))):
        with pytest.raises(ValueError, match=f'--camera_size={size}: {fault}'):
            run(what, Camera([]), camera_size=size)


def test_videos_that_change_their_size_or_end_early(run, video, tmp_path):
    results = run(video, Camera(
        [FRAMES[0], cv2.resize(FRAMES[1], (64, 64))], num=20))
    assert results['unreadable'] == [
        f'{video}: its frames end after 0.167 seconds (2 frames), its header '
        'says 1.67: it is cut off, or its sound is longer.']
    frames = frames_of(tmp_path / 'out' / 'film.mp4')
    assert [frame.shape for frame in frames] == [FRAMES[0].shape] * 2
    with pytest.raises(ValueError, match='nothing could be read'):
        run('0', Camera([]))


def test_a_folder_that_vanishes_is_one_fault(
        run, network, folder, monkeypatch):
    monkeypatch.setattr(detect, '_make_detector', lambda *_: (
        shutil.rmtree(folder), network)[1])
    with pytest.raises(ValueError, match=(
            f'^{folder} has gone since the images in it were listed.$')):
        run(folder)


def test_ctrl_c_ends_with_what_is_done(run, tmp_path, monkeypatch, capsys):
    camera = Camera([])
    camera.grab = lambda: time.sleep(.01) is None  # For ever.
    camera.retrieve = lambda: (True, FRAMES[0])
    shown = []

    def show(picture):
        shown.append(picture.shape)
        if len(shown) == 4:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(window, 'opened', mock.MagicMock())
    window.opened().__enter__.return_value = show
    results = run('0', camera, show=True)
    window.opened.assert_called_with(waits=False)
    window.opened().__exit__.assert_called_once()
    assert shown == [FRAMES[0].shape] * 4
    assert len(results['images']) == 4 and camera.is_released
    assert frames_of(tmp_path / 'out' / 'camera_0.mp4')
    assert len(os.listdir(tmp_path / 'out')) == 2
    assert 'Stopped.' in capsys.readouterr().err


def test_inputs_and_annotations_are_never_overwritten(
        run, folder, video, tmp_path):
    for what, output_dir, name in (
            (folder, folder, '0.png'),
            (shutil.copy(video, tmp_path / 'film.mp4'), tmp_path, 'film.mp4')):
        with pytest.raises(ValueError, match=(
                f'--output_dir=.*{name} would be overwritten, which is an')):
            run(what, output_dir=str(output_dir))
    run(folder / '0.png', save_xml=True)
    with pytest.raises(ValueError, match='0.xml is there already and may'):
        run(folder, save_xml=True)
    detector_files.write_picture(folder / '0.jpg', PICTURES[0])
    with pytest.raises(ValueError, match='0.jpg and 0.png would have the sa'):
        run(folder, save_xml=True, output_dir=str(tmp_path / 'other'))
    with pytest.raises(ValueError, match='--format=voc: .*film.avi is a video'):
        run(video, save_xml=True)


@pytest.mark.parametrize('what, fault', [
    ('missing.jpg', 'missing.jpg: no such file, folder or pattern; a cam'),
    ('*.none', 'none: no such file, folder or pattern'),
    ('empty', r'empty: the folder has no image \(they end in .jpg'),
    ('text.txt', r'text.txt: the list has no path of an image, one a line; '
     r'1 left out \(no such file: text\).'),
    ('text.bin', 'text.bin: cannot be opened; neither an image nor a vid'),
    ('text.png', 'text.png: nothing could be read'),
    ('empty.png', 'empty.png: nothing could be read')])
def test_inputs_that_are_none(run, tmp_path, what, fault):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text.txt').write_text('text\n')
    (tmp_path / 'text.bin').write_text('text')
    (tmp_path / 'text.png').write_text('text')
    (tmp_path / 'empty.png').touch()
    with pytest.raises(ValueError, match=f'--input=.*{fault}'):
        run(tmp_path / what)
    assert not list(tmp_path.glob('out/*'))


def test_errors_of_any_step_end_the_run(
        run, network, folder, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError('no space left')

    for target, name in ((images.Images, 'samples'), (network, 'detect'),
                         (drawing, 'draw_bboxes')):
        with monkeypatch.context() as patch, pytest.raises(
                OSError, match='no space left'):
            patch.setattr(target, name, fail)
            run(folder)
    with pytest.raises(OSError, match='no camera any more'):
        run('0', Camera([*FRAMES[:3], OSError('no camera any more')]))
    assert not list(tmp_path.glob('out/*.mp4'))


def test_steps_overlap(run, network, monkeypatch):
    """The third is read, the second detected in, the first one written."""
    camera, found = Camera(FRAMES[:6]), network.detect(FRAMES[0])
    is_read, is_detected, batches = threading.Event(), threading.Event(), []

    def read():
        if len(camera.reads) == 4:
            is_read.set()
        return Camera.grab(camera)

    def detect_in(pictures):
        batches.extend(pictures)
        if len(batches) == 2:
            is_detected.set()
        return [found] * len(pictures)

    def write(*_):
        assert is_read.wait(SECONDS) and is_detected.wait(SECONDS)

    camera.grab = read
    monkeypatch.setattr(network, 'detect', detect_in)
    monkeypatch.setattr(drawing, 'draw_text', write)
    assert len(run('0', camera)['images']) == 6


@pytest.fixture
def opencv(monkeypatch):
    """Stands for an OpenCV with windows."""
    opencv = mock.Mock(
        cvtColor=cv2.cvtColor, COLOR_RGB2BGR=cv2.COLOR_RGB2BGR)
    opencv.currentUIFramework.return_value = 'QT5'
    opencv.getWindowProperty.return_value = 1
    monkeypatch.setattr(window, 'cv2', opencv)
    monkeypatch.setenv('DISPLAY', ':0')
    return opencv


def test_a_window_goes_on_by_a_key_and_ends_by_q_or_when_closed(opencv):
    keys = [-1, -1, ord(' '), -1, ord('q'), 27, -1]
    opencv.waitKey.side_effect = keys
    with window.opened(waits=True) as waiting, (
            window.opened(waits=False)) as running:
        assert waiting(FRAMES[0]) and opencv.waitKey.call_count == 3
        np.testing.assert_array_equal(
            opencv.imshow.call_args.args[1], FRAMES[0][..., ::-1])
        assert running(FRAMES[0])
        assert not waiting(FRAMES[0]) and not running(FRAMES[0])
        opencv.getWindowProperty.return_value = 0
        assert not waiting(FRAMES[0])


def test_show_without_windows_or_display_is_refused(opencv, monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'linux')
    monkeypatch.delenv('DISPLAY')
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    for fault in ('there is no display', 'this OpenCV has no windows'):
        with pytest.raises(ValueError, match=f'--show: {fault}'):
            window.opened(waits=True).__enter__()
        opencv.currentUIFramework.return_value = ''


def test_the_script(folder, tmp_path):
    checkpoint = detector_files.save(tmp_path / 'c', with_metadata=False)
    (tmp_path / 'labels.txt').write_text(
        '\n'.join(detector_files.NAMES), 'utf-8')
    process = scripts.run(tmp_path, (
        f'detect_ssd_network.py --checkpoint_path={checkpoint} '
        f'--input={folder} --model_name={detector_files.MODEL} '
        f'--labels_file={tmp_path}/labels.txt --output_dir=out'))
    assert process.stderr == ''
    assert process.stdout.startswith('5 images with ')
    assert process.stdout.count('\n') == 1
    results = json.loads((tmp_path / 'out' / 'detections.json').read_text())
    assert results['select_threshold'] == .5


def test_help_does_not_wait_for_tensorflow():
    process = subprocess.run(
        [sys.executable, '-c', 'import detect_ssd_network, sys; '
         'print({"tensorflow", "numpy", "cv2"} & set(sys.modules))'],
        capture_output=True, text=True, check=True, cwd=scripts.ROOT)
    assert process.stdout == 'set()\n'
