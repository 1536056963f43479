import pytest

from datasets import label_map


def test_ids_begin_at_one_and_zero_is_the_background():
    labels = ('cat', 'dog')
    assert label_map.ids_of(labels) == {'cat': 1, 'dog': 2}
    assert label_map.names_of(labels) == {0: 'background', 1: 'cat', 2: 'dog'}


def test_voc_labels_are_those_of_caffe():
    ids = label_map.ids_of(label_map.VOC_LABELS)
    assert len(ids) == 20
    assert (ids['aeroplane'], ids['person'], ids['tvmonitor']) == (1, 15, 20)


PBTXT = """
# As the TF Object Detection API has it.
item {
  id: 2
  name: 'dog'
  keypoints { id: 1 label: "nose" }
}
item { name: "w/o \\"hat\\"" id: 1 display_name: "no hat" }
item { name: "/m/01g317" id: 3 display_name: "person" }
"""
PROTOTXT = """item { name: "none_of_the_above" label: 0 }
item {
  name: "1"
  label: 1
  display_name: "person"
}
item { name: "cat" label: 2 display_name: "cat" }
"""
CVAT = """# label:color_rgb:parts:actions
background:0,0,0::
red:220,30,30:head,hand:
w/o: hat:30,200,40::
blue:::
"""


@pytest.mark.parametrize('name, text, labels', [
    ('a.txt', '# cells\n\n RBC \nwhite cell\n', ('RBC', 'white cell')),
    ('classes.txt', '__ignore__\n_background_\nw/o hat\n#1\nsalt, pepper\n',
     ('w/o hat', '#1', 'salt, pepper')),
    ('obj.names', '汽车\nTu\u0308r\n[a\n<b>', ('汽车', 'T\xfcr', '[a', '<b>')),
    ('label_map.pbtxt', PBTXT, ('w/o "hat"', 'dog', 'person')),
    ('labelmap.prototxt', PROTOTXT, ('person', 'cat')),
    ('labelmap.txt', CVAT, ('red', 'w/o: hat', 'blue')),
    ('data.yaml', 'nc: 2\nnames: [no, "1"]\ntrain: x\n', ('no', '1')),
    ('data.yml', 'names:\n  1: dog\n  0: cat\n', ('cat', 'dog')),
    ('classes.csv', 'cat,1\n"salt, pepper",0\n', ('salt, pepper', 'cat')),
    # A class may be called so.
    ('a.txt', 'item\nlabel: 1\n', ('item', 'label: 1')),
])
def test_reads_files_of_labels(tmp_path, name, text, labels):
    path = tmp_path / name
    path.write_bytes(text.replace('\n', '\r\n').encode('utf-8-sig'))
    assert label_map.read_labels(path) == labels


@pytest.mark.parametrize('name, content, message', [
    ('a', b'a\n\na\n', "line 3: class name 'a' was already given at .*line 1"),
    ('a', b'a\x00b\n', 'line 1: .*has a control character'),
    ('a', b'# nothing\n', 'has no class name'),
    ('a', b'background\n', 'has no class name'),
    ('a', b'\xff\xfe\n', 'a: it is not in UTF-16'),
    ('a', b'{"names": []}', 'a: it is JSON; give the class names one a line'),
    ('a', b'<!DOCTYPE html><html>', 'a: it is XML or a web page'),
    ('a', b'item { id: 1 name: "a" ', 'a: it is not a map of labels: '),
    ('a', b'item { name: "a" }', 'a: item 1 has no id'),
    ('a', b'item { id: 1 name: "a" } item { id: 1 name: "b" }',
     'a: item 2 has the id 1 again'),
    ('a', b'item { id: 1 }', "item 1: class name '' is empty"),
    ('a', b'# label:color_rgb:parts:actions\nred\n', "line 2 is 'red', not"),
    ('a.yaml', b'train: x', 'a.yaml: it has no `names`'),
    ('a.yaml', b'names: {a: b}', "the id of 'b' is 'a'"),
    ('a.yaml', b'names: [', 'a.yaml: it is not YAML: '),
    ('a.csv', b'a,1,2', 'a.csv: .*not name,id'),
])
def test_refuses_other_files_and_bad_names_with_their_place(
        tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f'{tmp_path}/.*{message}'):
        label_map.read_labels(tmp_path / name)


def test_parses_a_list_and_refuses_an_empty_name():
    assert label_map.parse_labels('RBC, WBC') == ('RBC', 'WBC')
    for text, fault in (('RBC,', "'' is empty"), ('a,Background', (
            'background is added by itself'))):
        with pytest.raises(ValueError, match=f'--labels, name 2.*{fault}'):
            label_map.parse_labels(text)


def test_nearest_name_ignores_case_and_may_be_missing():
    assert label_map.nearest('Persn', label_map.VOC_LABELS) == 'person'
    assert label_map.nearest('zzz', label_map.VOC_LABELS) is None
