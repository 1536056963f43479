"""Tests of engine.thresholds."""
import json

import pytest

from engine import thresholds


@pytest.fixture
def prefix(tmp_path):
    (tmp_path / 'model.ckpt-1.index').touch()
    return str(tmp_path / 'model.ckpt-1')


@pytest.mark.parametrize('given', [.25, '.25', '0.25'])
def test_a_number_is_itself(given):
    assert thresholds.read(given, 'nowhere') == .25


def test_what_is_written_is_read_again(prefix, tmp_path):
    content = {'split': 'été', 'best_f1': {'select_threshold': .375}}
    path = thresholds.write(prefix, content)
    assert thresholds.read('best', prefix) == .375
    assert json.loads((tmp_path / path).read_text('utf-8')) == content


def test_an_evaluation_is_read(tmp_path):
    (tmp_path / 'metrics.json').write_text(
        '{"best_f1": {"select_threshold": 0.125}}')
    for path in (tmp_path, tmp_path / 'metrics.json'):
        assert thresholds.read(str(path), 'nowhere') == .125


def test_files_of_checkpoints_that_are_gone_go(prefix, tmp_path):
    (tmp_path / 'old[1].ckpt').touch()  # Of format V1.
    for name in ('model.ckpt-0', 'old[1].ckpt'):
        thresholds.write(str(tmp_path / name), {})
    thresholds.write(prefix, {})
    assert sorted(path.name for path in tmp_path.glob('*.json')) == [
        'model.ckpt-1.best_threshold.json', 'old[1].ckpt.best_threshold.json']


@pytest.mark.parametrize('content, message', [
    (None, '^--select_threshold=best: {path} is not there; an evaluation '
     'writes it: run eval_ssd_network.py --checkpoint_path={prefix} first'),
    ('{}', r'^{path}: says no threshold \(KeyError'),
    ('[', r'^{path}: says no threshold \(JSONDecodeError'),
    ('{"best_f1": 3}', r'^{path}: says no threshold \(TypeError'),
    ('{"best_f1": null}', '^{path}: the evaluation found nothing right')])
def test_no_best_threshold(prefix, content, message):
    path = prefix + '.best_threshold.json'
    if content is not None:
        with open(path, 'w') as file:
            file.write(content)
    with pytest.raises(ValueError, match=message.format(
            path=path, prefix=prefix)):
        thresholds.read('best', prefix)


def test_neither_a_number_nor_a_file(prefix):
    with pytest.raises(ValueError, match=(
            '^--select_threshold=bset: neither a number, nor best, nor the ')):
        thresholds.read('bset', prefix)
