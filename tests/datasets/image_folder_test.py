import os

from datasets import image_folder


def test_lists_what_is_below_once(tmp_path):
    for name in ('b.JPG', 'x/a.png', 'x/y/c.txt', '.d.jpg', '.git/e.jpg',
                 '__MACOSX/f.jpg'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'x' / 'loop').symlink_to(tmp_path)
    (tmp_path / 'gone.jpg').symlink_to(tmp_path / 'nothing')
    os.mkfifo(tmp_path / 'pipe.jpg')  # Reading would never end.
    folder = image_folder.ImageFolder(str(tmp_path))
    assert folder.files == ['b.JPG', 'gone.jpg', 'x/a.png', 'x/y/c.txt']
    assert folder.by_stem == {
        'b': ['b.JPG'], 'gone': ['gone.jpg'], 'x/a': ['x/a.png']}
    assert folder.by_stem_unread == {'x/y/c': 'x/y/c.txt'}
    assert folder.find('.\\x\\a.png') == 'x/a.png'
    assert folder.find(f'../{tmp_path.name}/b.JPG') is None
    assert folder.find(str(tmp_path / 'b.JPG')) is None
    assert folder.path_of('b.JPG') == str(tmp_path / 'b.JPG')
    assert image_folder.files_below(str(tmp_path / 'nothing')) == []
