"""Live sources: new frames, at the speed of life, whatever happens to them."""
import http.server
import json
import threading
import weakref

import cv2
import numpy as np
import pytest

from common import drawing
from engine.detecting import captures
from engine.detecting import detect
from engine.detecting import detections
from engine.detecting import detector
from engine.detecting import options
from engine.detecting import sources
from engine.detecting import streams
from tests import detector_files
from tests import fake_captures

SECONDS = fake_captures.SECONDS
NOTHING = detections.Detected(
    np.zeros((0, 4), np.float32), np.zeros(0, np.float32),
    np.zeros(0, np.int32), [], (96, 128))


@pytest.fixture
def network(tmp_path):
    path = detector_files.save(tmp_path / 'c')
    with detector.Detector(path) as network:
        yield network


class Life:
    """A camera of 25 frames a second, in a time that passes when it is told.

    A frame's grey is its number. Time stands still for the camera until all
    frames that are due were read.
    """

    def __init__(self, seconds):
        self.now, self._seconds = 0., seconds
        self._num, self._is_waiting = 0, False
        self._changed = threading.Condition()

    def clock(self):
        return self.now

    def pass_time(self, seconds):
        with self._changed:
            end = round(self.now + seconds, 6)
            while (self.now < self._seconds and self._wait_for_camera()
                   and self._num / 25 <= end):
                self.now = self._num / 25
                self._is_waiting = False
                self._changed.notify_all()
            self.now = end
            self._changed.notify_all()

    def _wait_for_camera(self):
        return self._changed.wait_for(lambda: self._is_waiting, SECONDS)

    def __call__(self, target):
        return self

    def isOpened(self):  # noqa: N802 (as in OpenCV)
        return True

    def get(self, key):
        return {cv2.CAP_PROP_FPS: 25.}.get(key, 0.)

    def grab(self):
        with self._changed:
            if self._num:
                self._is_waiting = True
                self._changed.notify_all()
                self._changed.wait_for(
                    lambda: not self._is_waiting or self.now >= self._seconds,
                    SECONDS)
            return self.now < self._seconds

    def retrieve(self):
        self._num += 1
        return True, np.full((96, 128, 3), self._num - 1, np.uint8)

    def release(self):
        pass


def test_a_slow_detector_sees_new_frames_and_films_at_the_speed_of_life(
        network, tmp_path, monkeypatch, capsys):
    """25 frames a second come; a detection takes 0.2 seconds."""
    life, is_shown = Life(4), threading.Semaphore(1)

    def detect_slowly(pictures):
        if pictures:
            assert is_shown.acquire(timeout=SECONDS)
            life.pass_time(.2)
        return [NOTHING] * len(pictures)

    texts, alive, read = [], [], captures.read

    def show(picture, text):
        texts.append(text)
        is_shown.release()

    def read_and_count(capture):
        alive[:] = [reference for reference in alive if reference() is not None]
        assert len(alive) < 9
        pixels = read(capture)
        if pixels is not None:
            alive.append(weakref.ref(pixels))
        return pixels

    monkeypatch.setattr(detect, '_make_detector', lambda *_: network)
    monkeypatch.setattr(network, 'detect', detect_slowly)
    monkeypatch.setattr(drawing, 'draw_text', show)
    monkeypatch.setattr(captures, 'read', read_and_count)
    detect.run(options.Model('c'), options.Detection(),
               options.Source('0', max_seconds=4),
               options.Run(output_dir=str(tmp_path)), life, life.clock)
    results = json.loads((tmp_path / 'detections.json').read_text())
    frames = [image['frame'] for image in results['images']]
    assert frames == list(range(0, 100, 5))
    assert [image['seconds'] for image in results['images']] == [
        frame / 25 for frame in frames]
    assert texts == [f'5.0 fps, 0.20 s old, {4 * number} passed over'
                     for number in range(20)]
    assert results['end_seconds'] == 4
    assert results['passed_over'] == 80
    assert '80 frames passed over' in capsys.readouterr().out
    film = list(film_of(tmp_path / 'camera_0.mp4'))
    assert len(film) == 100
    # A frame of life stays until the detector has seen the next one.
    np.testing.assert_allclose(
        film, [number // 5 * 5 for number in range(100)], atol=3)


def film_of(path):
    """Yields the mean of each frame."""
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == 25
    while (read := capture.read())[0]:
        yield read[1].mean()


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends three frames, then the server hangs up, or says nothing."""
    frame = cv2.imencode('.jpg', detector_files.pictures(1)[0])[1].tobytes()

    def do_GET(self):  # noqa: N802 (as in http.server)
        self.send_response(200)
        self.send_header('Content-Type',
                         'multipart/x-mixed-replace; boundary=b')
        self.end_headers()
        for _ in range(3):
            self.wfile.write(b'--b\r\nContent-Type: image/jpeg\r\nContent-'
                             b'Length: %d\r\n\r\n' % len(self.frame)
                             + self.frame + b'\r\n')
        if self.path == '/silent':
            self.server.is_over.wait(SECONDS)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def address():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.is_over, server.daemon_threads = threading.Event(), True
    thread = threading.Thread(target=server.serve_forever, args=(.01,))
    thread.start()
    yield f'http://user:secret@127.0.0.1:{server.server_port}'
    server.is_over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize('path', ['cut', 'silent'])
def test_a_stream_that_ends_or_stalls_is_opened_again(
        address, path, monkeypatch):
    monkeypatch.setattr(captures, 'SECONDS_OF_STALL', .5)
    monkeypatch.setattr(streams, 'FIRST_PAUSE', .01)
    source = sources.open_source(options.Source(f'{address}/{path}'))
    assert source.is_live
    samples = source.samples()
    seen, notes = set(), []
    while len(notes) < 3:
        sample = next(samples)
        if sample.fault is not None:
            notes.append(sample.fault)
        elif sample.pixels is not None:
            seen.add(sample.frame)
    samples.close()
    shown = f'{address}/{path}'.replace('user:secret@', '')
    again = f'{shown}: no frame comes any more; it is opened again.'
    assert notes[0] == notes[2] == again
    assert notes[1].startswith(f'{shown}: frames come again, after ')
    assert min(seen) < 3 <= max(seen)


def test_a_stream_that_does_not_come_back_is_given_up(monkeypatch):
    monkeypatch.setattr(streams, 'FIRST_PAUSE', 0)
    monkeypatch.setattr(streams, 'SECONDS_TO_GIVE_UP', -1)
    camera = fake_captures.Camera(detector_files.pictures(1))
    samples = list(sources.open_source(
        options.Source('0'), open_capture=camera, clock=lambda: 0.).samples())
    assert [sample.frame for sample in samples if sample.pixels is not None
            ] == [0]
    assert [sample.fault for sample in samples if sample.fault] == [
        '0: no frame comes any more; it is opened again.',
        '0: nothing came for 0 seconds; it is given up.']


def test_time_passes_without_a_frame(monkeypatch):
    """So that a recording goes on, and --max_seconds ends it."""
    monkeypatch.setattr(streams, 'SECONDS_OF_WAIT', .01)
    now = [0.]
    camera = fake_captures.Camera([np.zeros((8, 8, 3), np.uint8)] * 2)
    source = sources.open_source(options.Source('0', max_seconds=9),
                                 open_capture=camera, clock=lambda: now[0])
    samples = source.samples()
    assert next(samples).seconds == 0
    for seconds in (3., 8.):
        now[0] = seconds
        waiting = next(samples)
        assert waiting.pixels is None and waiting.fault is None
        assert waiting.seconds == seconds
    now[0] = 9.5
    camera.taken()
    assert not list(samples)
    assert source.end_seconds == 9


def test_what_came_before_anybody_asked_is_no_new_frame():
    """A network may take seconds to be built after the stream is opened."""
    frames = [np.full((8, 8, 3), number, np.uint8) for number in range(5)]
    # A stream is opened anew; a camera's driver keeps four frames.
    for what, seconds, num_opened, reads in (
            ('rtsp://host/a', 1., 1, frames[4:]), ('0', 1., 1, frames[4:]),
            ('rtsp://host/a', 5., 2, frames[4:]), ('0', 5., 1, frames)):
        now, camera = [0.], fake_captures.Camera(reads)
        for _ in reads:  # So that none waits for the one before.
            camera.taken()
        samples = sources.open_source(
            options.Source(what), open_capture=camera,
            clock=lambda now=now: now[0]).samples()
        now[0] = seconds
        sample = next(samples)
        assert (sample.seconds, sample.pixels.max()) == (0, 4)
        assert len(camera.targets) == num_opened
        samples.close()


def test_what_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setattr(captures.glob, 'glob', lambda _: [
        '/dev/video10', '/dev/video2'])
    with pytest.raises(ValueError, match=(
            '^--input=77: there is no camera 77, or another program uses it. '
            'Here are: 2, 10.$')):
        sources.open_source(options.Source('77'))
    with pytest.raises(ValueError, match=(
            '^--input=http://127.0.0.1:1/a: no stream that OpenCV can read; '
            'is the address right, and does it send')):
        sources.open_source(options.Source('http://u:secret@127.0.0.1:1/a'))


@pytest.mark.parametrize('target, shown', [
    ('rtsp://user:pass@word@host/live', 'rtsp://host/live'),
    ('rtsp://host:554/user=admin&password=secret&channel=1',
     'rtsp://host:554/user=admin&password=***&channel=1'),
    ('http://host/a?pwd=secret', 'http://host/a?pwd=***'),
    ('//server/a@b/pwd=1.mp4', '//server/a@b/pwd=1.mp4'), (0, '0')])
def test_addresses_are_shown_without_passwords(target, shown):
    assert captures.shown(target) == shown


@pytest.mark.parametrize('changes, fault', [
    ({'every_n_frames': 2}, '--every_n_frames=2: --input=0 has no beginning'),
    ({'start': 1.}, '--start=1.0: --input=0 has no beginning and no end'),
    ({'recursive': True}, '--recursive=True: --input=0 is no folder; leave'),
    ({'max_seconds': float('nan')}, '--max_seconds=nan: it must be at least'),
    ({'camera_size': 'big'}, '--camera_size=big: give width and height')])
def test_what_does_not_fit_a_camera_is_refused(changes, fault):
    camera = fake_captures.Camera([])
    with pytest.raises(ValueError, match=fault):
        sources.open_source(options.Source('0', **changes),
                            open_capture=camera)
