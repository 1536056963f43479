"""Twenty faults and more in each format: all are listed, nothing is written."""
import json
import re

import pytest

from datasets import conversion
from datasets.coco import annotations as coco
from datasets.csv import annotations as csv
from datasets.voc import folders as voc
from datasets.yolo import annotations as yolo
from tests import trees
from tests import voc_files

JPEG = voc_files.image()
BNDBOX = ('<bndbox><xmin>6</xmin><ymin>4</ymin><xmax>30</xmax><ymax>20</ymax>'
          '</bndbox>')
NO_IMAGE = {b'text': 'not an image, or a damaged one',
            b'': 'the file is empty',
            JPEG[:-2]: 'the JPEG is cut short: no end marker'}


def numbered(faults, first=0):
    """Returns {stem: (fault, message)}."""
    return {f'{number:02}': item
            for number, item in enumerate(faults.items(), first)}


def xml(fields='', content=BNDBOX, name='<name>a</name>', size=(60, 40)):
    return (f'<annotation>{fields}<size><width>{size[0]}</width><height>'
            f'{size[1]}</height></size><object>{name}{content}</object>'
            '</annotation>')


FAULTY_XML = {
    xml(name='<name>aa</name>'): "unknown class 'aa'",
    '<annotation>': 'not XML: no element found',
    '<html/>': 'the root is <html>, not <annotation>',
    xml(name=''): 'object 1 has no <name>',
    xml(content=''): "object 1 ('a') has no <bndbox>",
    xml(content=BNDBOX.replace('6', 'nan')):
        "object 1 ('a'): <xmin> is 'nan', not a number",
    xml(content=BNDBOX.replace('ymin', 'y')):
        "object 1 ('a'): <ymin> is '', not a number",
    xml(size=('wide', 40)): "size: <width> is 'wide', not a number",
    xml(size=(48, 40)): 'the size is 48 x 40, the image 60 x 40, which is not '
                        'the same, evenly scaled',
    xml(size=(40, 60), content=BNDBOX.replace('20', '60')):
        'the size is 40 x 60, the image 60 x 40, and the boxes do not fit: '
        'the image was turned after they were drawn',
    f'<!DOCTYPE a>{xml()}': 'it has a <!DOCTYPE>, which may declare entities',
    f'<?xml version="1.0" encoding="no"?>{xml()}':
        "unknown encoding 'no' is declared",
    xml('&b;'): 'not XML: undefined entity',
    xml(content='<robndbox><cx>9</cx><cy>9</cy><w>2</w><h>2</h><angle>45'
        '</angle></robndbox>'): "object 1 ('a'): <angle> is 45; it must be in",
    xml(content='<polygon><pt><x>1</x></pt></polygon>'):
        "object 1 ('a'): <polygon> has no corners with x and y"}


def planted_voc(folder):
    files = {'JPEGImages/good.jpg': None, 'Annotations/good.xml': xml(),
             'JPEGImages/18.png': None, 'JPEGImages/18.jpg': None,
             'Annotations/18.xml': xml(), 'Annotations/19.xml': xml()}
    told = {'18': "2 images of its name (18.jpg, 18.png), and <filename> '' is "
                  'none of them', '19': 'no image: '}
    for stem, (content, message) in numbered(FAULTY_XML).items():
        files[f'JPEGImages/{stem}.jpg'] = None
        files[f'Annotations/{stem}.xml'] = content
        told[stem] = message
    for stem, (content, message) in numbered(NO_IMAGE, 15).items():
        files[f'JPEGImages/{stem}.jpg'] = content
        files[f'Annotations/{stem}.xml'] = xml()
        told[stem] = f'image {stem}.jpg: {message}'
    files['Annotations/20.xml'] = xml()
    told['20'] = 'image 20.jpg: [Errno 2] No such file or directory: '
    trees.write(folder, files)
    (folder / 'JPEGImages' / '20.jpg').symlink_to('nothing')
    return voc.find(str(folder), None, 'toy'), [
        (f'{folder}/Annotations/{stem}.xml', message)
        for stem, message in told.items()]


NO_PART = 'is not within 0 and 1: not a part of the image (a value in pixels?)'
FIVE = '5 values expected: class cx cy w h'
FAULTY_LINES = {
    '0 .5 .5 .2': f'4 values; {FIVE}',
    '0 .5 .5 .2 .2 .9':
        f'6 values; {FIVE} (remove a confidence or an id of tracking)',
    '0 .5 .5 .2 .2 .9 1':
        f'7 values; {FIVE} (remove a confidence or an id of tracking)',
    '0 .1 .1 .2 .2 .3 .3 .4': f'8 values; {FIVE}',
    '0,.5,.5,.2,.2': f'1 values; {FIVE}',
    '2 .5 .5 .2 .2': 'class 2 is not one of the ids 0 to 1',
    '-1 .5 .5 .2 .2': 'class -1 is not one of the ids 0 to 1',
    '.5 .5 .5 .2 .2': "class '.5' is not a whole number",
    'dog .5 .5 .2 .2': "'dog' is not a number",
    'nan .5 .5 .2 .2': "'nan' is not a number",
    '1_0 .5 .5 .2 .2': "'1_0' is not a number",
    '0 nan .5 .2 .2': "'nan' is not a number",
    '0 .5 inf .2 .2': "'inf' is not a number",
    '0 .5 0,5 .2 .2': "'0,5' is not a number",
    '0 .5 .5 -.2 .2': f'-.2 {NO_PART}', '0 300 .5 .2 .2': f'300 {NO_PART}',
    '0 .5 .5 .2 1.01': f'1.01 {NO_PART}',
    '0 .1 .1 .5 .1 .5 1.6': f'1.6 {NO_PART}'}


def planted_yolo(folder):
    files = {'data.yaml': 'train: images\nnames: [a, b]',
             'images/good.jpg': None, 'labels/good.txt': '1 .5 .5 .2 .4'}
    told = []
    for stem, (line, message) in numbered(FAULTY_LINES).items():
        files[f'images/{stem}.jpg'] = None
        files[f'labels/{stem}.txt'] = f'1 .5 .5 .2 .4\n\n{line}\n'
        told.append((f'labels/{stem}.txt', f'line 3: {message}'))
    for stem, (content, message) in numbered(NO_IMAGE, 18).items():
        files[f'images/{stem}.jpg'] = content
        files[f'labels/{stem}.txt'] = ''
        told.append((f'labels/{stem}.txt', f'image images/{stem}.jpg: '
                     f'{message}'))
    files['images/21.jpg'], files['labels/21.txt'] = None, b'\xff\xd80 .5'
    told.append(('labels/21.txt', 'it is not in UTF-8 (byte 0)'))
    trees.write(folder, files)
    return yolo.find(str(folder), 'toy'), [
        (f'{folder}/{place}', message) for place, message in told]


HEADER = 'filename,width,height,class,xmin,ymin,xmax,ymax\n'
FAULTY_ROWS = {
    ',60,40,b,6,4,30,20': 'no name of an image',
    '{},60,40,b,6,4,30': '7 fields; 8 are expected',
    '{},60,40,b,6,4,30,20,9': '9 fields; 8 are expected',
    '{}': '1 fields; 8 are expected',
    '{},60,40,,6,4,30,20': 'no class',
    '{},60,40,b,,,,': "xmin '' is not a number",
    '{},60,40,b,6,4,30,': "ymax '' is not a number",
    '{},60,40,b,x,4,30,20': "xmin 'x' is not a number",
    '{},60,40,b,6,nan,30,20': "ymin 'nan' is not a number",
    '{},60,40,b,6,4,inf,20': "xmax 'inf' is not a number",
    '{},60,40,b,6,4,30,2_0': "ymax '2_0' is not a number",
    '{},60,40,b,"6,5",4,30,20': "xmin '6,5' is not a number",
    '{},60,x,b,6,4,30,20': "'x' is not a number",
    '{},,40,b,6,4,30,20': "'' is not a number",
    '{},-60,40,b,6,4,30,20': 'the size -60 x 40 is not of whole pixels',
    '{},60,40.5,b,6,4,30,20': 'the size 60 x 40.5 is not of whole pixels',
    '{},60,40,b,6,4,30,20\n{},40,60,b,6,4,30,20':
        '40 x 60 pixels, but 60 x 40 in line 19'}


def planted_csv(folder):
    files, rows, told = {'good.jpg': None}, ['good.jpg,60,40,b,6,4,30,20'], []
    for stem, (row, message) in numbered(FAULTY_ROWS).items():
        files[f'{stem}.jpg'] = None
        rows.append(row.replace('{}', f'{stem}.jpg'))
        line = sum(1 + text.count('\n') for text in rows) + 1
        told.append((f'{stem}.jpg' if stem != '00' else f'line {line}',
                     f'line {line}: {message}'))
    for stem, (content, message) in numbered(NO_IMAGE, 17).items():
        files[f'{stem}.jpg'] = content
        rows.append(f'{stem}.jpg,60,40,b,6,4,30,20')
        told.append((f'{stem}.jpg', f'image {stem}.jpg: {message}'))
    rows += ['20.jpg,60,40,b,6,4,30,20', '21.jpg,60,40,c,6,4,30,20']
    told += [('20.jpg', "no image '20.jpg'"), ('21.jpg', "unknown class 'c'")]
    trees.write(folder, {**files, '21.jpg': None,
                         'a.csv': HEADER + '\n'.join(rows)})
    return csv.find(str(folder), 'toy'), [
        (f'{folder}/a.csv, {name}', message) for name, message in told]


BBOX = [1, 2, 3, 4]
FAULTY_BOXES = [
    ({'bbox': [1, 2, 3]}, 'its bbox is [1, 2, 3], not [x, y, width, height]'),
    ({'bbox': None}, 'its bbox is None, not [x, y, width, height]'),
    ({'bbox': {'x': 1}}, "its bbox is {'x': 1}, not [x, y, width, height]"),
    ({'bbox': [1, 2, 3, 'x']}, "its bbox has 'x', not a number"),
    ({'bbox': [1, 2, 3, float('nan')]}, 'its bbox has nan, not a number'),
    ({'bbox': [1, 2, 3, 10 ** 400]}, 'its bbox has 1000'),
    ({'bbox': [9e307, 1, 9e307, 1]}, 'its bbox has 9e+307, not a number'),
    ({'category_id': 3}, 'its category_id is 3, which is not among'),
    ({'category_id': None}, 'its category_id is None, not a whole number'),
    ({'iscrowd': 2}, 'its iscrowd is 2, not 0 or 1'),
    ({'area': 'large'}, "its area has 'large', not a number")]
FAULTY_ENTRIES = {
    'annotations': [
        ('text', 'it is not an object'),
        ({'bbox': BBOX}, 'its image_id is None, not a whole number or a text'),
        ({'image_id': True}, 'its image_id is True, not a whole number')],
    'categories': [
        ({'id': 9, 'name': 'cat'}, "'cat' has the id 9 and the id 0"),
        ({'id': 7, 'name': 'x'}, "id 7 is that of 'x' and of 'dog'"),
        ({'id': 4}, 'its name is None, not a text that can be printed'),
        ({'id': 3, 'name': 'Background'},
         "'Background' is no class, but it has objects")],
    'images': [
        ({'id': 20}, 'its file_name is None, not a text that can be printed'),
        ({'id': 21, 'file_name': 'a\x1b.jpg'},
         r"its file_name is 'a\x1b.jpg', not a text"),
        ({'id': None, 'file_name': 'x.jpg'}, 'its id is None, not a whole'),
        (['1.jpg'], 'it is not an object'),
        ({'id': 22, 'file_name': '01.jpg', 'width': 'wide'},
         "its width has 'wide', not a number"),
        ({'id': 23, 'file_name': '01.jpg', 'width': 5, 'height': -1},
         'its height and width are (-1.0, 5.0)')]}


def planted_coco(folder):
    files, told = {'good.jpg': None}, []
    lists = {'images': [{'id': 30, 'file_name': 'good.jpg'},
                        {'id': 31, 'file_name': '14.jpg'}],
             'categories': [{'id': 7, 'name': 'dog'}, {'id': 0, 'name': 'cat'}],
             'annotations': []}
    for number, (changes, message) in enumerate(FAULTY_BOXES):
        files[f'{number:02}.jpg'] = None
        lists['images'].append({'id': number, 'file_name': f'{number:02}.jpg'})
        lists['annotations'].append({
            'id': 5, 'image_id': number, 'category_id': 0, 'bbox': BBOX,
            **changes})
        told.append((f'{number:02}.jpg', f'annotation 5: {message}'))
    for number, (content, message) in enumerate(NO_IMAGE.items(), 11):
        files[f'{number}.jpg'] = content
        lists['images'].append({'id': number, 'file_name': f'{number}.jpg'})
        told.append((f'{number}.jpg', f'image {number}.jpg: {message}'))
    told.append(('14.jpg', "no image, or several: '14.jpg' was looked for in"))
    for kind, entries in FAULTY_ENTRIES.items():
        for entry, message in entries:
            told.append((f'{kind}[{len(lists[kind])}]', message))
            lists[kind].append(entry)
    trees.write(folder, {**files, 'toy.json': json.dumps(lists)})
    return coco.find(str(folder), 'toy'), [
        (f'{folder}/toy.json, {name}', message) for name, message in told]


@pytest.mark.parametrize('plant, number', [
    (planted_voc, 21), (planted_yolo, 22), (planted_csv, 22),
    (planted_coco, 28)])
def test_all_planted_faults_are_listed_and_nothing_is_written(
        tmp_path, plant, number):
    sources, told = plant(tmp_path / 'set')
    with pytest.raises(ValueError) as caught:
        conversion.convert(sources, str(tmp_path / 'records'),
                           ['a', 'b', 'cat', 'dog'])
    head, *lines = str(caught.value).splitlines()
    assert head == (f'{number} annotations cannot be converted; nothing was '
                    'written:')
    assert len(told) == number
    lines = [line[2:] for line in lines if line.startswith('  ')]
    counts = [re.search(r': (\d+) in /', line) for line in lines]
    assert sum(int(count[1]) if count else 1 for count in counts) == number
    for place, message in told:
        stem = re.sub(r'^image \S+:', 'image:', message)
        assert any(line.startswith(f'{place}: {message}') or (
            line.startswith(stem) and place in line) for line in lines), (
                place, message, lines)
    assert 'good' not in str(caught.value)
    assert not any((tmp_path / 'records').iterdir())
