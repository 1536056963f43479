import pytest

from datasets import samples
from datasets.csv import annotations
from tests import trees

write, loaded, messages = trees.write, trees.loaded, trees.messages
HEADER = 'filename,width,height,class,xmin,ymin,xmax,ymax\n'
ROW = 'x.jpg,60,40,b,6,4,30,20\n'
B = samples.Object('b', (6., 4., 30., 20.))


def test_reads_the_api_s_files(tmp_path):
    write(tmp_path, {
        'labels.csv': HEADER + ROW + 'y.jpg,60,40,"a, old",0,0,9.5,40\n'
        'x.jpg,60,40,a,1,2,3,4\n\nz.jpg,60,40,,,,,\n',
        'x.jpg': None, 'y.jpg': None, 'z.jpg': None, 'w.jpg': None,
        'notes.txt': 'x'})
    part, = annotations.find(str(tmp_path), 'toy')
    assert (part.output_name, part.folder) == ('toy', f'{tmp_path}/labels.csv')
    assert (part.labels, part.notes, part.missing()) == (None, (), None)
    # Rows of one image need not follow each other.
    x, y, z = loaded(part).values()
    assert x == samples.Annotated(
        'x.jpg', f'{tmp_path}/labels.csv, x.jpg', 'x.jpg', f'{tmp_path}/x.jpg',
        (40, 60), [B, samples.Object('a', (1., 2., 3., 4.))], [], [])
    assert y.objects == [samples.Object('a, old', (0., 0., 9.5, 40.))]
    assert (z.name, z.objects, z.faults) == ('z.jpg', [], [])
    assert part.left_out() == {'image that no row names': ['w.jpg'],
                               'other file': ['notes.txt']}


@pytest.mark.parametrize('text, notes', [
    ('\ufeffXMAX;Class;xmin;Filename;ymin;ymax\n30;b;6;x.jpg;4;20\n',
     ['the delimiter is ;']),
    ('filename;xmin;ymin;xmax;ymax;class\nx.jpg;6,0;"4,0";30;20;b\n',
     ['the delimiter is ;']),
    ('filename,class,xmin,ymin,xmax,ymax,depth,truncated\r\n'
     'x.jpg, b ,6,4,3e1,20,3,0\r\n',
     ['columns that are not read: depth, truncated']),
    ('filename,width,height,class,xmin,ymin,xmax,ymax\n'
     '"x.jpg",0,0,"b",6,4,30,20', []),
    ('path,x1,y1,x2,y2,class\nx.jpg,6,4,30,20,b\n', []),
    ('x.jpg,6,4,30,20,b\n', []),
    ('./x.jpg,6,4,30,20,b\n', []),
    ('x.jpg;6,0;4,0;30,0;20,0;b\n', ['the delimiter is ;'])])
def test_reads_columns_delimiters_and_numbers(tmp_path, text, notes):
    folder = tmp_path / 'data [v1], 50% #2'
    write(folder, {'boxes.csv': text, 'x.jpg': None})
    part, = annotations.find(str(folder), 'toy')
    annotated = part.load('x.jpg')
    assert (annotated.objects, annotated.size) == ([B], None)
    assert list(part.notes) == [f'{folder}/boxes.csv: {note}.'
                                for note in notes]


def test_reads_keras_retinanets_files(tmp_path):
    write(tmp_path, {
        'train.csv': 'img/y.jpg,,,,,\nimg/x.jpg,6,4,30,20,b\n,,,,,\n'
                     '/data/img/z.jpg,6,4,30,20,b\n',
        'val.csv': 'img/v.jpg,6,4,30,20,b\n',
        'classes.csv': 'a,0\nb,1\n', 'img/x.jpg': None, 'img/y.jpg': None,
        'img/z.jpg': None, 'img/v.jpg': None, 'img/w.jpg': None})
    train, val = annotations.find(str(tmp_path), 'toy')
    assert (train.output_name, val.output_name) == ('toy_train', 'toy_val')
    assert train.labels == val.labels == ('a', 'b')
    assert {name: (one.objects, one.faults, one.repairs)
            for name, one in loaded(train).items()} == {
        'img/y.jpg': ([], [], []), 'img/x.jpg': ([B], [], []),
        'img/z.jpg': ([B], [], ['image_found_by_end_of_path'])}
    assert val.names() == ['img/v.jpg']
    assert train.left_out() == {'image that no row names': ['img/w.jpg']}
    assert val.left_out() == {}


def test_reads_roboflows_export(tmp_path):
    files = {'README.txt': 'x'}
    for split in ('train', 'valid', 'test'):
        files[f'{split}/_annotations.csv'] = HEADER + ROW
        files[f'{split}/x.jpg'] = None
    write(tmp_path, files)
    parts = annotations.find(str(tmp_path), 'toy')
    assert {part.output_name: part.names() for part in parts} == {
        'toy_test': ['test/x.jpg'], 'toy_train': ['train/x.jpg'],
        'toy_val': ['valid/x.jpg']}
    # One of them alone.
    part, = annotations.find(f'{tmp_path}/train', 'toy')
    assert (part.output_name, part.names()) == ('toy', ['x.jpg'])


def test_images_are_found_by_the_end_of_their_path(tmp_path):
    write(tmp_path, {
        'data/train_labels.csv': HEADER + ROW + 'y.jpg,60,40,b,6,4,30,20\n'
        'z.jpg,60,40,b,6,4,30,20\n',
        'images/train/x.jpg': None, 'images/test/x.jpg': None,
        'images/test/y.jpg': None, 'images/p/z.jpg': None,
        'images/q/z.jpg': None})
    part, = annotations.find(str(tmp_path), 'toy')
    found, *missing = loaded(part).values()
    assert (found.name, found.repairs) == (
        'images/train/x.jpg', ['image_found_by_end_of_path'])
    # y.jpg is an image of another split, z.jpg could be either.
    assert list(map(messages, missing)) == [
        ["no image 'y.jpg'"], ["no image 'z.jpg'"]]
    part, = annotations.find(str(tmp_path), 'toy', f'{tmp_path}/images/q')
    assert messages(part.load('images/q/z.jpg')) == []


def test_names_that_cannot_be_shown_are_refused(tmp_path):
    write(tmp_path, {'a.csv': HEADER + '\x1b.jpg,60,40,b,6,4,30,20\n'})
    part, = annotations.find(str(tmp_path), 'toy')
    with pytest.raises(ValueError, match=(
            r"a\.csv: '\\x1b.jpg' has characters that cannot be shown")):
        part.names()


def test_folders_and_files_may_be_given(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    write(tmp_path, {'d/p.csv': HEADER + ROW, 'd/q.csv': HEADER + ROW,
                     'i/x.jpg': None})
    with pytest.raises(ValueError, match=(
            r'p\.csv and .*q\.csv both have boxes, .*--annotations_dir=FILE')):
        annotations.find('~/d', 'toy', '~/i')
    for given in (('~/d', 'toy', '~/i', '~/d/q.csv'),
                  ('~/d/q.csv', 'toy', '~/i')):
        part, = annotations.find(*given)
        assert part.folder == f'{tmp_path}/d/q.csv'
        assert part.load('x.jpg').objects == [B]


@pytest.mark.parametrize('gone', ['a.csv', 'images'])
def test_what_vanishes_is_told(tmp_path, gone):
    write(tmp_path, {'a.csv': HEADER + f'images/{ROW}', 'images/x.jpg': None})
    part, = annotations.find(str(tmp_path), 'toy')
    (tmp_path / gone).rename(tmp_path / 'elsewhere')
    assert part.missing() == f'{tmp_path}/{gone}'


def test_classes_that_are_not_in_the_list_are_named(tmp_path):
    write(tmp_path, {'a.csv': 'x.jpg,6,4,30,20,b\nx.jpg,6,4,30,20,c',
                     'classes.csv': 'b,0', 'x.jpg': None})
    part, = annotations.find(str(tmp_path), 'toy')
    assert messages(part.load('x.jpg')) == [
        "line 2: class 'c' is not in the list of classes"]


@pytest.mark.parametrize('files, message', [
    ({'a.csv': 'xmin,ymin,xmax,ymax,class\n1,2,3,4,b'},
     'a.csv has 0 columns filename, and needs one; its columns are xmin, '),
    ({'a.csv': HEADER.replace('width', 'class') + ROW}, '2 columns class'),
    ({'a.csv': '"filename\n",xmin,ymin,xmax,ymax,"class\nx"\n'},
     'its columns are filename, xmin, ymin, xmax, ymax, class x'),
    ({'a.csv': HEADER}, 'a.csv names no image'),
    ({'a.csv': HEADER + ROW + '"x.jpg,60\n' + ROW},
     'a.csv, line 3: unexpected end of data'),
    ({'a.csv': HEADER + '"' + 200_000 * 'x' + '"'},
     'a.csv, line 2: field larger than field limit'),
    ({'a.csv': HEADER + ROW, 'train.csv': HEADER + ROW},
     'a.csv and .*train.csv both have boxes'),
    ({'a.csv': HEADER + ROW, 'classes.csv': 'a,0\na,1'},
     "classes.csv, class 2: class name 'a' was already given"),
    ({'a.csv': HEADER + ROW, 'classes.csv': 'a,0', 'class_map.csv': 'b,0'},
     'have different classes')])
def test_refuses_files_that_are_wrong_as_a_whole(tmp_path, files, message):
    write(tmp_path, {**files, 'x.jpg': None})
    with pytest.raises(ValueError, match=message) as caught:
        annotations.find(str(tmp_path), 'toy')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('text', [
    '', '\n', 'a,0\nb,0', 'name,age\nx,3', 'a;b;c\n', '"', '1,2,3,4,5,6,7'])
def test_other_files_have_no_boxes(tmp_path, text):
    write(tmp_path, {'a.csv': text, 'x.jpg': None})
    assert annotations.find(str(tmp_path), 'toy') is None
