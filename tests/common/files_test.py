"""Paths as users type them."""
import os

import pytest

from common import files


@pytest.mark.parametrize('text, path', [
    ('~/logs', 'HOME/logs'), ('~', 'HOME'), ('logs/~', 'logs/~'),
    ('run [1], 50% #2 * ?', 'run [1], 50% #2 * ?'), ('図/ü', '図/ü'), ('', ''),
    # Where Windows' separators lead somewhere they are taken.
    (r'data\VOC', 'data/VOC'), (r'data\new', 'data/new'),
    (r'data\VOC\a.ckpt', 'data/VOC/a.ckpt'), (r'.\data\VOC', './data/VOC'),
    (r'~\logs', 'HOME/logs'), (r'C:\data', r'C:\data'), (r'no\new', r'no\new'),
    # A name that is there has them.
    (r'a\b', r'a\b'), (r'a\b/c.ckpt', r'a\b/c.ckpt')])
def test_what_a_user_means(tmp_path, monkeypatch, text, path):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    os.makedirs('data/VOC')
    os.makedirs('a')
    os.makedirs(r'a\b')
    assert files.user_path(text) == path.replace('HOME', str(tmp_path))


@pytest.mark.parametrize('text, message', [
    ('gs://bucket/logs', 'gs://bucket/logs: an address; give the path of a '
     'file or folder of this machine.'),
    (os.fsdecode(b'caf\xe9'), 'caf\udce9: its name is not UTF-8, which '
     'TensorFlow cannot open; rename it.')])
def test_what_tensorflow_cannot_open(text, message):
    with pytest.raises(ValueError) as caught:
        files.user_path(text)
    assert str(caught.value) == message
