"""docs/design.md names the modules that there are."""
import re

from tests import scripts

GENERATED = {'caffe_pb2'}


def test_each_module_is_named_in_the_row_of_its_folder():
    page = (scripts.ROOT / 'docs' / 'design.md').read_text('utf-8')
    rows = re.findall(r'^\| `([a-z/]+)/` \| (.*) \|$', page, re.MULTILINE)
    assert len(rows) == 13
    for folder, text in rows:
        paths = list((scripts.ROOT / folder).iterdir())
        modules = {path.stem for path in paths if path.suffix == '.py'}
        named = set(re.findall(r'`([a-z0-9_]+)/?`', text))
        assert modules - {'__init__'} - GENERATED <= named, folder
        assert named <= {path.stem for path in paths}, folder
