"""What a machine can check of the project's structure; ruff does the rest."""
import ast
import graphlib
import importlib.util

from tests import scripts

# Imports go only downwards, floor by floor.
FLOORS = {'common': 1, 'detection': 2, 'preprocessing': 2.5, 'nets': 3,
          'datasets': 4, 'engine': 5}
SCRIPTS_FLOOR = 6
# Folders of engine/ that import no other one, but for the exceptions.
WINGS = ('training', 'evaluation', 'detecting', 'exporting', 'importing',
         'data')
EXCEPTIONS = {('training', 'evaluation'), ('exporting', 'evaluation'),
              # For what --engine=auto tries.
              ('detecting', 'exporting'), ('detecting', 'evaluation')}
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
        yield from (name for name in names if floor(name) < SCRIPTS_FLOOR)


def floor(module):
    return FLOORS.get(module.partition('.')[0], SCRIPTS_FLOOR)


def wing(module):
    folder, _, name = module.partition('.')
    name = name.partition('.')[0]
    return name if folder == 'engine' and name in WINGS else None


IMPORTS = [(module.removesuffix('.__init__'), name)
           for module in LIBRARY for name in imports(module)]


def test_imports_go_downwards():
    assert not [pair for pair in IMPORTS if floor(pair[1]) > floor(pair[0])]


def test_wings_import_no_other_wing():
    assert not [
        (module, name) for module, name in IMPORTS
        if wing(name) not in (None, wing(module))
        and (wing(module), wing(name)) not in EXCEPTIONS]


def test_no_import_goes_in_a_circle():
    edges = {}
    for module, name in IMPORTS:
        # A package's own list of its modules is no dependence.
        if not module.startswith(name + '.'):
            edges.setdefault(module, set()).add(name)
    graphlib.TopologicalSorter(edges).prepare()


def test_modules_are_imported_not_names():
    assert not [pair for pair in IMPORTS
                if importlib.util.find_spec(pair[1]) is None]


def test_no_flags_outside_the_scripts_and_their_interface():
    assert {
        module for module, tree in LIBRARY.items() for node in ast.walk(tree)
        if getattr(node, 'id', getattr(node, 'attr', None)) == 'FLAGS'} == {
            'engine.cli'}
