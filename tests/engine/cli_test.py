"""How a script ends: its exit status, and what it says; and its flags."""
import importlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated
from typing import Literal
from typing import NamedTuple

import pytest
import tensorflow.compat.v1 as tf
from absl import flags

from engine import cli
from tests import scripts

SCRIPT = 'import os, sys, threading, time; from engine import cli\n' + (
    'def main():\n    {}\ncli.run(main)\n')


class Group(NamedTuple):
    name: Annotated[str | None, 'A name.'] = None
    kind: Annotated[Literal['a', 'b'], 'One of two.'] = 'a'
    count: Annotated[int | None, 'A number.', 1] = None
    rate: Annotated[float, 'Another.'] = .5
    is_on: Annotated[bool, 'Whether.'] = False
    steps: Annotated[Sequence[str] | None, 'Some.'] = ('1', '2')
    train_dir: Annotated[str, 'A path.'] = '~/logs [1]'


def start(tmp_path, statement, *arguments):
    """Starts a script whose main is a statement; returns its Popen."""
    path = tmp_path / 'script.py'
    path.write_text(SCRIPT.replace('{}', statement, 1))
    return subprocess.Popen(
        [sys.executable, str(path), *arguments], cwd=scripts.ROOT,
        env={'PYTHONPATH': str(scripts.ROOT)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
        # A shell's background jobs, and what they start, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def end(tmp_path, statement, *arguments):
    """Returns the exit status of such a script, and its lines on stderr."""
    with start(tmp_path, statement, *arguments) as process:
        _, stderr = process.communicate(timeout=scripts.SECONDS_TO_END)
    return process.returncode, stderr.splitlines()


@pytest.mark.parametrize('statement, lines', [
    ('raise ValueError("a.jpg: no image.")', ['a.jpg: no image.']),
    ('raise ValueError', ['ValueError']),
    ('raise ValueError("2 faults:\\na\\nb")', ['2 faults:', 'a', 'b']),
    ('open("/nowhere/a")',
     ["[Errno 2] No such file or directory: '/nowhere/a'"]),
    ('import nowhere.at_all', [
        'the package nowhere is not installed; in the folder of this project, '
        'pip install . installs all that it needs.']),
    ('raise MemoryError("1 TiB")', ['there is not enough memory. 1 TiB']),
    ('raise ValueError("\\x1b[2J\\a")', ['%1B[2J%07']),
    ('os.write(2, b"E0000 log"); raise ValueError("ours")', ['ours']),
    ('{}["a\\nb"]', [
        "an error of this program, KeyError: 'a\\nb'. Please report it with "
        'what the same command shows with --debug.'])])
def test_errors_are_sentences(tmp_path, statement, lines):
    assert end(tmp_path, statement) == (
        1, [f'script.py: {lines[0]}', *lines[1:]])


def test_a_word_that_is_no_flag(tmp_path):
    assert end(tmp_path, 'pass', 'debug') == (
        1, ["script.py: 'debug' is not a flag; flags begin with --."])


@pytest.mark.parametrize('statement', ['raise ValueError("a")', '1 / 0'])
def test_debug_shows_where_it_was_and_what_libraries_write(
        tmp_path, statement):
    status, lines = end(
        tmp_path, f'os.write(2, b"E0000 log\\n"); {statement}', '--debug')
    assert status == 1
    assert lines[0] == 'E0000 log' and lines[1].startswith('Traceback')
    assert any(statement in line for line in lines)
    assert lines[-1].startswith('script.py: ')


@pytest.mark.parametrize('signals, status, message', [
    ([signal.SIGINT], cli.INTERRUPTED, ''),
    # The second one, which `timeout` sends, does not disturb.
    ([signal.SIGTERM, signal.SIGTERM], cli.TERMINATED, ''),
    ([signal.SIGINT, signal.SIGINT], cli.INTERRUPTED,
     '\nEnded by a second Ctrl-C; what was not saved is lost.\n')])
def test_signals_end_it_after_what_is_to_be_done_or_at_once(
        tmp_path, signals, status, message):
    with start(tmp_path, """try:
        print('ready', flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print('saving', flush=True)
        time.sleep(.5)
        print('saved')
        raise""") as process:
        for number, line in zip(signals, ('ready\n', 'saving\n')):
            assert process.stdout.readline() == line
            process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert stdout.endswith('saved\n') == (not message)
    assert (process.returncode, stderr) == (status, message)


def test_an_error_that_nobody_waits_for_is_told(tmp_path):
    status, (line,) = end(tmp_path, 'thread = threading.Thread(target=abs); '
                          'thread.start(); thread.join()')
    assert status == 0
    assert line.startswith('In a thread: ') and 'TypeError' in line


def test_operation_errors_are_one_line():
    assert cli.describe(tf.errors.NotFoundError(
        None, None, 'a: not found\n\t [[node]]')) == 'a: not found'
    assert cli.describe(
        tf.errors.AbortedError(None, None, '')) == 'AbortedError'
    with tf.Session() as session, pytest.raises(tf.errors.OpError) as caught:
        session.run(tf.io.decode_png(tf.constant(b'no image')))
    assert cli.describe(caught.value).startswith('Unknown image file format')


def test_fields_are_flags(monkeypatch):
    monkeypatch.setenv('HOME', '/home/me')

    def parse(*arguments):
        flag_values = flags.FlagValues()
        cli.define(Group, flag_values=flag_values)
        flag_values(['script.py', *arguments])
        return cli.values(Group, flag_values=flag_values)

    logs = '/home/me/logs [1]'
    assert parse() == [Group(steps=['1', '2'], train_dir=logs)]
    assert parse('--name=n', '--kind=b', '--count=1', '--rate=2', '--is_on',
                 '--steps=3') == [
                     Group('n', 'b', 1, 2., True, ['3'], logs)]
    with pytest.raises(ValueError, match='^--train_dir=s3://x: an address; '):
        parse('--train_dir=s3://x')
    for wrong in '--kind=c', '--count=0', '--rate=x', '--nothing=1':
        with pytest.raises(flags.Error, match=wrong[2:].partition('=')[0]):
            parse(wrong)


@pytest.mark.parametrize('script', [
    path.stem for path in scripts.ROOT.glob('*.py')])
def test_help_is_a_scripts_own_flags(script):
    process = scripts.run(scripts.ROOT, f'{script}.py --help', status=1)
    names = [name for group in importlib.import_module(script).GROUPS
             for name in group._fields]
    assert all(f'--{name}:' in process.stdout.replace('[no]', '')
               for name in [*names, 'debug'])
