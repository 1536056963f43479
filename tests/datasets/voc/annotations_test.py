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


@pytest.mark.parametrize('declared, written', [
    ('utf-16', 'utf-16'), ('utf-16', 'utf-8'), ('utf8', 'utf-8'),
    ('gb2312', 'gbk'), ('Shift_JIS', 'shift_jis')])
def test_reads_other_encodings(tmp_path, declared, written):
    text = (f'<?xml version="1.0" encoding="{declared}"?><annotation>'
            '<filename>写.jpg</filename></annotation>')
    assert read(tmp_path, text, written).filename == '写.jpg'


def read_object(tmp_path, content):
    annotation = read(tmp_path, f'<annotation><object><name>a</name>{content}'
                      '</object></annotation>')
    item, = annotation.objects
    return item, annotation.repairs


@pytest.mark.parametrize('truncated, difficult, flags, repairs', [
    ('0.3700', '0', (0, 1), ()), ('Unspecified', 'Unspecified', (0, 0), ()),
    ('False', 'True', (1, 0), ()), ('0.0', '1.0', (1, 0), ()),
    ('2', ' 0 ', (0, 1), ()), ('', '-1', (0, 0), ()),
    ('a bit', '1', (1, 0), ('unknown_flag',))])
def test_flags_as_others_write_them(
        tmp_path, truncated, difficult, flags, repairs):
    item, found = read_object(
        tmp_path, f'<truncated>{truncated}</truncated>'
        f'<difficult>{difficult}</difficult>{BNDBOX}')
    assert ((item.difficult, item.truncated), found) == (flags, repairs)


ROTATED = ('<robndbox><cx>50</cx><cy>40</cy><w>20</w><h>10</h>'
           '<angle>{}</angle></robndbox>')


@pytest.mark.parametrize('content, bbox, repair', [
    ('<bndbox><xmax>9.0e1</xmax><ymin>30</ymin><xmin>2</xmin><ymax>4</ymax>'
     '</bndbox>', (2, 30, 90, 4), ()),
    (ROTATED.format(0), (40, 35, 60, 45), ('rotated_box',)),
    (ROTATED.format(1.5707963), (45, 30, 55, 50), ('rotated_box',)),
    # Half of 20 and of 10, both times 0.7071.
    (ROTATED.format(0.7853982), (39.3934, 29.3934, 60.6066, 50.6066),
     ('rotated_box',)),
    ('<polygon><username>me</username><pt><x>5</x><y>9</y></pt><pt><x>3</x>'
     '<y>20</y></pt><pt><x>8</x><y>7</y></pt></polygon>', (3, 7, 8, 20),
     ('polygon_box',)),
    ('<polygon><x1>5</x1><y1>9</y1><x2>3</x2><y2>20</y2></polygon>',
     (3, 9, 5, 20), ('polygon_box',)),
    (f'<polygon><x1>5</x1></polygon>{BNDBOX}', (1, 2.5, 30, 40), ())])
def test_other_outlines_become_the_box_around_them(
        tmp_path, content, bbox, repair):
    item, repairs = read_object(tmp_path, content)
    assert item.bbox == pytest.approx(bbox, abs=1e-4)
    assert repairs == repair


def test_what_labelme_deleted_is_left_out(tmp_path):
    annotation = read(tmp_path, '<annotation><object><deleted>1</deleted>'
                      '</object></annotation>')
    assert annotation == annotations.Annotation(
        '', None, None, (), ('dropped_deleted_object',))


def test_a_size_of_zero_is_none_and_names_are_composed(tmp_path):
    annotation = read(tmp_path, (
        '<annotation><size><width>0</width><height/></size>'
        f'<object><name>Tu&#x308;r</name>{BNDBOX}</object></annotation>'))
    assert (annotation.height, annotation.width) == (None, None)
    assert annotation.objects[0].name == 'T\xfcr'


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
    ('<annotation><object><name>a</name><robndbox><cx>1</cx><cy>1</cy><w>1'
     '</w><h>1</h><angle>45</angle></robndbox></object></annotation>',
     '<angle> is 45; it must be in radians'),
    ('<annotation><object><name>a</name><polygon><pt><x>1</x></pt></polygon>'
     '</object></annotation>', '<polygon> has no corners'),
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
