import pytest

from datasets import samples
from datasets.voc import annotations

BNDBOX = ('<bndbox><xmin>1</xmin><ymin>2.5</ymin><xmax>30</xmax>'
          '<ymax>40</ymax></bndbox>')


def read(tmp_path, content, encoding='utf-8'):
    path = tmp_path / 'a.xml'
    path.write_bytes(content.encode(encoding))
    return annotations.read_annotation(path)


def test_reads_names_sizes_boxes_and_flags(tmp_path):
    annotation = read(tmp_path, (
        '<annotation><filename> a.jpg\n</filename>'
        '<size><width>60</width><height>50</height></size>'
        f'<object><name> dog </name><difficult>1</difficult>{BNDBOX}'
        f'<part><name>head</name>{BNDBOX}</part></object></annotation>'))
    assert annotation == annotations.Annotation('a.jpg', 50, 60, (
        samples.Object('dog', (1., 2.5, 30., 40.), 1, 0),))


def test_everything_but_the_root_may_be_missing(tmp_path):
    assert read(tmp_path, '<annotation/>') == annotations.Annotation(
        '', None, None, ())


def test_reads_other_encodings(tmp_path):
    text = ('<?xml version="1.0" encoding="utf-16"?><annotation>'
            '<filename>ü.jpg</filename></annotation>')
    assert read(tmp_path, text, 'utf-16').filename == 'ü.jpg'


@pytest.mark.parametrize('content, message', [
    ('', 'not XML'),
    ('<annotation><object>', 'not XML'),
    ('<html/>', 'the root is <html>'),
    (f'<annotation><object>{BNDBOX}</object></annotation>',
     'object 1 has no <name>'),
    ('<annotation><object><name>a</name></object></annotation>',
     "object 1 .'a'. has no <bndbox>"),
    ('<annotation><object><name>a</name><bndbox><xmin>nan</xmin></bndbox>'
     '</object></annotation>', "<xmin> is 'nan', not a number"),
    ('<annotation><object><name>a</name><bndbox><xmin>1</xmin></bndbox>'
     '</object></annotation>', "<ymin> is '', not a number"),
    (f'<annotation><object><name>a</name>{BNDBOX}<difficult>yes</difficult>'
     '</object></annotation>', "<difficult> is 'yes', not 0 or 1"),
    ('<annotation><size><width>x</width></size></annotation>',
     "size: <width> is 'x'"),
    ('<annotation>&b;</annotation>', 'undefined entity'),
    ('<?xml version="1.0" encoding="no-such"?><annotation/>',
     'unknown encoding'),
])
def test_names_file_and_fault(tmp_path, content, message):
    with pytest.raises(ValueError, match=r'a\.xml: .*' + message):
        read(tmp_path, content)


LAUGHS = ''.join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">'
                 for i in range(1, 12))


@pytest.mark.parametrize('doctype', [
    f'[<!ENTITY a0 "ha">{LAUGHS}]',  # Ten to the eleventh.
    '[<!ENTITY a11 SYSTEM "file:///etc/passwd">]',
    'SYSTEM "file:///dev/zero"'])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16'])
def test_refuses_every_doctype(tmp_path, doctype, encoding):
    text = (f'<?xml version="1.0" encoding="{encoding}"?>'
            f'<!DOCTYPE annotation {doctype}>'
            f'<annotation><filename>{"&a11;" * 10_000}</filename></annotation>')
    with pytest.raises(ValueError, match=r'a\.xml: it has a <!DOCTYPE>'):
        read(tmp_path, text, encoding)
