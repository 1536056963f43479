"""Which checkpoint a path means, and archives."""
import stat
import zipfile

import pytest

from engine import checkpoints


def write_zip(path, *names):
    with zipfile.ZipFile(path, 'w') as archive:
        for name in names:
            archive.writestr(name, f'\0content of {name}')


def test_zip_is_unpacked_beside_itself(tmp_path):
    path = tmp_path / 'ssd.ckpt.zip'
    write_zip(path, 'folder/', 'folder/ssd.ckpt.index', 'README',
              '../../ssd.ckpt.data-00000-of-00001')
    assert checkpoints.paths.find(str(path)) == str(tmp_path / 'ssd.ckpt')
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'ssd.ckpt.data-00000-of-00001', 'ssd.ckpt.index', 'ssd.ckpt.zip']
    text = (tmp_path / 'ssd.ckpt.index').read_text()
    assert text == '\0content of folder/ssd.ckpt.index'


def test_the_same_file_is_kept_and_another_one_is_refused(tmp_path):
    path = tmp_path / 'a.ckpt.zip'
    write_zip(path, 'a.ckpt.index')
    there = tmp_path / 'a.ckpt.index'
    there.write_text('\0content of a.ckpt.index')
    time = there.stat().st_mtime_ns
    assert checkpoints.paths.find(str(path)) == str(tmp_path / 'a.ckpt')
    assert there.stat().st_mtime_ns == time
    # As long as the member, but older or newer weights.
    there.write_text('\0CONTENT of a.ckpt.index')
    for meant in path, tmp_path:
        with pytest.raises(ValueError, match=(
                r'a.ckpt.zip: cannot be unpacked: .*a.ckpt.index is there, '
                r'and is not what the archive holds; move it away, or give '
                '.*ckpt if it is the one you mean')):
            checkpoints.paths.find(str(meant))
    assert there.read_text() == '\0CONTENT of a.ckpt.index'


@pytest.mark.parametrize('names', [
    ('README',), ('a.ckpt.index', 'b.ckpt.index'),
    ('a.ckpt.data-00000-of-00001',), ('x/a.ckpt.index', 'y/a.ckpt.index')])
def test_zip_must_hold_one_checkpoint(tmp_path, names):
    path = tmp_path / 'a.zip'
    write_zip(path, *names)
    with pytest.raises(ValueError, match='a.zip: .*must hold one checkpoint'):
        checkpoints.paths.find(str(path))
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_becomes_a_file(tmp_path):
    link = zipfile.ZipInfo('a.ckpt.index')
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
        archive.writestr(link, '/etc/passwd')
    checkpoints.paths.find(str(tmp_path / 'a.zip'))
    assert not (tmp_path / 'a.ckpt.index').is_symlink()
    assert (tmp_path / 'a.ckpt.index').read_text() == '/etc/passwd'


def _with_field(content, local_place, central_place, value):
    central = content.index(b'PK\1\2')
    content = bytearray(content)
    content[local_place] = content[central + central_place] = value
    return bytes(content)


@pytest.mark.parametrize('damage, message', [
    (lambda content: content[:-30], 'not a zip file'),
    (lambda content: content.replace(b'content', b'CONTENT'), 'Bad CRC'),
    (lambda content: content.replace(b'PK\1\2', b'PK\1\3'),
     'Bad magic number'),
    (lambda content: _with_field(content, 6, 8, 1), 'encrypted'),
    (lambda content: _with_field(content, 8, 10, 99), 'not supported')])
def test_archives_that_cannot_be_read(tmp_path, damage, message):
    path = tmp_path / 'a.zip'
    write_zip(path, 'a.ckpt.index')
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f'a.zip: cannot .*{message}'):
        checkpoints.paths.find(str(path))
    assert list(tmp_path.iterdir()) == [path]


def test_only_checkpoint_of_a_folder(tmp_path):
    with pytest.raises(ValueError, match='has no checkpoint'):
        checkpoints.paths.find(str(tmp_path))
    write_zip(tmp_path / 'a.ckpt.zip', 'a.ckpt.index')
    for _ in range(2):
        assert checkpoints.paths.find(
            str(tmp_path)) == str(tmp_path / 'a.ckpt')
    (tmp_path / 'b.ckpt.index').touch()
    with pytest.raises(ValueError, match='several checkpoints.*a.ckpt, .*b.c'):
        checkpoints.paths.find(str(tmp_path))


def test_format_v1_is_one_file(tmp_path):
    path = tmp_path / 'a.zip'
    write_zip(path, 'vgg/vgg_16.ckpt', '__MACOSX/vgg/._vgg_16.ckpt')
    assert checkpoints.paths.find(str(path)) == str(tmp_path / 'vgg_16.ckpt')
    assert checkpoints.paths.find(
        str(tmp_path)) == str(tmp_path / 'vgg_16.ckpt')


@pytest.mark.parametrize('name, is_checkpoint', [
    ('a.caffemodel', False), ('a.ckpt', True), ('a.ckpt.index', True),
    ('a.ckpt.data-00000-of-00001', True), ('b.ckpt', True), ('.', True),
    ('no such file', False)])
def test_checkpoints_are_known_by_what_they_are(
        tmp_path, name, is_checkpoint):
    (tmp_path / 'a.caffemodel').write_bytes(b'\xa2\x06\x00')
    (tmp_path / 'a.ckpt').write_bytes(
        bytes(40) + checkpoints.file_kinds._TABLE_MAGIC)
    (tmp_path / 'a.ckpt.data-00000-of-00001').touch()
    for prefix in 'a.ckpt', 'b.ckpt':
        (tmp_path / f'{prefix}.index').touch()
    assert checkpoints.paths.is_checkpoint(
        str(tmp_path / name)) is is_checkpoint
