"""What a machine can check of the project's structure; ruff does the rest."""
import ast
import graphlib
import importlib.util

from tests import scripts

# Imports go only downwards, floor by floor.
FLOORS = {'common': 1, 'detection': 2, 'nets': 3, 'preprocessing': 3,
          'datasets': 4, 'engine': 5}
SCRIPTS_FLOOR = 6
# Folders of engine/ that import no other one, but for the exceptions.
WINGS = ('training', 'evaluation', 'detecting', 'exporting', 'importing',
         'data')
EXCEPTIONS = {('training', 'evaluation'), ('exporting', 'evaluation')}
GENERATED = scripts.ROOT / 'engine' / 'importing' / 'caffe_pb2.py'

LIBRARY = {
    '.'.join(path.relative_to(scripts.ROOT).with_suffix('').parts): ast.parse(
        path.read_text('utf-8'))
    for folder in FLOORS for path in (scripts.ROOT / folder).rglob('*.py')
    if path != GENERATED}


def imports(module):
    """Yields the names of the project's modules that a module imports."""
    for node in ast.walk(LIBRARY[module]):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{module}: a relative import'
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        for name in names:
            if floor(name) < SCRIPTS_FLOOR:
                yield name.removesuffix('.__init__')


def floor(module):
    return FLOORS.get(module.partition('.')[0], SCRIPTS_FLOOR)


def wing(module):
    parts = module.split('.')
    return parts[1] if parts[0] == 'engine' and parts[1] in WINGS else None


def test_imports_go_downwards():
    assert not [
        (module, name) for module in LIBRARY for name in imports(module)
        if floor(name) > floor(module)]


def test_wings_import_no_other_wing():
    assert not [
        (module, name) for module in LIBRARY for name in imports(module)
        if wing(name) not in (None, wing(module))
        and (wing(module), wing(name)) not in EXCEPTIONS]


def test_what_wings_share_imports_no_wing():
    assert not [
        (module, name) for module in LIBRARY for name in imports(module)
        if wing(module) is None and wing(name) is not None]


def test_no_import_goes_in_a_circle():
    graphlib.TopologicalSorter({
        module: {name for name in imports(module)
                 # A package's own list of its modules is no dependence.
                 if not module.startswith(name + '.')}
        for module in LIBRARY}).prepare()


def test_modules_are_imported_not_names():
    assert not [
        (module, name) for module in LIBRARY for name in imports(module)
        if importlib.util.find_spec(name) is None]


def test_no_flags_outside_the_scripts_and_their_interface():
    assert {
        module for module, tree in LIBRARY.items() for node in ast.walk(tree)
        if getattr(node, 'id', getattr(node, 'attr', None)) == 'FLAGS'} == {
            'engine.cli'}
