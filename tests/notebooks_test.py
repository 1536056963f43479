"""The notebooks run from top to bottom, and are stored as they ran."""
import re

import nbclient
import nbformat
import pytest

from tests import scripts

FOLDER = scripts.ROOT / 'notebooks'
SECONDS_PER_CELL = 300
# Of the machine that stored a notebook; nothing of it is to be seen.
MACHINE_PATH = re.compile(r'(?<![\w.:/])/(home|root|tmp|Users|usr|var|work)\b')


def read(name):
    path = FOLDER / f'{name}.ipynb'
    assert path.stat().st_size < 1_000_000
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    return notebook, [
        cell for cell in notebook.cells if cell.cell_type == 'code']


def figures(cells):
    """Returns the numbers of figures that the cells show."""
    return [sum('image/jpeg' in output.get('data', {})
                for output in cell.outputs) for cell in cells]


# From the root, and from its folder.
@pytest.mark.parametrize('name, start', [
    ('ssd_notebook', FOLDER), ('ssd_training', scripts.ROOT)])
def test_it_runs(name, start):
    notebook, cells = read(name)
    stored_figures = figures(cells)
    # Raises what a cell raises.
    nbclient.NotebookClient(
        notebook, timeout=SECONDS_PER_CELL, kernel_name='python3',
        resources={'metadata': {'path': str(start)}}).execute()
    assert figures(cells) == stored_figures


@pytest.mark.parametrize('name', ['ssd_notebook', 'ssd_training'])
def test_it_is_stored_as_it_ran_without_warnings_and_paths(name):
    notebook, cells = read(name)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in cells] == list(
        range(1, len(cells) + 1))
    assert sum(figures(cells)) >= 2
    for cell in cells:
        assert max(map(len, cell.source.splitlines())) <= 80
        for output in cell.outputs:
            assert output.output_type in ('stream', 'display_data'), output
            assert output.get('name') != 'stderr', output.text
            assert not MACHINE_PATH.search(output.get('text', '')), output.text
