"""Recipes: every flag is one of the training's, with a value that it takes."""
import pytest

from engine import models
from tests import scripts

RECIPES = sorted((scripts.ROOT / 'recipes').glob('*.flags'))


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.name)
def test_recipe_is_read(path, tmp_path):
    # All is well as far as the records, which are not there.
    with pytest.raises(ValueError, match=f'No file {tmp_path}'):
        scripts.call(f'train_ssd_network.py --flagfile={path} '
                     f'--dataset_dir={tmp_path} --train_dir={tmp_path}')


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.name)
def test_anchors_are_of_its_network(path, monkeypatch):
    monkeypatch.chdir(scripts.ROOT)
    values = dict(line[2:].split('=') for line in path.read_text().split()
                  if line.startswith('--') and '=' in line)
    models.make_network(
        values['model_name'], ['any'], anchors=values.get('anchors'))


def test_there_are_recipes():
    assert len(RECIPES) == 7
