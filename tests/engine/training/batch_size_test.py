"""How many images fit into memory."""
import sys

import psutil
import pytest

from engine.training import batch_size
from engine.training import defaults
from tests import scripts

GIB = 2 ** 30


@pytest.mark.parametrize('small, large, there, expected', [
    # 100 bytes an image: 800 + 100 n are to be at most 0.8 x 2000.
    ((1000,), (1600,), (2000,), 8),
    # Addresses, or the GPU, end before.
    ((1000, 5000), (1600, 6200), (2000, 7000), 5),
    ((1000, 5000, 20), (1600, 6200, 80), (2000, None, 75), 6),
    # Not even the small one is within 0.8; it was made, though.
    ((1000,), (1600,), (1100,), 2)])
def test_two_sizes_promise_a_third(small, large, there, expected):
    memory = batch_size.Memory
    assert batch_size.promise(
        {8: memory(*large), 2: memory(*small)}, memory(*there)) == expected
    # Of one alone nothing is known, nor of what did not grow.
    assert batch_size.promise({2: memory(*small)}, memory(*there)) == 2
    assert batch_size.promise(
        {2: memory(*small), 8: memory(*small)}, memory(*there)) == 8


@pytest.mark.parametrize('groups, files, expected', [
    ('0::/a/b\n', {'memory.max': '900', 'a/memory.max': '700',
                   'a/b/memory.max': 'max'}, 700),
    ('5:devices:/\n4:cpu,memory:/a\n0::/\n', {
        'memory/a/memory.limit_in_bytes': '800',
        'memory/memory.limit_in_bytes': '9223372036854771712'}, 800),
    # A container sees its own folder as the root.
    ('0::/outside/of/it\n', {'memory.max': '600'}, 600)])
def test_limit_of_a_cgroup(tmp_path, groups, files, expected):
    (tmp_path / 'proc/self').mkdir(parents=True)
    (tmp_path / 'proc/self/cgroup').write_text(groups)
    for name, text in files.items():
        path = tmp_path / 'sys/fs/cgroup' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + '\n')
    assert batch_size.limit(tmp_path).resident == expected


def test_limit_of_the_machine(tmp_path):
    found = batch_size.limit(tmp_path)
    assert 0 < found.resident <= psutil.virtual_memory().total
    assert found.of_gpu is None


@pytest.fixture(scope='module')
def groups(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    scripts.write_shapes(folder / 'voc', 3, size=60)
    scripts.write_records(folder / 'voc', folder, 'toy_train')
    return defaults.ordinary(scripts.chosen(
        scripts.train_ssd_network.GROUPS[:-1], {
            'dataset_name': 'toy', 'dataset_dir': str(folder),
            'model_name': 'ssd_300_mobilenet_v1_quarter'}))


def test_steps_are_tried_in_another_process(groups, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # Which has no modules.
    size, reason = batch_size.largest(groups, 2)
    assert size == 2
    assert reason.startswith('takes ') and ' GiB of memory' in reason


def test_steps_that_cannot_be_made_are_an_error(groups):
    wrong = [groups[0]._replace(dataset_name='other'), *groups[1:]]
    with pytest.raises(ValueError, match='No file .*other_train'):
        batch_size.largest(wrong, 2)


def test_a_network_is_known_before_anything_is_tried(
        flags, tmp_path, capfd):
    with pytest.raises(ValueError, match='--model_name=ssd300: unknown'):
        scripts.train(**{**flags, 'model_name': 'ssd300',
                         'batch_size': 'auto', 'train_dir': str(tmp_path)})
    assert 'is tried' not in capfd.readouterr().out


def processes(monkeypatch, most_that_fits):
    """Replaces the process by one that dies of more; returns what it does."""
    program = (
        'import json, os, sys\n'
        'for size in json.load(sys.stdin)["batch_sizes"]:\n'
        f'    if size > {most_that_fits}: os.kill(os.getpid(), 9)\n'
        '    print(json.dumps({"batch_size": size, "resident": 10 + size,\n'
        '          "virtual": 0, "of_gpu": None, "limit_of_gpu": None}))\n'
        '    sys.stdout.flush()\n')
    run = batch_size.subprocess.run
    monkeypatch.setattr(
        batch_size.subprocess, 'run', lambda command, **kwargs: run(
            [sys.executable, '-c', program], **kwargs))
    monkeypatch.setattr(
        batch_size, 'limit', lambda: batch_size.Memory(GIB))


@pytest.mark.parametrize('most_that_fits, most, expected', [
    (500, 300, 300),
    # 81 fits, 117 too; 20% more does not.
    (120, 300, 117),
    (3, 300, 2), (1, 300, 1), (9, 4, 4), (9, 1, 1)])
def test_between_what_fits_and_what_is_too_large(
        monkeypatch, most_that_fits, most, expected):
    processes(monkeypatch, most_that_fits)
    assert batch_size.largest([], most)[0] == expected


def test_what_takes_almost_all_does_not_fit(monkeypatch):
    processes(monkeypatch, 500)  # 10 bytes, and one for an image.
    for there, expected in (18, 2), (20, 8), (11, 2):
        monkeypatch.setattr(
            batch_size, 'limit', lambda there=there: batch_size.Memory(there))
        assert batch_size.largest([], 50)[0] == expected


def test_nothing_fits(monkeypatch):
    processes(monkeypatch, 0)
    with pytest.raises(ValueError, match=(
            'not even one image fits into the memory, of 1.00 GiB; take a')):
        batch_size.largest([], 5)
