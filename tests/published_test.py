import zipfile

import pytest

from engine import checkpoint_tables
from engine import published


def write_zip(path, *names):
    with zipfile.ZipFile(path, 'w') as archive:
        for name in names:
            archive.writestr(name, f'content of {name}')


def test_zip_is_unpacked_beside_itself(tmp_path):
    path = tmp_path / 'ssd.ckpt.zip'
    write_zip(path, 'folder/', 'folder/ssd.ckpt.index', 'README',
              '../../ssd.ckpt.data-00000-of-00001')
    assert published.unpack(str(path)) == str(tmp_path / 'ssd.ckpt')
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'ssd.ckpt.data-00000-of-00001', 'ssd.ckpt.index', 'ssd.ckpt.zip']
    text = (tmp_path / 'ssd.ckpt.index').read_text()
    assert text == 'content of folder/ssd.ckpt.index'


def test_file_that_is_there_is_kept(tmp_path):
    path = tmp_path / 'a.zip'
    write_zip(path, 'a.ckpt.index')
    kept = tmp_path / 'a.ckpt.index'
    kept.write_text('CONTENT OF a.ckpt.index')
    published.unpack(str(path))
    assert kept.read_text() == 'CONTENT OF a.ckpt.index'


@pytest.mark.parametrize('names', [
    ('README',), ('a.ckpt.index', 'b.ckpt.index'),
    ('a.ckpt.data-00000-of-00001',)])
def test_zip_must_hold_one_checkpoint(tmp_path, names):
    path = tmp_path / 'a.zip'
    write_zip(path, *names)
    with pytest.raises(ValueError, match='a.zip: it must hold one checkpoint'):
        published.unpack(str(path))
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_zips(tmp_path):
    path = tmp_path / 'a.zip'
    path.write_bytes(b'no archive')
    with pytest.raises(ValueError, match='a.zip: a damaged archive'):
        published.unpack(str(path))
    write_zip(path, 'a.ckpt.index')
    path.write_bytes(path.read_bytes().replace(b'content', b'CONTENT'))
    with pytest.raises(ValueError, match='a.zip: a damaged archive'):
        published.unpack(str(path))
    assert list(tmp_path.iterdir()) == [path]


def test_only_checkpoint_of_a_folder(tmp_path):
    with pytest.raises(ValueError, match='has no checkpoint'):
        published.only_checkpoint(str(tmp_path))
    write_zip(tmp_path / 'a.ckpt.zip', 'a.ckpt.index')
    for _ in range(2):
        assert published.only_checkpoint(
            str(tmp_path)) == str(tmp_path / 'a.ckpt')
    (tmp_path / 'b.ckpt.index').touch()
    with pytest.raises(ValueError, match='several checkpoints.*a.ckpt, .*b.c'):
        published.only_checkpoint(str(tmp_path))


def test_hikapok_names_are_refused_and_it_says_why():
    with pytest.raises(ValueError, match='m.ckpt: .*HiKapok.* other sizes'):
        published.check_names(
            ['ssd300/conv1/conv1_1/kernel',
             'ssd300/multibox_head/loc_0/kernel'], 'm.ckpt')
    published.check_names(['ssd_300_vgg/block4_box/conv_loc/weights'], 'm')


def test_format_v1_is_one_file(tmp_path):
    path = tmp_path / 'a.zip'
    write_zip(path, 'vgg/vgg_16.ckpt', '__MACOSX/vgg/._vgg_16.ckpt')
    assert published.unpack(str(path)) == str(tmp_path / 'vgg_16.ckpt')
    assert published.only_checkpoint(
        str(tmp_path)) == str(tmp_path / 'vgg_16.ckpt')


@pytest.mark.parametrize('name, is_checkpoint', [
    ('a.caffemodel', False), ('a.ckpt', True), ('a.ckpt.index', True),
    ('a.ckpt.data-00000-of-00001', True), ('b.ckpt', True), ('.', True),
    ('no such file', False)])
def test_checkpoints_are_known_by_what_they_are(
        tmp_path, name, is_checkpoint):
    (tmp_path / 'a.caffemodel').write_bytes(b'\xa2\x06\x00')
    (tmp_path / 'a.ckpt').write_bytes(bytes(40) + checkpoint_tables.MAGIC)
    (tmp_path / 'a.ckpt.data-00000-of-00001').touch()
    for prefix in 'a.ckpt', 'b.ckpt':
        (tmp_path / f'{prefix}.index').touch()
    assert published.is_checkpoint(str(tmp_path / name)) is is_checkpoint
