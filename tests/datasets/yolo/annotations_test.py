import pytest

from datasets import conversion
from datasets import samples
from datasets.yolo import annotations
from tests import trees

write, loaded = trees.write, trees.loaded
LINE = '1 0.5 0.5 0.2 0.4\n'


def kinds(annotated):
    return [fault.kind for fault in annotated.faults], list(annotated.repairs)


ULTRALYTICS = {
    'data.yaml': 'path: .\ntrain: images/train\nval: images/val\ntest:\n'
                 'names:\n  0: no\n  1: traffic light\n',
    'images/train/a.jpg': None, 'labels/train/a.txt': LINE,
    'images/train/sub/b.png': None, 'images/train/loose.gif.bak': 'x',
    'images/val/c.jpg': None, 'labels/val/c.txt': '0 0.25 0.5 0.5 1\n\n',
    'images/unused/d.jpg': None, 'labels/train/gone.txt': LINE}


def test_reads_an_ultralytics_tree(tmp_path):
    write(tmp_path, ULTRALYTICS)
    train, val = annotations.find(str(tmp_path), 'toy')
    assert (train.output_name, val.output_name) == ('toy_train', 'toy_val')
    assert (train.folder, val.folder) == (
        f'{tmp_path}/images/train', f'{tmp_path}/images/val')
    assert train.labels == ('no', 'traffic light')
    first, second = loaded(train).values()
    assert first == samples.Annotated(
        'images/train/a.jpg', f'{tmp_path}/labels/train/a.txt',
        'images/train/a.jpg', f'{tmp_path}/images/train/a.jpg',
        is_relative=True, faults=[], repairs=[],
        objects=[samples.Object('traffic light', (.4, .3, .6, .7))])
    # YOLO's rule: no file, no object.
    assert second.name == 'images/train/sub/b.png'
    assert (second.objects, kinds(second)) == (
        (), ([], ['image_without_label_file']))
    annotated, = loaded(val).values()
    assert annotated.objects == [samples.Object('no', (0., 0., .5, 1.))]
    assert train.left_out() == {
        'other file': ['images/train/loose.gif.bak'],
        'image in no split': ['images/unused/d.jpg'],
        'label file without image': ['labels/train/gone.txt']}
    assert val.left_out() == {}
    assert train.missing() is None


def test_reads_roboflows_export(tmp_path):
    write(tmp_path, {
        'data.yaml': 'train: ../train/images\nval: ../valid/images\n'
                     "nc: 2\nnames: ['a', 'b']\n",
        'README.roboflow.txt': 'x',
        'train/images/x_jpg.rf.0a.jpg': None,
        'train/labels/x_jpg.rf.0a.txt': LINE,
        'valid/images/y.jpg': None, 'valid/labels/y.txt': ''})
    train, val = annotations.find(str(tmp_path), 'toy_train')
    assert (train.output_name, val.output_name) == ('toy_train', 'toy_val')
    assert [len(one.objects) for one in loaded(train).values()] == [1]
    # An empty file is an image without objects, as it should be.
    annotated, = loaded(val).values()
    assert (annotated.objects, kinds(annotated)) == ([], ([], []))
    assert train.notes[0] == (
        f'{tmp_path}/data.yaml: train is ../train/images; found as '
        f'{tmp_path}/train/images.')


def test_reads_darknets_lists_as_cvat_writes_them(tmp_path):
    write(tmp_path, {
        'obj.data': 'classes = 2\ntrain = data/train.txt\n'
                    'names = data/obj.names\nbackup = backup/\n',
        'obj.names': 'a\nb\n',
        'train.txt': 'data/obj_train_data/x 1.jpg\ndata/obj_train_data/no.jpg',
        'obj_train_data/x 1.jpg': None, 'obj_train_data/x 1.txt': LINE,
        'obj_train_data/z.jpg': None})
    part, = annotations.find(str(tmp_path), 'toy')
    assert (part.output_name, part.labels) == ('toy_train', ('a', 'b'))
    found, missing = loaded(part).values()
    assert found.name == 'obj_train_data/x 1.jpg'
    assert (found.objects[0].name, kinds(found)) == (
        'b', ([], ['image_found_by_end_of_path']))
    assert missing.place == f'{tmp_path}/train.txt, line 2'
    assert missing.faults == [samples.Fault(
        'missing_image', "no image 'data/obj_train_data/no.jpg'")]
    assert part.left_out() == {'image in no split': ['obj_train_data/z.jpg']}


@pytest.mark.parametrize('files, images_dir, annotations_dir, names', [
    ({'classes.txt': 'a\nb\n', 'images/x.jpg': None, 'labels/x.txt': LINE},
     None, None, {'toy': ['images/x.jpg']}),
    ({'Labels/classes.txt': 'a\nb', 'Images/x.jpg': None,
      'Labels/x.txt': LINE}, None, None, {'toy': ['Images/x.jpg']}),
    ({'x.jpg': None, 'x.txt': LINE, 'classes.txt': 'a\nb\n'},
     None, None, {'toy': ['x.jpg']}),
    ({'train/x.jpg': None, 'train/x.txt': LINE, 'valid/y.jpg': None,
      'valid/y.txt': LINE, 'train/_darknet.labels': 'a\nb',
      'valid/_darknet.labels': 'a\nb', 'z.jpg': None},
     None, None, {'toy_train': ['train/x.jpg'], 'toy_val': ['valid/y.jpg']}),
    ({'p/x.jpg': None, 'q/x.txt': LINE, 'q/classes.txt': 'a\nb'},
     'p', 'q', {'toy': ['p/x.jpg']}),
    ({'p/s/x.jpg': None, 'q/s/x.txt': LINE, 'data.yaml': 'names: [a, b]'},
     'p', 'q', {'toy': ['p/s/x.jpg']})])
def test_finds_names_images_and_labels(tmp_path, files, images_dir,
                                       annotations_dir, names):
    folder = tmp_path / 'data [v1], 50% #2'
    write(folder, files)
    parts = annotations.find(str(folder), 'toy', *(
        name and str(folder / name) for name in (images_dir, annotations_dir)))
    assert {part.output_name: part.names() for part in parts} == names
    for part in parts:
        for annotated in loaded(part).values():
            assert annotated.objects == [
                samples.Object('b', (.4, .3, .6, .7))]


def test_home_and_absolute_lists_and_other_systems(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    write(tmp_path, {
        'set/data.yaml': 'train: [train.txt, /content/more]\nnames: [a, b]\n'
                         'path: /content/set\n',
        'set/train.txt': f'{tmp_path}/far/images/x.jpg\n./near/y.jpg\n'
                         'C:\\data\\set\\near\\z.jpg\n',
        'far/images/x.jpg': None, 'far/labels/x.txt': LINE,
        'set/near/y.jpg': None, 'set/near/y.txt': LINE,
        'set/near/z.jpg': None, 'set/near/z.txt': LINE,
        'set/more/w.jpg': None, 'set/more/w.txt': LINE})
    part, = annotations.find('~/set', 'toy')
    assert {name: (one.objects[0].name, *kinds(one))
            for name, one in loaded(part).items()} == {
        f'{tmp_path}/far/images/x.jpg': ('b', [], []),
        'near/y.jpg': ('b', [], []),
        'near/z.jpg': ('b', [], ['image_found_by_end_of_path']),
        'more/w.jpg': ('b', [], [])}


@pytest.mark.parametrize('gone', ['images', 'labels'])
def test_folders_that_vanish_are_told(tmp_path, gone):
    write(tmp_path, ULTRALYTICS)
    train, _ = annotations.find(str(tmp_path), 'toy')
    (tmp_path / gone / 'train').rename(tmp_path / 'elsewhere')
    assert train.missing() == f'{tmp_path}/{gone}/train'


@pytest.mark.parametrize('line, bbox, repairs', [
    ('0 0.5 0.5 1 1', (0., 0., 1., 1.), []),
    # (.0416665 - .083334 / 2): six digits put the side off the image.
    ('0.0 0.041666 0.5 0.083334 .5', (0., .25, .083333, .75), []),
    ('0\t0.95 0.5 0.2 0.5', (.85, .25, 1.05, .75), []),
    ('0 .1 .2 .5 .1 .3 .6', (.1, .1, .5, .6), ['polygon_box']),
    ('0 .1 .1 .5 .1 .5 .6 .1 .6', (.1, .1, .5, .6), ['polygon_box'])])
def test_reads_boxes_and_polygons(tmp_path, line, bbox, repairs):
    write(tmp_path, {'x.txt': f'\n{line}\r\n'})
    (item,), faults, done = annotations.read_label_file(
        str(tmp_path / 'x.txt'), ('a',))
    assert item.name == 'a' and item.bbox == pytest.approx(bbox)
    assert (faults, done) == ([], repairs)


def test_one_file_may_be_given_and_the_background_may_have_an_id(tmp_path):
    write(tmp_path, {'p.yaml': 'names: [background, b]', 'q.yaml': 'names: [a]',
                     'x.jpg': None, 'x.txt': f'{LINE}0 .5 .5 .2 .4'})
    part, = annotations.find(f'{tmp_path}/p.yaml', 'toy')
    assert part.labels == ('b',)
    with pytest.raises(ValueError, match="unknown class 'background'"):
        conversion.convert([part], str(tmp_path / 'records'))


def test_keypoints_are_no_polygon(tmp_path):
    write(tmp_path, {'data.yaml': 'names: [a]\nkpt_shape: [2, 2]',
                     'x.jpg': None, 'x.txt': '0 .5 .5 .2 .4 .1 .2 .3 .4'})
    part, = annotations.find(str(tmp_path), 'toy')
    annotated = part.load('x.jpg')
    assert annotated.objects == [samples.Object('a', (.4, .3, .6, .7))]
    assert kinds(annotated) == ([], ['keypoints_left_out'])


@pytest.mark.parametrize('text, message', [
    ('train: t\nnames: [a, b', 'data.yaml: it is not YAML: '),
    ('names: ' + '[' * 1_000, 'data.yaml: it is not YAML: '),
    ('train: t\nnames: [a, b]\nnc: 3', 'data.yaml: nc is 3, but there are 2'),
    ('train: t\nnames: {1: a, 2: b}', 'ids of its 2 names are not 0 to 1'),
    ('train: t\nnames: [a, [b]]',
     'data.yaml: it has no `names`, a list or id: name'),
    ('train: t\nnames: [a, a]', "data.yaml, names, name 2: .* 'a'"),
    ('train: {a: b}\nnames: [a, b]', 'data.yaml: train is a dict'),
    ('train: t\nval: t\nvalid: t\nnames: [a, b]', 'both val and valid'),
    ('train: none\nnames: [a, b]',
     "data.yaml: train is 'none', and there is no such folder"),
    ('val: ../valid/images\nnames: [a, b]', 'val is .* no such folder'),
    ('train: empty.txt\nnames: [a, b]', 'empty.txt names no image'),
    ('train: twice.txt\nnames: [a, b]', "line 2: './t/x.jpg' is named twice"),
    ('train: [t, u]\nval: u\nnames: [a, b]',
     r"none of the 1 images in .*/u has a label file; that of 'u/y\.jpg' would "
     r'be .*/u/y\.txt\. Leave'),
    ('train: t\nnames: [a]\nkpt_shape: 17', 'kpt_shape is not two numbers')])
def test_refuses_sets_that_contradict_themselves(tmp_path, text, message):
    write(tmp_path, {'data.yaml': text, 't/x.jpg': None, 't/x.txt': LINE,
                     'u/y.jpg': None, 'images/z.jpg': None, 'empty.txt': '\n',
                     'twice.txt': 't/x.jpg\n./t/x.jpg'})
    with pytest.raises(ValueError, match=message) as caught:
        annotations.find(str(tmp_path), 'toy')
    assert str(tmp_path) in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('files, message', [
    ({'x.yaml': 'names: [a, b]', 'y.yaml': 'names: [a]'},
     'x.yaml and .*y.yaml both tell a YOLO set; give one as --dataset_dir'),
    ({'classes.txt': 'a\nb', 'sub/classes.txt': 'a'}, 'different names'),
    ({'classes.txt': 'a\n\nb'}, "classes.txt, name 2: class name '' is empty"),
    ({'images/x.jpg': None, 'labels/x.txt': LINE},
     'x.txt is a label file of YOLO, but nothing tells the names'),
    ({'x.data': 'names = n\ntrain = t.txt'}, "x.data: no file 'n'"),
    ({'x.data': 'names = n\ntrain = t.txt\nclasses=2', 'n': 'a'},
     'x.data: classes is 2, but there are 1 names')])
def test_refuses_what_does_not_tell_the_classes(tmp_path, files, message):
    write(tmp_path, files)
    with pytest.raises(ValueError, match=message):
        annotations.find(str(tmp_path), 'toy')


@pytest.mark.parametrize('files', [
    {}, {'x.jpg': None}, {'x.jpg': None, 'x.txt': 'A dog on a lawn.'},
    {'JPEGImages/x.jpg': None, 'Annotations/x.xml': '<annotation/>',
     'Annotations/classes.txt': 'a\nb'},
    {'environment.yaml': 'name: x', 'x.data': 'a = b'}])
def test_other_folders_are_no_set(tmp_path, files):
    write(tmp_path, files)
    assert annotations.find(str(tmp_path), 'toy') is None
