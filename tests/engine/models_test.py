import types

import pytest

from datasets import dataset_factory
from engine import checkpoints
from engine import models
from engine.evaluation import options
from nets import ssd_vgg_300
from preprocessing import ssd_vgg_preprocessing

CLASSES = ('cat', 'dog')
VOC_SIZES, COCO_SIZES = ssd_vgg_300.SSDNet.anchor_presets.values()


def metadata(sizes=VOC_SIZES):
    """Returns what a checkpoint of ssd_300_vgg_quarter says of itself."""
    network = ssd_vgg_300.SSDQuarterNet
    return checkpoints.metadata.make(
        network(network.default_params._replace(anchor_sizes=sizes)), CLASSES)


ROUNDED = tuple((low + 0.5, high) for low, high in VOC_SIZES)  # By Caffe.


@pytest.mark.parametrize('arguments, name, sizes', [
    ((None, CLASSES), 'ssd_300_vgg', COCO_SIZES),
    (('ssd_300_vgg', CLASSES, None, 'voc'), 'ssd_300_vgg', VOC_SIZES),
    ((None, 'abc', metadata()), 'ssd_300_vgg_quarter', VOC_SIZES),
    ((None, CLASSES, metadata(ROUNDED), 'voc'),
     'ssd_300_vgg_quarter', ROUNDED)])
def test_flags_say_it_then_the_checkpoint_then_the_default(
        arguments, name, sizes):
    network = models.make_network(*arguments)
    assert (network.name, network.params.anchor_sizes) == (name, sizes)
    assert network.params.num_classes == len(arguments[1]) + 1


@pytest.mark.parametrize('model_name, anchors, message', [
    ('ssd_300_vgg', None, '--model_name=ssd_300_vgg: the checkpoint is a '
     'ssd_300_vgg_quarter; leave the flag out'),
    (None, 'coco',
     r'--anchors=coco: .* \(\(30, 60\), .* these are \(\(21, 45\)')])
def test_flags_that_contradict_the_checkpoint(model_name, anchors, message):
    with pytest.raises(ValueError, match=message):
        models.make_network(model_name, CLASSES, metadata(), anchors)


def test_number_of_classes_of_the_flag(monkeypatch):
    dataset = types.SimpleNamespace(notes=(), labels=CLASSES)
    monkeypatch.setattr(
        dataset_factory, 'get_dataset', lambda *names: dataset)
    flags = options.Data('toy', 'records')
    assert models.open_dataset(flags) is dataset
    assert models.open_dataset(flags._replace(num_classes=3)) is dataset
    with pytest.raises(ValueError, match=(
            '--num_classes=2: the data set toy has 2 classes, 3 with '
            'background; leave the flag out')):
        models.open_dataset(flags._replace(num_classes=2))


@pytest.mark.parametrize('data, checkpoint, message', [
    (('cat', 'cow'), CLASSES, 'a.ckpt: its 2 classes are not the 2 of the '
     'data set; only in the data: cow; only in the checkpoint: dog'),
    (CLASSES, ['dog'], 'only in the checkpoint: none')])
def test_other_classes_than_the_datas_are_refused(data, checkpoint, message):
    with pytest.raises(ValueError, match=message):
        models.labels_of_data(data, {'classes': checkpoint}, 'a.ckpt')


def test_labels_of_data_by_their_names():
    for classes, unused, labels in ((['cat', 'dog'], [], [0, 1, 2]),
                                    (['dog', 'cat'], [], [0, 2, 1]),
                                    (['dog', 'N/A', 'cat'], [2], [0, 2, 0, 1])):
        assert models.labels_of_data(CLASSES, {
            'classes': classes, 'unused_labels': unused}, 'a.ckpt') == labels


def test_another_training_uses_all_its_labels():
    network = ssd_vgg_300.SSDQuarterNet
    known = checkpoints.metadata.make(network(
        network.default_params._replace(unused_labels=(2,))), CLASSES)
    assert models.make_network(
        None, CLASSES, known).params.unused_labels == (2,)
    assert models.make_network(None, ['cat'], known).params.unused_labels == ()


def test_a_networks_name_means_the_preprocessing_of_ssd():
    for name in None, 'ssd_vgg', 'ssd_300_vgg', 'ssd_512_vgg':
        assert models.get_preprocessing(name) is ssd_vgg_preprocessing
    with pytest.raises(ValueError, match='--preprocessing_name=vgg: unknown'):
        models.get_preprocessing('vgg')
