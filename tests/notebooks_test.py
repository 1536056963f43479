"""The notebooks run from top to bottom, and are stored as they ran."""
import re

import nbclient
import nbformat
import pytest

from tests import scripts

FOLDER = scripts.ROOT / 'notebooks'
CHECKPOINT = 'checkpoints/ssd_300_vgg_quarter_shapes.ckpt.index'
SECONDS_PER_CELL = 300
MAX_BYTES = 1_000_000
MAX_LINE_LENGTH = 80
# Of the machine that stored a notebook; nothing of it is to be seen.
MACHINE_PATH = re.compile(r'(?<![\w.:/])/(home|root|tmp|Users|usr|var|work)\b')

each_notebook = pytest.mark.parametrize(
    'path', sorted(FOLDER.glob('*.ipynb')), ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == 'code']


def figures(notebook):
    """Returns the numbers of figures that the cells show."""
    return [sum('image/jpeg' in output.get('data', {})
                for output in cell.outputs) for cell in code_cells(notebook)]


@pytest.mark.skipif(
    not (scripts.ROOT / CHECKPOINT).exists(),
    reason=f'{CHECKPOINT}, the demo checkpoint, is not there')
@pytest.mark.parametrize('name, start', [
    ('ssd_notebook', FOLDER), ('ssd_training', scripts.ROOT)])
def test_runs_from_the_root_and_from_its_folder(name, start):
    notebook = read(FOLDER / f'{name}.ipynb')
    stored_figures = figures(notebook)
    # Raises what a cell raises.
    nbclient.NotebookClient(
        notebook, timeout=SECONDS_PER_CELL, kernel_name='python3',
        resources={'metadata': {'path': str(start)}}).execute()
    assert figures(notebook) == stored_figures


def test_both_are_there():
    assert [path.stem for path in sorted(FOLDER.glob('*.ipynb'))] == [
        'ssd_notebook', 'ssd_training']


@each_notebook
def test_is_stored_as_it_ran_once_from_top_to_bottom(path):
    notebook = read(path)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(
        range(1, len(cells) + 1))
    assert sum(figures(notebook)) >= 2


@each_notebook
def test_no_warning_error_or_path_is_stored(path):
    for cell in code_cells(read(path)):
        for output in cell.outputs:
            assert output.output_type in ('stream', 'display_data'), output
            assert output.get('name') != 'stderr', output.text
            assert not MACHINE_PATH.search(output.get('text', '')), output.text


@each_notebook
def test_is_small_and_its_lines_are_short(path):
    assert path.stat().st_size < MAX_BYTES
    for cell in code_cells(read(path)):
        assert max(map(len, cell.source.splitlines())) <= MAX_LINE_LENGTH
