"""What a machine can check of the project's conventions."""
import ast
import graphlib
import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
MAX_LINE_LENGTH = 80
MAX_FILE_LENGTH = 200
# Longer ones, and why. Tests are lists of cases, which may be long.
LONGER_FILES = {
    'preprocessing/tf_image.py': 'a list of independent operations',
}
GENERATED_FILES = {'engine/caffe_pb2.py'}
# The first that fits counts; a module imports from its own level or below.
LEVELS = (
    ('detection', 0, {'tensorflow_version', 'boxes'}),
    ('nets', 0, {'custom_layers'}),
    ('datasets', 0, {'label_map'}),
    ('notebooks', 0, {'visualization'}),  # Drawing alone; all share it.
    ('preprocessing', 1, {'tf_image'}),
    ('nets', 3, {'nets_factory'}),
    ('preprocessing', 3, {'preprocessing_factory'}),
    ('datasets', 3, {'dataset_factory'}),
    ('detection', 1, None),
    ('datasets', 1, None),
    ('nets', 2, None),
    ('preprocessing', 2, None),
    ('engine', 4, None),
)
# What would run what a file says.
CODE_MODULES = {
    'pickle', 'cPickle', '_pickle', 'dill', 'joblib', 'marshal', 'shelve',
    'yaml', 'code', 'runpy'}
CODE_FUNCTIONS = {'eval', 'exec', 'compile', '__import__'}
CODE_KEYWORDS = {'allow_pickle', 'shell'}
PACKAGES = sorted({package for package, _, _ in LEVELS})
SCRIPT_LEVEL = 5


def _files(*folders):
    return sorted(
        path for folder in folders for path in (ROOT / folder).glob('*.py')
        if _name(path) not in GENERATED_FILES)


def _name(path):
    return path.relative_to(ROOT).as_posix()


def _tree(path):
    return ast.parse(path.read_text('utf-8'))


def _module(path):
    return '.'.join(path.relative_to(ROOT).with_suffix('').parts)


def _level(module):
    package, _, stem = module.partition('.')
    for level_package, level, stems in LEVELS:
        if package == level_package and (stems is None or stem in stems):
            return level
    return SCRIPT_LEVEL


def _our_imports(path):
    """Yields the names of the project's modules that a file imports."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        else:
            continue
        yield from (
            name for name in names if name.partition('.')[0] in PACKAGES)


LIBRARY = _files(*PACKAGES)
EVERYTHING = _files('.', 'benchmarks', 'tests', *PACKAGES)
all_files = pytest.mark.parametrize('path', EVERYTHING, ids=_name)
library_files = pytest.mark.parametrize('path', LIBRARY, ids=_name)


@library_files
def test_imports_go_downwards(path):
    own = _level(_module(path))
    upward = {
        name for name in _our_imports(path) if _level(name) > own}
    assert not upward, f'level {own} imports from above'


def test_no_import_goes_in_a_circle():
    graphlib.TopologicalSorter({
        _module(path): set(_our_imports(path)) for path in LIBRARY}).prepare()


@all_files
def test_modules_are_imported_not_names(path):
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'line {node.lineno}: relative import'
            for alias in node.names:
                name = f'{node.module}.{alias.name}'
                assert alias.name != '*', f'line {node.lineno}'
                assert importlib.util.find_spec(name) is not None, (
                    f'line {node.lineno}: {name} is not a module')


@library_files
def test_no_flags_outside_the_scripts(path):
    for node in ast.walk(_tree(path)):
        name = getattr(node, 'id', getattr(node, 'attr', None))
        assert name != 'FLAGS', f'line {node.lineno}'


@all_files
def test_no_mutable_defaults(path):
    mutable = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp)
    for node in ast.walk(_tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            for default in node.args.defaults + node.args.kw_defaults:
                assert not isinstance(default, mutable), f'line {node.lineno}'


@all_files
def test_no_file_can_run_code(path):
    """No pickle, no eval, no shell: what is read is data."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = {alias.name for alias in node.names}
            modules.add(getattr(node, 'module', None))
            assert not modules & CODE_MODULES, f'line {node.lineno}'
        if isinstance(node, ast.Call):
            name = getattr(node.func, 'id', None)
            assert name not in CODE_FUNCTIONS, f'line {node.lineno}'
            keywords = {keyword.arg for keyword in node.keywords}
            assert not keywords & CODE_KEYWORDS, f'line {node.lineno}'


@all_files
def test_line_lengths(path):
    lines = path.read_text('utf-8').splitlines()
    for number, line in enumerate(lines, 1):
        assert len(line) <= MAX_LINE_LENGTH, f'line {number}'


@pytest.mark.parametrize(
    'path', _files('.', 'benchmarks', *PACKAGES), ids=_name)
def test_file_lengths(path):
    num_lines = len(path.read_text('utf-8').splitlines())
    assert num_lines <= MAX_FILE_LENGTH or _name(path) in LONGER_FILES
