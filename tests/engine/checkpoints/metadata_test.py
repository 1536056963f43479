"""Checkpoints as they are published, in evaluation and training."""
import json
import pathlib
import shutil
import zipfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.importing import convert
from nets import ssd_vgg_300
from tests import scripts

# What may follow --checkpoint_path, and the names of the files that are in
# the folder: V2 has several, V1 one.
FORMS = {
    'v2/a.ckpt': tf.train.SaverDef.V2,
    'v2/a.ckpt.index': tf.train.SaverDef.V2,
    'v2': tf.train.SaverDef.V2,
    'v2_zip/a.ckpt.zip': tf.train.SaverDef.V2,
    'v2_zip/a.ckpt': tf.train.SaverDef.V2,
    'v2_zip': tf.train.SaverDef.V2,
    'v1/a.ckpt': tf.train.SaverDef.V1,
    'v1': tf.train.SaverDef.V1,
    'v1_zip/a.ckpt.zip': tf.train.SaverDef.V1,
    'v1_zip': tf.train.SaverDef.V1,
}
NAME = 'ssd_300_vgg_quarter/conv1/conv1_1/weights'


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    """A folder of each format, as the original's releases are."""
    folder = tmp_path_factory.mktemp('published')
    for name, version in (('v2', tf.train.SaverDef.V2),
                          ('v1', tf.train.SaverDef.V1)):
        (folder / name).mkdir()
        scripts.save_network(
            folder / name / 'a.ckpt', ssd_vgg_300.SSDQuarterNet(), version)
        # It holds the path of another machine, and is not published.
        (folder / name / 'checkpoint').unlink()
        (folder / f'{name}_zip').mkdir()
        with zipfile.ZipFile(
                folder / f'{name}_zip' / 'a.ckpt.zip', 'w') as archive:
            for path in (folder / name).iterdir():
                archive.write(path, path.name)
                archive.writestr(f'__MACOSX/._{path.name}', 'attributes')
    return folder


@pytest.fixture(scope='module')
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes')
    scripts.write_shapes(folder / 'voc', 2)
    scripts.write_records(
        folder / 'voc', folder / 'records', 'voc_2007_train')
    return folder / 'records'


@pytest.mark.parametrize('form', FORMS)
def test_every_form_is_restored(tmp_path, published, form):
    folder = pathlib.Path(form).parts[0]
    shutil.copytree(published / folder, tmp_path / folder)
    prefix = checkpoints.paths.find(str(tmp_path / form))
    assert prefix == str(tmp_path / folder / 'a.ckpt')
    expected = checkpoints.reader.open_reader(
        str(published / folder[:2] / 'a.ckpt')).get_tensor(NAME)
    net = ssd_vgg_300.SSDQuarterNet()
    with tf.Graph().as_default() as graph, tf.Session() as session:
        with checkpoints.restore.weights_of(prefix):
            net.net(tf.zeros([1, 300, 300, 3]), is_training=False)
        convolution = graph.get_operation_by_name(
            NAME.replace('weights', 'Conv2D'))
        np.testing.assert_array_equal(
            session.run(convolution.inputs[1]), expected)
        assert not tf.global_variables()


def test_evaluation(tmp_path, published, records):
    scripts.evaluate(
        dataset_name='pascalvoc_2007', dataset_split_name='train',
        dataset_dir=str(records), checkpoint_path=str(published / 'v2'),
        batch_size=2, model_name='ssd_300_vgg_quarter',
        eval_dir=str(tmp_path), report=False)
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert metrics['checkpoint'].endswith('a.ckpt')


def test_training(tmp_path, capsys, published, records):
    scripts.train(dataset_name='pascalvoc_2007',
        dataset_dir=str(records), train_dir=str(tmp_path), batch_size=1,
        checkpoint_path=str(published / 'v1'), max_number_of_steps=1,
        model_name='ssd_300_vgg_quarter',
        trainable_scopes=['ssd_300_vgg_quarter/block11_box'])
    assert '71 of 71 variables restored' in capsys.readouterr().out
    before, after = (
        checkpoints.reader.open_reader(prefix).get_tensor(NAME) for prefix in (
            str(published / 'v1' / 'a.ckpt'), str(tmp_path / 'model.ckpt-1')))
    np.testing.assert_array_equal(before, after)


@pytest.fixture
def hikapok(tmp_path):
    """A prefix with two variables named as HiKapok's are."""
    graph = tf.Graph()
    with graph.as_default(), tf.variable_scope('ssd300'):
        tf.get_variable('conv1/conv1_1/kernel', [3, 3, 3, 64])
        tf.get_variable('multibox_head/loc_0/kernel', [3, 3, 512, 16])
    with graph.as_default():
        scripts.save_graph(tmp_path / 'model.ckpt-9')
    return str(tmp_path / 'model.ckpt-9')


def test_hikapok_is_refused_by_what_uses_a_checkpoint(
        tmp_path, hikapok, records):
    folder = str(tmp_path)
    with pytest.raises(ValueError, match='model.ckpt-9: .*HiKapok.*order'):
        convert.convert(folder, 'ssd_300_vgg', None, None, None, None)
    data = {'dataset_name': 'pascalvoc_2007', 'dataset_split_name': 'train',
            'dataset_dir': str(records), 'checkpoint_path': folder}
    with pytest.raises(ValueError, match='model.ckpt-9: .*HiKapok.*order'):
        scripts.evaluate(**data)
    with pytest.raises(ValueError, match='model.ckpt-9: .*HiKapok.*order'):
        scripts.train(**data)


def test_inspection_of_any_checkpoint(hikapok, capsys):
    convert.inspect(hikapok)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['global_step', 'scalar']
    assert lines[1].split() == ['ssd300/conv1/conv1_1/kernel', '3x3x3x64']
    assert lines[-2] == '3 variables, 75,456 parameters'
    assert lines[-1].startswith('no ssd_metadata')


def test_inspection_does_not_count_what_training_adds(tmp_path, capsys):
    with tf.Graph().as_default():
        weights = tf.get_variable('net/weights', [2, 3])
        average = tf.train.ExponentialMovingAverage(.9)
        average.apply([weights])
        tf.train.AdamOptimizer().minimize(tf.reduce_sum(weights))
        checkpoints.metadata.variable(checkpoints.metadata.make(
            ssd_vgg_300.SSDNet(), ['cat']))
        scripts.save_graph(tmp_path / 'a.ckpt')
    convert.inspect(str(tmp_path))
    output = capsys.readouterr().out
    assert '8 variables, 6 parameters' in output
    metadata = json.loads(output[output.index('{'):])
    assert metadata['classes'] == ['cat']
