"""Layouts, lists, and which image an annotation is of."""
import pytest

from datasets.voc import folders
from tests import voc_files

IMAGE = voc_files.image()


def put(folder, *names, text=''):
    """Writes images, and annotations that name no file unless told."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.lower().endswith('.xml'):
            path.write_text(f'<annotation>{text}</annotation>')
        else:
            path.write_bytes(IMAGE)


def named(file_name):
    return f'<filename>{file_name}</filename>'


def found(folder, image_set=None, **options):
    """Returns {name: file of the image, or the first fault's kind}."""
    part, = folders.find(str(folder), image_set, 'toy_train', **options)
    return images_of(part)


def images_of(part):
    read = [part.load(name) for name in part.names()]
    return {one.name: one.faults[0].kind if one.faults else one.file_name
            for one in read}


@pytest.mark.parametrize('images, annotations', [
    ('JPEGImages', 'Annotations'), ('images', 'annotations'),
    ('IMAGES', 'Annotations'), ('Images', 'labels'), ('.', '.'),
    ('VOCdevkit/VOC2007/JPEGImages', 'VOCdevkit/VOC2007/Annotations'),
    ('only/train', 'only/train')])
def test_layouts_are_found_and_told(tmp_path, images, annotations):
    put(tmp_path / images, '1.jpg', 'cam1/2.PNG', '._1.jpg')
    put(tmp_path / annotations, '1.xml', 'cam1/2.XML', '._1.xml')
    put(tmp_path / images / '__MACOSX', '3.jpg', '3.xml')
    part, = folders.find(str(tmp_path), None, 'toy_train')
    assert part.output_name == 'toy_train'
    assert part.notes == (f'annotations in {tmp_path / annotations}, '
                          f'images in {tmp_path / images}',)
    assert images_of(part) == {'1': '1.jpg', 'cam1/2': 'cam1/2.PNG'}
    assert part.left_out() == {}


def test_two_folders_may_be_given(tmp_path):
    put(tmp_path / 'shots', '1.jpg')
    put(tmp_path / 'boxes [1]', '1.xml')
    put(tmp_path / 'set' / 'annotations', '1.xml')
    for given in ({'annotations_dir': str(tmp_path / 'boxes [1]')}, {}):
        assert found(tmp_path / 'set', images_dir=str(tmp_path / 'shots'),
                     **given) == {'1': '1.jpg'}
    assert folders.find(str(tmp_path), None, 'a', str(tmp_path / 'shots'),
                        str(tmp_path / 'shots')) is None
    part, = folders.find(str(tmp_path), None, 'a', str(tmp_path / 'shots'),
                         str(tmp_path / 'gone'))
    with pytest.raises(ValueError, match='gone is not a folder; '):
        part.names()


@pytest.mark.parametrize('names', [
    (), ('images/1.jpg', 'labels/1.txt'),
    ('images/1.jpg', 'annotations/instances.json'), ('images/1.jpg', '1.xml')])
def test_what_is_no_such_layout_is_left_to_other_formats(tmp_path, names):
    put(tmp_path, *names)
    assert folders.find(str(tmp_path), None, 'a') is None


def test_several_data_sets_are_named(tmp_path):
    for year in ('VOC2007', 'VOC2012'):
        put(tmp_path / 'VOCdevkit' / year, 'JPEGImages/1.jpg',
            'Annotations/1.xml')
    with pytest.raises(ValueError, match=(
            'holds 2 data sets: .*VOCdevkit/VOC2007, .*VOCdevkit/VOC2012; '
            'give one of them as --dataset_dir')):
        folders.find(str(tmp_path), None, 'a')


@pytest.mark.parametrize('path', ['{}/{}', '{1}/images/{0}'])
def test_folders_of_splits_are_parts(tmp_path, path):
    for split in ('train', 'valid'):
        for kind, name in (('images', '1.jpg'), ('annotations', '1.xml')):
            put(tmp_path / (split if path == '{}/{}'
                            else f'{kind}/{split}'), name)
    parts = folders.find(str(tmp_path), None, 'toy')
    assert [part.output_name for part in parts] == ['toy_train', 'toy_val']
    assert [images_of(part) for part in parts] == [{'1': '1.jpg'}] * 2


@pytest.mark.parametrize('names, filename, result', [
    # The own stem comes first; other machines' folders say nothing.
    (['a.jpg'], '', ('a.jpg', '', [])),
    (['a.jpg'], 'a.jpg', ('a.jpg', '', [])),
    (['a.JPG'], 'a', ('a.JPG', '', [])),
    (['a.jpg'], 'C:\\shots\\a.jpg', ('a.jpg', '', [])),
    (['a.jpg'], '../../a.jpg', ('a.jpg', '', [])),
    (['a.jpg'], 'gone.jpg', ('a.jpg', '', ['image_found_by_stem'])),
    (['a.jpg', 'b.jpg'], 'b.jpg', ('a.jpg', 'b.jpg', [])),
    (['a.jpg', 'b.jpg'], 'b', ('a.jpg', 'b.jpg', [])),
    # Without it, an image that is no other annotation's.
    (['b.jpg'], 'b.jpg', ('b.jpg', '', ['image_found_by_name'])),
    (['b.raw'], 'b.raw', ('b.raw', '', ['image_found_by_name'])),
    (['x/a.jpg'], 'c.jpg', ('x/a.jpg', '', ['image_found_by_stem'])),
    (['x/a.jpg', 'y/a.jpg'], '', 'missing_image'),
    (['other.jpg'], 'other.jpg', 'missing_image'),
    (['a.raw'], '', 'missing_image'),
    # Two of the stem.
    (['a.jpg', 'a.png'], 'a.png', ('a.png', '', [])),
    (['a.jpg', 'a.png'], 'a', 'ambiguous_image'),
    (['a.jpg', 'a.png'], '', 'ambiguous_image'),
    (['a.jpg', 'a.png', 'b.jpg'], 'b.jpg', 'ambiguous_image')])
def test_the_image_of_an_annotation(tmp_path, names, filename, result):
    put(tmp_path / 'JPEGImages', *names)
    put(tmp_path / 'Annotations', 'other.xml')
    put(tmp_path / 'Annotations', 'a.xml', text=named(filename))
    read = folders.Part(str(tmp_path), None, 'toy').load('a')
    assert result == (read.faults[0].kind if read.faults else (
        read.file_name, read.named_file, list(read.repairs)))


def test_an_image_is_of_one_annotation(tmp_path):
    put(tmp_path / 'JPEGImages', 'c.jpg')
    put(tmp_path / 'Annotations', 'a.xml', 'b.xml', text=named('c.jpg'))
    assert found(tmp_path) == {'a': 'c.jpg', 'b': 'ambiguous_image'}


def test_names_are_found_however_they_are_composed(tmp_path):
    composed, apart = 'T\xfcr', 'Tu\u0308r'
    put(tmp_path / '1', f'JPEGImages/{apart}.jpg',
        f'Annotations/{composed}.xml', text=named(composed + '.jpg'))
    put(tmp_path / '2', f'JPEGImages/{composed}.jpg',
        f'Annotations/{apart}.xml', 'ImageSets/Main/x.txt')
    voc_files.put_list(tmp_path / '2', 'x', f'{apart}.jpg\n')
    assert found(tmp_path / '1') == {composed: f'{apart}.jpg'}
    assert found(tmp_path / '2', 'x') == {composed: f'{composed}.jpg'}


def test_every_file_is_accounted_for(tmp_path):
    put(tmp_path / 'JPEGImages', 'a.jpg', 'a.png', 'b.jpg', 'x/c.jpg', 'd.jpg',
        'e.jpg', 'f.raw', 'notes.txt', '.hidden')
    put(tmp_path / 'Annotations', 'a.xml', text=named('a.png'))
    put(tmp_path / 'Annotations', 'c.xml', 'd.xml', 'classes.txt')
    put(tmp_path / 'Annotations', 'g.xml', text=named('f.raw'))
    part, = folders.find(str(tmp_path), None, 'toy')
    assert images_of(part) == {
        'a': 'a.png', 'c': 'x/c.jpg', 'd': 'd.jpg', 'g': 'f.raw'}
    assert part.left_out() == {
        'image whose name another one has': ['a.jpg'],
        'image without annotation': ['b.jpg', 'e.jpg'],
        'neither an image nor an annotation': [
            'Annotations/classes.txt', 'JPEGImages/notes.txt']}
    put(tmp_path, 'ImageSets/Main/x.txt')
    voc_files.put_list(tmp_path, 'x', 'e\nd 1\nb -1\n')
    part, = folders.find(str(tmp_path), 'x', 'toy')
    assert images_of(part) == {'e': 'e.jpg', 'd': 'd.jpg'}
    assert part.load('e').repairs == ['listed_without_annotation']
    assert part.left_out() == {
        'annotation not in the list': ['a.xml', 'c.xml', 'g.xml'],
        'image marked -1 in the list': ['b.jpg'],
        'image not in the list': ['a.jpg', 'a.png', 'x/c.jpg'],
        'neither an image nor an annotation': [
            'Annotations/classes.txt', 'JPEGImages/f.raw',
            'JPEGImages/notes.txt']}


def test_the_classes_of_cvat_are_read(tmp_path):
    put(tmp_path, 'a.jpg', 'a.xml')
    part, = folders.find(str(tmp_path), None, 'toy')
    assert part.labels is None
    (tmp_path / 'labelmap.txt').write_text(
        '# label:color_rgb:parts:actions\nbackground:0,0,0::\nb:::\na:::\n')
    part, = folders.find(str(tmp_path), None, 'toy')
    assert part.labels == ('b', 'a')
    assert images_of(part) == {'a': 'a.jpg'}
    assert part.left_out() == {}


def test_two_files_of_one_name_are_a_fault_and_accounted_for(tmp_path):
    put(tmp_path, 'JPEGImages/a.jpg', 'Annotations/a.xml', 'Annotations/a.XML',
        'JPEGImages/b.jpg', 'JPEGImages/b.png', 'Annotations/b.xml')
    part, = folders.find(str(tmp_path), None, 'toy')
    assert images_of(part) == {'a': 'bad_annotation', 'b': 'ambiguous_image'}
    assert part.left_out() == {
        'annotation whose name another one has': ['a.xml'],
        'image whose name another one has': ['b.jpg', 'b.png']}


@pytest.mark.parametrize('line, name', [
    ('a', 'a'), ('a 1', 'a'), ('a  0', 'a'), ('a.jpg 1', 'a'), ('a.xml', 'a'),
    ('a.v2', 'a.v2'), ('a.v2.JPG', 'a.v2'), ('cam1/a', 'cam1/a'),
    ('cam1\\a.jpg', 'cam1/a'), ('./cam1/a.jpg', 'cam1/a'),
    ('"my shot"', 'my shot'), ('"my shot" 1', 'my shot'),
    ('my shot', 'my shot'), ('my shot.jpg  1', 'my shot'),
    ('JPEGImages/cam1/a.jpg Annotations/cam1/a.xml', 'cam1/a'),
    ('/home/me/VOC/JPEGImages/a.jpg', 'a'), ('a -1', None), ('a.jpg\t-1', None),
    ('"my shot" -1', None), ('my shot -1', None)])
def test_lines_of_lists(tmp_path, line, name):
    put(tmp_path, *(f'{folder}/{stem}{ending}'
                    for folder, ending in (('JPEGImages', '.jpg'),
                                           ('Annotations', '.xml'))
                    for stem in ('a', 'a.v2', 'cam1/a', 'my shot', 'other')))
    put(tmp_path, 'ImageSets/Main/x.txt')
    voc_files.put_list(tmp_path, 'x', f'other\n{line}\n')
    part = folders.Part(str(tmp_path), 'x.txt', 'toy')
    assert part.names() == ['other'] + [name] * (name is not None)
