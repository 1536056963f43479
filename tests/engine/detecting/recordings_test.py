"""Recordings: what is made of them lasts as long, and has their sound."""
import os
import pathlib
import re
import subprocess

import cv2
import numpy as np
import pytest

from engine.detecting import captures
from engine.detecting import ffmpeg
from engine.detecting import options
from engine.detecting import sinks
from engine.detecting import sources
from tests import detector_files
from tests import fake_captures
from tests import scripts

FRAMES = detector_files.pictures(12, size=(48, 64))
Camera = fake_captures.Camera


@pytest.fixture
def run(tmp_path):
    """Writes a video of what a recording gives; returns its Samples."""
    def run(what, open_capture=captures.open_capture, **changes):
        source = sources.open_source(
            options.Source(str(what), **changes), open_capture=open_capture)
        run.film.unlink(missing_ok=True)
        sink = sinks.make(source, str(tmp_path / 'out'), 'film')
        samples = []
        with sink.opened():
            for sample in source.samples():
                if sample.pixels is not None:
                    sink.write(sample, sample.pixels.copy(), None)
                elif sample.fault is None:  # The end.
                    sink.wait_until(sample.seconds)
                    break
                samples.append(sample)
        run.source, run.notes = source, sink.notes
        return samples

    run.film = tmp_path / 'out' / 'film.mp4'
    return run


@pytest.fixture
def without_ffmpeg(monkeypatch):
    monkeypatch.setattr(ffmpeg, 'find', lambda: None)


@pytest.fixture(scope='session')
def program():
    program = ffmpeg.find()
    if program is None:
        pytest.skip(f'no ffmpeg is here: {ffmpeg.HOW_TO_GET}')
    return program


def make(program, path, arguments):
    """Makes a video of ffmpeg's test picture, 160 x 120, 30 frames a second."""
    subprocess.run([program, '-loglevel', 'error', '-f', 'lavfi', '-i',
                    'testsrc=size=160x120:rate=30:duration=2',
                    *arguments.split(), str(path)], check=True)
    return path


def frames_of(path):
    """Returns the frames of a video, and how many seconds they last."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1][..., ::-1])
    return frames, len(frames) / capture.get(cv2.CAP_PROP_FPS)


def seconds_of(program, path, stream):
    """Returns the length of a file and what a stream of it is, by ffmpeg."""
    text = subprocess.run([program, '-hide_banner', '-i', str(path)],
                          capture_output=True, text=True, check=False).stderr
    minutes, seconds = re.search(r'Duration: 00:(\d\d):([\d.]+)', text).groups()
    kind = re.search(f'{stream}: (.*)', text)
    return 60 * int(minutes) + float(seconds), kind and kind[1]


@pytest.mark.parametrize('name, arguments', [
    ('vfr.mkv', '-c:v libx264'), ('vfr.mp4', '-c:v libx264'),
    ('50%20d.webm', '-c:v libvpx')])
def test_a_variable_rate(run, program, tmp_path, name, arguments):
    """Each third frame of the first second, each one of the other."""
    samples = run(make(program, tmp_path / name, (
        f'-vf select=if(lt(t\\,1)\\,not(mod(n\\,3))\\,1) -fps_mode vfr '
        f'{arguments}')))
    np.testing.assert_allclose(
        [sample.seconds for sample in samples],
        [*np.arange(0, 1, .1), *np.arange(1, 2, 1 / 30)], atol=2e-3)
    assert run.source.end_seconds == pytest.approx(2, abs=2e-3)
    frames, seconds = frames_of(run.film)
    assert seconds == pytest.approx(2, abs=.04)
    # The frame of 0.5 seconds is seen until that of 0.6.
    shown = {.51: 5, .59: 5, 1.51: 25, 1.95: 38}
    for time, number in shown.items():
        frame = frames[int(time / seconds * len(frames))].astype(int)
        errors = [np.abs(sample.pixels - frame).mean() for sample in samples]
        assert np.argmin(errors) == number
    assert seconds_of(program, run.film, 'Video')[1].startswith('h264')


def test_a_video_on_its_side_and_one_of_odd_sides(run, program, tmp_path):
    plain = make(program, tmp_path / 'plain.mp4', '-t 0.2 -vf scale=161:121')
    turned = tmp_path / 'turned.mp4'
    subprocess.run([program, '-loglevel', 'error', '-display_rotation', '90',
                    '-i', plain, '-c', 'copy', turned], check=True)
    assert {sample.pixels.shape for sample in run(turned)} == {(161, 121, 3)}
    # The colors of H.264 need even sides.
    assert frames_of(run.film)[0][0].shape == (162, 122, 3)


def test_sound_is_kept_from_start_to_end(run, program, tmp_path):
    path = make(program, tmp_path / 'a.mp4', (
        '-f lavfi -i sine=frequency=440:duration=2 -c:v libx264 -c:a aac'))
    run(path)
    seconds, kind = seconds_of(program, run.film, 'Audio')
    assert seconds == pytest.approx(2, abs=.05) and kind.startswith('aac')
    samples = run(path, start=.5, end=1.5, every_n_frames=3)
    assert [sample.frame for sample in samples] == list(range(15, 45, 3))
    seconds, kind = seconds_of(program, run.film, 'Audio')
    assert seconds == pytest.approx(1, abs=.05) and kind.startswith('aac')
    assert frames_of(run.film)[1] == pytest.approx(1, abs=.05)
    assert not run.notes and os.listdir(run.film.parent) == ['film.mp4']


def test_sound_fits_the_pictures_where_these_begin_later(
        run, program, tmp_path):
    """A tone, 1.5 seconds after the file begins, 0.5 after the pictures."""
    path = tmp_path / 'late.mp4'
    subprocess.run([
        program, '-loglevel', 'error', '-itsoffset', '1', '-f', 'lavfi', '-i',
        'testsrc=size=64x48:rate=10:duration=2', '-f', 'lavfi', '-i',
        r'aevalsrc=sin(2765*t)*gte(t\,1.5):s=8000:d=3', '-c:v', 'libx264',
        '-c:a', 'aac', str(path)], check=True)
    for start, expected in (None, .5), (.3, .2):
        run(path, start=start)
        sound = np.abs(np.frombuffer(subprocess.run([
            program, '-loglevel', 'error', '-i', str(run.film), '-f', 's16le',
            '-ar', '8000', '-'], capture_output=True, check=True).stdout,
            np.int16).astype(int))
        assert np.argmax(sound > 8000) / 8000 == pytest.approx(
            expected, abs=.05)


def test_sound_that_cannot_be_kept_is_said(run, program, tmp_path, monkeypatch):
    path = make(program, tmp_path / 'a.mp4', (
        '-f lavfi -i sine=frequency=440:duration=2 -t 0.2'))
    add_sound = ffmpeg.add_sound
    monkeypatch.setattr(ffmpeg, 'add_sound', lambda program, film, *rest: (
        add_sound(program, film, str(tmp_path / 'gone.mp4'), *rest[1:])))
    run(path)
    note, = run.notes
    assert note.startswith('film.mp4 is without sound: ')
    assert 'No such file' in note
    assert len(frames_of(run.film)[0]) == 6
    assert os.listdir(run.film.parent) == ['film.mp4']


def test_without_ffmpeg_it_is_said(run, without_ffmpeg, tmp_path):
    video = detector_files.write_video(tmp_path / 'a.avi', FRAMES)
    run(video)
    assert run.notes == [
        'film.mp4 is without sound and not for browsers (MPEG-4 Part 2). For '
        "both, install ffmpeg, or: pip install '.[video]'"]
    frames, seconds = frames_of(run.film)
    assert len(frames) == 12 and seconds == 1


@pytest.mark.parametrize('milliseconds, seconds', [
    # None are told.
    ([0, 0, 0, 0], [0, .1, .2, .3]),
    # A variable rate.
    ([0, 100, 150, 400], [0, .1, .15, .4]),
    # One file joined to another: it begins anew.
    ([0, 100, 0, 100], [0, .1, .2, .3]),
    # It does not begin at 0; a jump of an hour is a damaged time.
    ([100, 200, 3_700_000, 3_700_100], [.1, .2, .3, .4])])
def test_times_of_frames(run, tmp_path, milliseconds, seconds):
    video = detector_files.write_video(tmp_path / 'a.avi', FRAMES[:4])
    samples = run(video, Camera(FRAMES[:4], num=4, rate=10,
                                milliseconds=milliseconds))
    assert [sample.seconds for sample in samples] == pytest.approx(seconds)
    assert frames_of(run.film)[1] == pytest.approx(seconds[-1] + .1, abs=.03)


@pytest.mark.parametrize('rate, steps, measured', [
    (25, [40] * 11, 25),             # As told.
    (29.97, [33, 34, 33] * 3, 29.97),  # Rounded times are no other rate.
    (1000, [40] * 11, 25), (0, [40] * 11, 25),  # Told wrong, or not at all.
    (18.75, [100] * 4 + [100 / 3] * 7, 30),  # A mean of a variable rate.
    (0, [0] * 11, 25)])              # Nothing is told.
def test_a_rate_that_loses_no_frame(run, tmp_path, rate, steps, measured):
    video = detector_files.write_video(tmp_path / 'a.avi', FRAMES[:4])
    times = np.cumsum([0, *steps]).tolist()
    run(video, Camera(FRAMES[:len(times)], num=12, rate=rate,
                      milliseconds=times))
    assert run.source.frames_per_second == pytest.approx(measured, rel=.02)


def test_parts_of_a_video(run, tmp_path):
    video = detector_files.write_video(tmp_path / 'a.avi', FRAMES)  # 1 second.
    cases = {(1, None, None): range(12), (5, None, None): (0, 5, 10),
             (1, .5, None): range(6, 12), (1, None, .5): range(6),
             (2, .25, .75): (4, 6, 8), (1, None, 9): range(12)}
    for (every, start, end), frames in cases.items():
        samples = run(video, every_n_frames=every, start=start, end=end)
        assert [sample.frame for sample in samples] == list(frames)
        assert frames_of(run.film)[1] == pytest.approx(
            min(end or 1, 1) - (start or 0), abs=.5 / 12 * every)
    assert run.source.num is None
    for every in (20, 500):  # One frame, which stays for all the second.
        sample, = run(video, every_n_frames=every)
        assert sample.frame == 0 and frames_of(run.film)[1] == 1
    for part in ({'start': .95}, {'start': .51, 'end': .55}, {'end': .0005},
                 {'start': .5, 'every_n_frames': 20}):
        with pytest.raises(ValueError, match=(
                f'^--input={video}: of its frames, 0.0833 seconds apart, '
                '--start, --end and --every_n_frames leave none.$')):
            run(video, **part)
    with pytest.raises(ValueError, match=(
            f'--start=3: {video} ends after 1 seconds.')):
        run(video, start=3)
    with pytest.raises(ValueError, match='--end=1: it must be after --start=2'):
        run(video, start=2, end=1)


def test_a_film_that_is_stopped_ends_with_what_was_used(tmp_path):
    """Others were read meanwhile; of each third one, that is a long time."""
    video = detector_files.write_video(tmp_path / 'a.avi', FRAMES)
    source = sources.open_source(options.Source(video, every_n_frames=3))
    sink = sinks.make(source, str(tmp_path / 'out'))
    with sink.opened():
        samples = list(source.samples())
        assert source.end_seconds == 1
        for sample in samples[:2]:
            sink.write(sample, sample.pixels.copy(), None)
    # The second is that of a quarter of a second, and seen for one.
    assert frames_of(tmp_path / 'out' / 'a.mp4')[1] == pytest.approx(.5, abs=.1)
    assert source.account() == {'start_seconds': 0, 'end_seconds': .45}


def test_a_film_of_jpegs_is_no_image(run, tmp_path):
    path = tmp_path / 'a.mjpeg'
    path.write_bytes(b''.join(
        cv2.imencode('.jpg', frame)[1].tobytes() for frame in FRAMES))
    assert [sample.frame for sample in run(path)] == list(range(12))


@pytest.mark.parametrize('ending', ['avi', 'jpg'])
def test_what_is_no_result_is_not_overwritten(tmp_path, ending):
    """A film a.avi becomes a.mp4, which may be another one of the user."""
    out = tmp_path / 'out'
    out.mkdir()
    if ending == 'avi':
        what = detector_files.write_video(tmp_path / 'a.avi', FRAMES[:2])
    else:
        what = tmp_path / 'a.jpg'
        detector_files.write_picture(what, FRAMES[0])
    result = 'a.mp4' if ending == 'avi' else 'a.jpg'
    (out / result).write_bytes(b'of the user')
    source = sources.open_source(options.Source(str(what)))
    with pytest.raises(ValueError, match=(
            f'^--output_dir={out}: {out}/{result} is there already, and no '
            'detections.json of a detection beside it; give another folder.$')):
        sinks.make(source, str(out))
    for name in ('detections.json', 'detections.123.partial.json'):
        (out / name).write_text('{}')
        assert sinks.make(source, str(out)).paths == [f'{out}/{result}']
        (out / name).unlink()


def test_a_count_of_frames_is_a_hint_and_a_cut_file_gives_what_it_has(
        run, tmp_path):
    video = detector_files.write_video(tmp_path / 'a.avi', FRAMES)
    for num in (9, 15, 2**40, -2**62):
        fault = [sample.fault for sample in run(video, Camera(
            FRAMES, num=num or 1, rate=12)) if sample.fault]
        assert bool(fault) == (num == 2**40)
    content = pathlib.Path(detector_files.write_video(
        tmp_path / 'b.avi', detector_files.pictures(36, size=(96, 128))
    )).read_bytes()
    (tmp_path / 'cut.avi').write_bytes(content[:len(content) // 2])
    *samples, last = run(tmp_path / 'cut.avi')
    assert 9 < len(samples) < 24 and re.match(
        rf'{tmp_path}/cut.avi: its frames end after 1.\d\d? seconds '
        rf'\({len(samples)} frames\), its header says 3: it is cut off, or its '
        'sound is longer.$', last.fault)
    assert frames_of(run.film)[1] == pytest.approx(len(samples) / 12)


def test_a_rotten_file_is_one_line(tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'\0\0\0\x18ftypmp42' + bytes(99))
    with pytest.raises(ValueError, match=(
            r'^--input=.*a.mp4: cannot be opened; neither an image nor a vid'
            r'eo that OpenCV can read, or one cut off before its end\.$')):
        sources.open_source(options.Source(str(tmp_path / 'a.mp4')))


@pytest.mark.parametrize('is_with_ffmpeg', [True, False])
def test_a_full_disk_is_named_and_leaves_nothing(
        run, tmp_path, monkeypatch, is_with_ffmpeg, request):
    if is_with_ffmpeg:
        request.getfixturevalue('program')
        fault = 'ffmpeg: it ended with status -25'  # By the limit's signal.
    else:
        request.getfixturevalue('without_ffmpeg')
        fault = r'only 0 of 12 frames were written \(is the disk full'
    video = detector_files.write_video(tmp_path / 'a.avi', FRAMES)
    with pytest.raises(OSError, match=f'{fault}.*, on writing: .*film.mp4'), (
            scripts.full_disk()):
        run(video)
    assert not os.listdir(tmp_path / 'out')


def test_an_address_that_ends_is_a_recording():
    source = sources.open_source(
        options.Source('http://host/a.mp4', every_n_frames=2),
        open_capture=Camera(FRAMES, num=12))
    assert not source.is_live and source.sound_file is None
    *samples, last = source.samples()
    assert [sample.frame for sample in samples] == list(range(0, 12, 2))
    assert last.pixels is last.fault is None and last.seconds == 1
    with pytest.raises(ValueError, match=(
            '--max_seconds=3: --input=http://host/a.mp4 is a recording; --en')):
        sources.open_source(options.Source('http://host/a.mp4', max_seconds=3),
                            open_capture=Camera(FRAMES, num=12))
