"""How a script ends: its exit status, and what it says."""
import signal
import subprocess
import sys

import pytest
import tensorflow.compat.v1 as tf

from engine import cli
from tests import scripts

HEAD = '''import os, sys, threading, time
from engine import cli
def main():
    '''
TAIL = '\ncli.run(main)\n'


def command(tmp_path, statement, *flags):
    """Returns the command line of a script whose main is a statement."""
    path = tmp_path / 'script.py'
    path.write_text(HEAD + statement + TAIL)
    return [sys.executable, str(path), *flags]


def end(tmp_path, statement, *flags):
    """Returns the exit status of such a script, and its lines on stderr."""
    process = subprocess.run(
        command(tmp_path, statement, *flags), cwd=scripts.ROOT,
        env={'PYTHONPATH': str(scripts.ROOT)}, capture_output=True,
        text=True, check=False)
    return process.returncode, process.stderr.splitlines()


@pytest.mark.parametrize('statement, line', [
    ('raise ValueError("a.jpg: no image.")', 'a.jpg: no image.'),
    ('raise ValueError', 'ValueError'),
    ('open("/nowhere/a")',
     "[Errno 2] No such file or directory: '/nowhere/a'"),
    ('raise MemoryError("1 TiB")', 'there is not enough memory. 1 TiB'),
    ('raise ValueError("\\x1b[2J\\a")', '%1B[2J%07'),
    ('{}["a\\nb"]',
     "an error of this program, KeyError: 'a\\nb'. Please report it with "
     'what the same command shows with --debug.')])
def test_errors_are_one_line(tmp_path, statement, line):
    assert end(tmp_path, statement) == (1, [f'script.py: {line}'])


def test_several_faults_are_several_lines(tmp_path):
    assert end(tmp_path, 'raise ValueError("2 faults:\\na\\nb")') == (
        1, ['script.py: 2 faults:', 'a', 'b'])


def test_a_word_that_is_no_flag(tmp_path):
    assert end(tmp_path, 'pass', 'debug') == (
        1, ["script.py: 'debug' is not a flag; flags begin with --."])


@pytest.mark.parametrize('statement', ['raise ValueError("a")', '1 / 0'])
def test_debug_shows_where_it_was(tmp_path, statement):
    status, lines = end(tmp_path, statement, '--debug')
    assert status == 1
    assert lines[0].startswith('Traceback')
    assert any(statement in line for line in lines)
    assert lines[-1].startswith('script.py: ')


def test_help_lists_debug(tmp_path):
    process = subprocess.run(
        command(tmp_path, 'pass', '--help'), cwd=scripts.ROOT,
        env={'PYTHONPATH': str(scripts.ROOT)}, capture_output=True,
        text=True, check=False)
    assert '--[no]debug' in process.stdout


@pytest.mark.parametrize('number, status', [
    (signal.SIGINT, cli.INTERRUPTED), (signal.SIGTERM, cli.TERMINATED)])
def test_signals_end_quietly_after_what_is_to_be_done(
        tmp_path, number, status):
    # A second SIGTERM, which `timeout` sends, does not disturb that.
    statement = """try:
        print('ready', flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(.5)
        print('saved')
        raise"""
    process = subprocess.Popen(
        command(tmp_path, statement), cwd=scripts.ROOT,
        env={'PYTHONPATH': str(scripts.ROOT)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
        # A shell's background jobs, and what they start, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        assert process.stdout.readline() == 'ready\n'
        process.send_signal(number)
        if number == signal.SIGTERM:
            process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, output, errors) == (status, 'saved\n', '')


def test_a_second_interrupt_ends_it_at_once(tmp_path):
    statement = """try:
        print('ready', flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print('saving', flush=True)
        time.sleep(60)"""
    process = subprocess.Popen(
        command(tmp_path, statement), cwd=scripts.ROOT,
        env={'PYTHONPATH': str(scripts.ROOT)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        for line in ('ready\n', 'saving\n'):
            assert process.stdout.readline() == line
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == cli.INTERRUPTED
    assert errors.strip() == (
        'Ended by a second Ctrl-C; what was not saved is lost.')


def test_what_libraries_write_to_stderr_goes_nowhere(tmp_path):
    statement = 'os.write(2, b"E0000 log"); raise ValueError("ours")'
    assert end(tmp_path, statement) == (1, ['script.py: ours'])
    assert 'E0000 log' in end(tmp_path, statement, '--debug')[1][0]


def test_an_error_that_nobody_waits_for_is_told(tmp_path):
    statement = ('thread = threading.Thread(target=lambda: 1 / 0)\n'
                 '    thread.start(); thread.join()')
    status, (line,) = end(tmp_path, statement)
    assert status == 0
    assert line.startswith('In a thread: ') and 'ZeroDivisionError' in line


def test_operation_errors_are_one_line():
    assert cli.describe(tf.errors.NotFoundError(
        None, None, 'a: not found\n\t [[node]]')) == 'a: not found'
    assert cli.describe(
        tf.errors.AbortedError(None, None, '')) == 'AbortedError'
    with tf.Graph().as_default(), tf.Session() as session:
        image = tf.io.decode_png(tf.constant(b'no image'))
        with pytest.raises(tf.errors.OpError) as caught:
            session.run(image)
    assert cli.describe(caught.value).startswith('Unknown image file format')
