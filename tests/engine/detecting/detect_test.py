"""The detect script, from its inputs to the files that it leaves."""
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import types

import cv2
import numpy as np
import pytest

from common import drawing
from datasets.voc import annotations
from engine.detecting import detect
from engine.detecting import detector
from engine.detecting import options
from engine.detecting import sinks
from engine.detecting import sources
from engine.detecting import window
from tests import detector_files
from tests import scripts

PICTURES = detector_files.pictures(5)
FRAMES = detector_files.pictures(20, size=(96, 128))
# After which a test fails instead of waiting for ever.
SECONDS = 60


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

    def run(what, capture_class=cv2.VideoCapture, **changes):
        where = options.Run(**{
            'input': str(what), 'output_dir': str(tmp_path / 'out'),
            **changes})
        detect.run(options.Model('c'), options.Detection(), where,
                   capture_class)
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


def test_one_image(run, network, folder, tmp_path, capsys):
    results = run(folder / '0.png')
    record, = results['images']
    assert record['file'] == str(folder / '0.png')
    found = network.detect(PICTURES[0])
    assert found.names
    assert_is_found(record, found)
    assert results['classes'] == list(detector_files.NAMES)
    assert results['unreadable'] == []
    drawn = cv2.imread(str(tmp_path / 'out' / '0.png'))[..., ::-1]
    np.testing.assert_array_equal(drawn, drawing.draw_bboxes(
        PICTURES[0], found.bboxes, found.class_ids, found.names,
        found.scores))
    assert capsys.readouterr().out == (
        f'1 image with {len(found.names)} objects: pictures and '
        f'detections.json are in {tmp_path / "out"}\n')


def test_a_folder_with_other_files_and_unreadable_ones(
        run, network, folder, tmp_path, capsys):
    (folder / 'notes.txt').write_text('text')
    (folder / '._0.png').write_text('of a Mac')
    (folder / '2b.JPG').write_text('text')
    (folder / '4.png').write_bytes((folder / '4.png').read_bytes()[:300])
    results = run(folder)
    assert [pathlib.Path(image['file']).name for image in results['images']
            ] == ['0.png', '1.png', '2.png', '3.png']
    for record, picture in zip(results['images'], PICTURES, strict=False):
        assert_is_found(record, network.detect(picture))
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        '0.png', '1.png', '2.png', '3.png', 'detections.json']
    faults = [f'{folder / "2b.JPG"}: not an image, or a damaged one.',
              f'{folder / "4.png"}: the PNG is damaged: TensorFlow cannot '
              'decode it.']
    assert results['unreadable'] == faults
    captured = capsys.readouterr()
    assert captured.err.splitlines() == faults
    assert captured.out.startswith('4 images with ')
    assert '; 2 could not be read: ' in captured.out


def test_a_pattern_keeps_folders_that_differ(run, folder, tmp_path):
    detector_files.write_picture(folder / 'more' / '0.jpg', PICTURES[1])
    assert len(run(f'{folder}/**/0.*')['images']) == 2
    for name, picture in (('0.png', PICTURES[0]), ('more/0.jpg', PICTURES[1])):
        drawn = cv2.imread(str(tmp_path / 'out' / name))
        assert drawn.shape == picture.shape


def test_annotations_can_be_read_again(run, network, folder, tmp_path):
    run(folder, save_xml=True)
    for index, picture in enumerate(PICTURES):
        annotation = annotations.read_annotation(
            tmp_path / 'out' / 'Annotations' / f'{index}.xml')
        found = network.detect(picture)
        assert annotation.filename == f'{index}.png'
        assert (annotation.height, annotation.width) == found.size
        assert [item.name for item in annotation.objects] == found.names
        for item, bbox in zip(annotation.objects, found.bboxes, strict=True):
            xmin, ymin, xmax, ymax = item.bbox
            assert xmin < xmax and ymin < ymax
            np.testing.assert_allclose(
                [ymin, xmin, ymax, xmax], bbox, atol=1.01)


def test_a_bbox_in_a_corner_keeps_an_area_in_its_annotation(tmp_path):
    found = detector.Detected(
        np.array([[29.8, 39.9, 30, 40], [0, 0, .1, .2]]), [.9, .8], [1, 1],
        ['a', 'ä'], (30, 40))
    annotation = sinks.to_annotation(sources.Sample(
        'in/sub/x.jpg', 'sub/x.jpg', None, None, None, found))
    (tmp_path / 'x.xml').write_bytes(annotations.format_annotation(annotation))
    assert annotations.read_annotation(tmp_path / 'x.xml') == annotation
    assert [item.bbox for item in annotation.objects] == [
        (39, 29, 40, 30), (0, 0, 1, 1)]


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
    assert 'result.jpg, Annotations and detections' in capsys.readouterr().out
    run(video, output_name='ü 1')
    assert ': ü 1.mp4 and detections.json are in' in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path / 'out')) == [
        'Annotations', 'detections.json', 'result.jpg', 'ü 1.mp4']
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
    sink = sinks.make(sources.open_source(
        '0', capture_class=Camera([])), str(tmp_path / 'out'))
    with pytest.raises(OSError, match=(
            'camera_0.mp4: holds 0 of 20 frames; is the disk full')), (
            scripts.full_disk()), sink.opened():
        for frame in FRAMES:
            sink.write(None, frame.copy())
    assert not os.listdir(tmp_path / 'out')
    found = detector.Detected(
        np.zeros((0, 4)), np.zeros(0), np.zeros(0), [], (9, 9))
    with pytest.raises(OSError, match='too large, on writing: .*tions.json'), (
            scripts.full_disk()), sinks.JsonFile.opened(tmp_path / 'out') as f:
        f.add(sources.Sample('a.jpg', 'a', None, None, None, found))
    assert not os.listdir(tmp_path / 'out')


def test_a_stream_without_its_password(run, video, tmp_path):
    opened = []

    def capture_class(address):
        opened.append(address)
        return cv2.VideoCapture(video)

    results = run('rtsp://user:secret@host/live', capture_class)
    assert opened == ['rtsp://user:secret@host/live']
    assert {record['file'] for record in results['images']} == {
        'rtsp://host/live'}
    assert len(frames_of(tmp_path / 'out' / 'stream.mp4')) == len(FRAMES)


class Camera:
    """Gives what is listed in turn; an exception is raised."""

    def __init__(self, reads, num=0, largest=(1280, 720)):
        self.reads = list(reads)
        self.values = {cv2.CAP_PROP_FPS: 12., cv2.CAP_PROP_FRAME_COUNT: num}
        self.largest = dict(zip((
            cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT), largest,
            strict=True))
        self.is_released = False

    def __call__(self, target):
        self.target = target
        return self

    def isOpened(self):  # noqa: N802 (as in OpenCV)
        return True

    def get(self, key):
        return self.values[key]

    def set(self, key, value):
        self.values[key] = min(value, self.largest[key])

    def read(self):
        frame = self.reads.pop(0) if self.reads else None
        if isinstance(frame, BaseException):
            raise frame
        return frame is not None, frame

    def release(self):
        self.is_released = True


def test_a_camera_with_bad_frames(run, tmp_path, capsys):
    camera = Camera([FRAMES[0], None, cv2.error('x'), FRAMES[1],
                     np.zeros((0, 0, 3), np.uint8), FRAMES[2][..., 0]])
    results = run('0', camera)
    assert camera.target == 0 and camera.is_released
    assert [record['frame'] for record in results['images']] == [0, 3, 5]
    assert results['images'][0]['file'] == '0'
    assert results['unreadable'] == [
        f'0: frame {number} cannot be read.' for number in (1, 2, 4)]
    assert len(frames_of(tmp_path / 'out' / 'camera_0.mp4')) == 3
    assert capsys.readouterr().err.splitlines() == results['unreadable']


def test_a_camera_is_asked_for_a_size(run, video, capsys):
    camera = Camera(FRAMES[:1])
    run('0', camera, camera_size='640x480')
    assert camera.values[cv2.CAP_PROP_FRAME_WIDTH] == 640
    assert camera.values[cv2.CAP_PROP_FRAME_HEIGHT] == 480
    assert capsys.readouterr().err == ''
    run('0', Camera(FRAMES[:1]), camera_size='1920x480')
    assert capsys.readouterr().err == (
        '--camera_size=1920x480: camera 0 gives 1280x480.\n')
    for what in (video, 'rtsp://host/live'):
        with pytest.raises(ValueError, match=(
                f'--camera_size=640x480: --input={what} is no camera; leave')):
            run(what, Camera([]), camera_size='640x480')
    for size in ('640', '640x0', '640x480x3', 'big'):
        with pytest.raises(ValueError, match=(
                f'--camera_size={size}: give width and height in pixels')):
            run('0', Camera([]), camera_size=size)


def test_an_error_leaves_no_part_of_a_video(run, tmp_path):
    with pytest.raises(OSError, match='no camera any more'):
        run('0', Camera([*FRAMES[:3], OSError('no camera any more')]))
    assert not os.listdir(tmp_path / 'out')


def test_videos_that_change_their_size_or_end_early(run, video, tmp_path):
    results = run(video, Camera(
        [FRAMES[0], cv2.resize(FRAMES[1], (64, 64))], num=20))
    assert results['unreadable'] == [f'{video}: ends after 2 of 20 frames.']
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
    camera.read = lambda: (True, FRAMES[0])  # For ever.
    shown = []

    class Window:
        def __init__(self, waits):
            assert not waits

        def show(self, picture):
            shown.append(picture.shape)
            if len(shown) == 4:
                raise KeyboardInterrupt
            return True

        def close(self):
            shown.append('closed')

    monkeypatch.setattr(detect.window, 'Window', Window)
    results = run('0', camera, show=True)
    assert shown == [FRAMES[0].shape] * 4 + ['closed']
    assert len(results['images']) == 4 and camera.is_released
    assert len(frames_of(tmp_path / 'out' / 'camera_0.mp4')) == 4
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
    with pytest.raises(ValueError, match='--save_xml: .*film.avi is a video'):
        run(video, save_xml=True)


@pytest.mark.parametrize('what, fault', [
    ('missing.jpg', 'missing.jpg: no such file, folder or pattern; a cam'),
    ('*.none', 'none: no such file, folder or pattern'),
    ('empty', 'empty: the folder has no image; they end in .jpg'),
    ('text.txt', 'text.txt: cannot be opened; neither an image nor a vid'),
    ('text.png', 'text.png: nothing could be read'),
    ('empty.png', 'empty.png: nothing could be read')])
def test_inputs_that_are_none(run, tmp_path, what, fault):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text.txt').write_text('text')
    (tmp_path / 'text.png').write_text('text')
    (tmp_path / 'empty.png').touch()
    with pytest.raises(ValueError, match=f'--input=.*{fault}'):
        run(tmp_path / what)
    assert not list(tmp_path.glob('out/*'))


def test_errors_of_any_step_end_the_run(run, network, folder, monkeypatch):
    def fail(*_):
        raise OSError('no space left')

    for target, name in ((sources.Images, 'samples'), (network, 'detect'),
                         (drawing, 'draw_bboxes')):
        with monkeypatch.context() as patch, pytest.raises(
                OSError, match='no space left'):
            patch.setattr(target, name, fail)
            run(folder)


def test_steps_overlap(run, network, monkeypatch):
    # While a frame is written, the next is detected in, and one more read.
    begun = {(step, number): threading.Event()
             for step in ('read', 'detect', 'write') for number in range(99)}
    found = network.detect(FRAMES[0])
    camera = Camera(FRAMES[:6])

    def begin(step, next_step, function):
        numbers = itertools.count()

        def call(*arguments):
            number = next(numbers)
            begun[step, number].set()
            if next_step and number < 5:
                assert begun[next_step, number + 1].wait(SECONDS)
            return function(*arguments)

        return call

    camera.read = begin('read', None, camera.read)
    monkeypatch.setattr(network, 'detect', begin(
        'detect', 'read', lambda images: [found] * len(images)))
    monkeypatch.setattr(drawing, 'draw_text', begin(
        'write', 'detect', drawing.draw_text))
    assert len(run('0', camera)['images']) == 6


@pytest.fixture
def windows(monkeypatch):
    """Stands for an OpenCV with windows; keys are what is pressed."""
    state = types.SimpleNamespace(keys=[], is_visible=1, shown=[])
    for name, function in {
            'currentUIFramework': lambda: 'QT5',
            'namedWindow': lambda *_: None,
            'imshow': lambda _, picture: state.shown.append(picture),
            'waitKey': lambda _: state.keys.pop(0) if state.keys else -1,
            'getWindowProperty': lambda *_: state.is_visible}.items():
        monkeypatch.setattr(cv2, name, function)
    monkeypatch.setenv('DISPLAY', ':0')
    return state


def test_a_window_goes_on_by_a_key_and_ends_by_q_or_when_closed(windows):
    waiting, running = window.Window(waits=True), window.Window(waits=False)
    windows.keys = [-1, -1, ord(' ')]
    assert waiting.show(FRAMES[0])
    assert windows.keys == []
    np.testing.assert_array_equal(windows.shown[0], FRAMES[0][..., ::-1])
    assert running.show(FRAMES[0])
    windows.keys = [ord('q'), 27]
    assert not waiting.show(FRAMES[0])
    assert not running.show(FRAMES[0])
    windows.is_visible = 0
    assert not waiting.show(FRAMES[0])


def test_show_without_windows_or_display_is_refused(windows, monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'linux')
    monkeypatch.delenv('DISPLAY')
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    with pytest.raises(ValueError, match='--show: there is no display'):
        window.Window(waits=True)
    monkeypatch.setattr(cv2, 'currentUIFramework', lambda: '')
    with pytest.raises(ValueError, match='--show: this OpenCV has no windows'):
        window.Window(waits=True)


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
