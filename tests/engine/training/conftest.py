"""Trainings of the small network on a few drawn images."""
import pytest

from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from nets import nets_factory
from tests import scripts
from tests import small_trunk


@pytest.fixture(scope='module', autouse=True)
def small_network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets_factory.networks_map, small_trunk.SSDNet.name,
                      small_trunk.SSDNet)
        yield


@pytest.fixture(scope='session')
def records(tmp_path_factory):
    """A folder with 6 images of 5 classes, of 2, and without objects."""
    folder = tmp_path_factory.mktemp('records')
    for name, num_classes in (('toy', 5), ('two', 2), ('empty', 5)):
        classes = drawing.CLASSES[:num_classes]
        synthetic_shapes.write(folder / name, 6, 0, size=64, classes=classes)
        if name == 'empty':
            scripts.remove_objects(folder / name)
        scripts.write_records(
            folder / name, folder, f'{name}_train', labels=classes)
    return folder


@pytest.fixture(scope='session')
def flags(records):
    """Flags of a training that says what every step was like."""
    return {'dataset_name': 'toy', 'dataset_dir': str(records),
            'model_name': small_trunk.SSDNet.name,
            'preprocessing_name': 'resize_only', 'batch_size': 2,
            'random_seed': 3, 'log_every_n_steps': 1}
