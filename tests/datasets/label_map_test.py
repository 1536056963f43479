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


def test_reads_names_and_ignores_blank_lines_and_comments(tmp_path):
    path = tmp_path / 'labels.txt'
    path.write_bytes(b'\xef\xbb\xbf# cells\r\n\r\n RBC \r\nwhite cell\r\n')
    assert label_map.read_labels(path) == ('RBC', 'white cell')


@pytest.mark.parametrize('content, message', [
    (b'a\n\na\n', "line 3: class name 'a' was already given at .*line 1"),
    (b'a\nBackground\n', 'line 2: .*background is added by itself'),
    (b'a/b\n', 'line 1: .*slash or a control character'),
    (b'a\x00b\n', 'line 1: .*slash or a control character'),
    (b'# nothing\n', 'has no class name'),
    (b'\xff\xfe\n', 'is not a text file in UTF-8'),
])
def test_refuses_bad_names_with_their_place(tmp_path, content, message):
    path = tmp_path / 'labels.txt'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        label_map.read_labels(path)


def test_parses_a_list_and_refuses_an_empty_name():
    assert label_map.parse_labels('RBC, WBC') == ('RBC', 'WBC')
    with pytest.raises(ValueError, match='--labels, name 2.*is empty'):
        label_map.parse_labels('RBC,')


def test_nearest_name_ignores_case_and_may_be_missing():
    assert label_map.nearest('Persn', label_map.VOC_LABELS) == 'person'
    assert label_map.nearest('zzz', label_map.VOC_LABELS) is None
