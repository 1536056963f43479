"""Which checkpoint a path means, and archives."""
import io
import stat
import tarfile
import zipfile

import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from nets import ssd_vgg_300
from tests import scripts


def write_zip(path, *names):
    with zipfile.ZipFile(path, 'w') as archive:
        for name in names:
            archive.writestr(name, f'\0content of {name}')


def write_tar(path, *names, mode='w:gz'):
    with tarfile.open(path, mode) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(f'\0content of {name}')
            archive.addfile(info, io.BytesIO(f'\0content of {name}'.encode()))


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


@pytest.mark.parametrize('mode', ['w', 'w:gz', 'w:bz2', 'w:xz'])
@pytest.mark.parametrize('name', ['vgg_16_2016_08_28.tar.gz', 'no ending'])
def test_tar_is_opened_like_zip(tmp_path, mode, name):
    """As slim has them: of the format V1, or V2 beside other files."""
    path = tmp_path / name
    write_tar(path, './vgg_16.ckpt', mode=mode)
    for _ in range(2):
        assert checkpoints.paths.find(str(path)) == f'{tmp_path}/vgg_16.ckpt'
        assert (tmp_path / 'vgg_16.ckpt').read_text() == (
            '\0content of ./vgg_16.ckpt')
    (tmp_path / 'vgg_16.ckpt').write_text('\0content of ./VGG_16.ckpt')
    with pytest.raises(ValueError, match=(
            f'{name}: cannot be unpacked: .*vgg_16.ckpt is there, and is not '
            'what the archive holds')):
        checkpoints.paths.find(str(path))
    parts = ['.data-00000-of-00001', '.index', '.meta']
    write_tar(path, *(f'./net.ckpt{part}' for part in parts), './net.tflite',
              './net_frozen.pb', mode=mode)
    assert checkpoints.paths.find(str(path)) == f'{tmp_path}/net.ckpt'
    assert sorted(path.name for path in tmp_path.glob('net*')) == [
        f'net.ckpt{part}' for part in parts]


@pytest.mark.parametrize('write', [write_zip, write_tar])
@pytest.mark.parametrize('names', [
    ('README',), ('a.ckpt.index', 'b.ckpt.index'),
    ('a.ckpt.data-00000-of-00001',), ('x/a.ckpt.index', 'y/a.ckpt.index')])
def test_archive_must_hold_one_checkpoint(tmp_path, write, names):
    path = tmp_path / 'a.zip'
    write(path, *names)
    with pytest.raises(ValueError, match='a.zip: .*must hold one checkpoint'):
        checkpoints.paths.find(str(path))
    assert list(tmp_path.iterdir()) == [path]


def test_links_and_devices_of_a_tar_are_left_out(tmp_path):
    (tmp_path / 'secret').write_text('secret')
    with tarfile.open(tmp_path / 'a.tar', 'w') as archive:
        for name, kind in (('a.ckpt.index', tarfile.SYMTYPE),
                           ('b.ckpt.index', tarfile.LNKTYPE),
                           ('c.ckpt.index', tarfile.FIFOTYPE)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, str(tmp_path / 'secret')
            archive.addfile(link)
    with pytest.raises(ValueError, match=r'holds \[\]\.$'):
        checkpoints.paths.find(str(tmp_path / 'a.tar'))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'a.tar', 'secret']


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


def test_tar_that_is_cut_off(tmp_path):
    path = tmp_path / 'a.tar.gz'
    write_tar(path, 'a.ckpt.index', mode='w:gz')
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=(
            'a.tar.gz: cannot be unpacked: Compressed file ended before')):
        checkpoints.paths.find(str(path))
    write_tar(path, 'a.ckpt.index', mode='w')
    path.write_bytes(b'A' + path.read_bytes()[1:])
    with pytest.raises(ValueError, match=(
            'a.tar.gz: cannot be unpacked: file could not be opened succ.*$')):
        checkpoints.paths.find(str(path))
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_not_blamed_on_the_archive(tmp_path):
    with tarfile.open(tmp_path / 'a.tar.gz', 'w:gz') as archive:
        info = tarfile.TarInfo('a.ckpt')
        info.size = 1000
        archive.addfile(info, io.BytesIO(bytes(1000)))
    with scripts.full_disk(), pytest.raises(OSError, match=(
            f"File too large, on writing: '{tmp_path}/a.ckpt'")):
        checkpoints.paths.find(str(tmp_path / 'a.tar.gz'))


def test_a_part_without_its_index(tmp_path):
    (tmp_path / 'a.ckpt.data-00000-of-00001').touch()
    with pytest.raises(ValueError, match=(
            f'^{tmp_path}/a.ckpt.index: is missing; a checkpoint has it '
            'beside its .data-...$')):
        checkpoints.paths.find(str(tmp_path / 'a.ckpt.data-00000-of-00001'))


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


@pytest.mark.parametrize('names, hint', [
    (['a.txt'], '.'),
    (['vgg 16.tar.gz'], "; --checkpoint_path='{}/vgg 16.tar.gz' takes the one "
     'in that archive.'),
    (['b.zip', 'a.tgz'], '; --checkpoint_path={}/a.tgz or --checkpoint_path='
     '{}/b.zip takes the one in that archive.')])
def test_a_folder_without_a_checkpoint_names_its_archives(
        tmp_path, names, hint):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(ValueError) as caught:
        checkpoints.paths.find(str(tmp_path))
    assert str(caught.value) == (
        f'{tmp_path}: the folder has no checkpoint'
        + hint.replace('{}', str(tmp_path)))


def test_format_v1_is_one_file(tmp_path):
    path = tmp_path / 'a.zip'
    write_zip(path, 'vgg/vgg_16.ckpt', '__MACOSX/vgg/._vgg_16.ckpt')
    assert checkpoints.paths.find(str(path)) == str(tmp_path / 'vgg_16.ckpt')
    assert checkpoints.paths.find(
        str(tmp_path)) == str(tmp_path / 'vgg_16.ckpt')


@pytest.mark.parametrize('name, is_checkpoint', [
    ('a.caffemodel', False), ('a.ckpt', True), ('a.ckpt.index', True),
    ('a.ckpt.data-00000-of-00001', True), ('b.ckpt', True), ('.', True),
    ('a.zip', True), ('a.tgz', True), ('a.pth', False),
    ('no such file', False)])
def test_checkpoints_are_known_by_what_they_are(
        tmp_path, name, is_checkpoint):
    (tmp_path / 'a.caffemodel').write_bytes(b'\xa2\x06\x00')
    (tmp_path / 'a.ckpt').write_bytes(
        bytes(40) + checkpoints.file_kinds._TABLE_MAGIC)
    (tmp_path / 'a.ckpt.data-00000-of-00001').touch()
    write_zip(tmp_path / 'a.zip', 'a.ckpt')
    write_tar(tmp_path / 'a.tgz', 'a.ckpt')
    write_zip(tmp_path / 'a.pth', 'a/data.pkl')
    for prefix in 'a.ckpt', 'b.ckpt':
        (tmp_path / f'{prefix}.index').touch()
    assert checkpoints.paths.is_checkpoint(
        str(tmp_path / name)) is is_checkpoint


def save(prefix, step, **about):
    with tf.Graph().as_default(), tf.Session() as session:
        variables = [tf.get_variable('global_step', initializer=tf.constant(
            step, tf.int64))]
        if about:
            network = ssd_vgg_300.SSDNet()
            variables.append(checkpoints.metadata.variable({
                **checkpoints.metadata.make(network, 'abc'), **about}))
        session.run(tf.global_variables_initializer())
        tf.train.Saver(variables).save(
            session, str(prefix), write_meta_graph=False, write_state=False)
    return str(prefix)


def test_the_best_of_a_training_or_the_latest(tmp_path):
    def find(which, path=tmp_path):
        return checkpoints.paths.find(str(path), which)

    latest = save(tmp_path / 'model.ckpt-20', 20)
    assert find(None) == find('latest') == latest
    assert checkpoints.paths.describe(latest) == f'{latest}: step 20.'
    with pytest.raises(ValueError, match=(
            f'--which=best: there is no {tmp_path}/best.ckpt; a training ')):
        find('best')
    best = save(tmp_path / 'best.ckpt', 10, score={
        'metric': 'mAP_VOC07', 'value': .87654, 'dataset': 'bccd',
        'split': 'val'})
    assert find(None) == find('best') == best
    assert find('latest') == checkpoints.paths.find(str(tmp_path)) == latest
    # What is no folder is what it is.
    assert find('best', latest) == find(None, latest) == latest
    assert checkpoints.paths.describe(best) == (
        f'{best}: step 10, the best of its training by mAP_VOC07, 0.8765 on '
        'bccd val.')
    assert checkpoints.paths.latest(str(tmp_path)) == latest
    assert checkpoints.paths.newest(str(tmp_path)) == latest
    (tmp_path / 'best.ckpt.data-00000-of-00001').write_bytes(b'')
    with pytest.raises(ValueError, match=(
            'best.ckpt: not a whole checkpoint: .* --which=latest takes the')):
        find(None)
    assert find('latest') == latest
