import pytest

from engine import checkpoints
from engine import models
from nets import ssd_vgg_300

CLASSES = ('cat', 'dog')
VOC_SIZES = ssd_vgg_300.SSDNet.anchor_presets['voc']
COCO_SIZES = ssd_vgg_300.SSDNet.anchor_presets['coco']


def metadata(sizes=VOC_SIZES):
    """Returns what a checkpoint of ssd_300_vgg_quarter says of itself."""
    network = ssd_vgg_300.SSDQuarterNet
    return checkpoints.metadata.make(
        network(network.default_params._replace(anchor_sizes=sizes)),
        CLASSES)


def test_defaults():
    network = models.make_network(None, CLASSES)
    assert network.name == 'ssd_300_vgg'
    assert network.params.num_classes == 3
    assert network.params.anchor_sizes == COCO_SIZES


def test_flags():
    network = models.make_network('ssd_512_vgg', CLASSES)
    assert network.name == 'ssd_512_vgg'
    network = models.make_network('ssd_300_vgg', CLASSES, None, 'voc')
    assert network.params.anchor_sizes == VOC_SIZES


def test_checkpoint_says_what_flags_leave_out():
    network = models.make_network(None, CLASSES, metadata())
    assert network.name == 'ssd_300_vgg_quarter'
    assert network.params.anchor_sizes == VOC_SIZES
    assert network.params.depth_multiplier == 0.25


def test_number_of_classes_is_the_data_sets():
    network = models.make_network(None, ('a', 'b', 'c'), metadata())
    assert network.params.num_classes == 4


def test_model_name_that_contradicts_the_checkpoint():
    with pytest.raises(ValueError, match=(
            '--model_name=ssd_300_vgg: the checkpoint is a '
            'ssd_300_vgg_quarter; leave the flag out')):
        models.make_network('ssd_300_vgg', CLASSES, metadata())


def test_anchors_that_contradict_the_checkpoint():
    models.make_network(None, CLASSES, metadata(), 'voc')
    with pytest.raises(ValueError, match=(
            r'--anchors=coco: .* \(\(30, 60\), .* these are \(\(21, 45\)')):
        models.make_network(None, CLASSES, metadata(), 'coco')


def test_anchors_that_caffe_rounded_are_the_same():
    rounded = tuple((low + 0.5, high) for low, high in VOC_SIZES)
    network = models.make_network(None, CLASSES, metadata(rounded), 'voc')
    assert network.params.anchor_sizes == rounded


def test_unknown_network():
    with pytest.raises(ValueError, match=(
            '--model_name=ssd_301_vgg: unknown network; known: '
            'ssd_300_vgg, ssd_300_vgg_quarter, ssd_512_vgg')):
        models.make_network('ssd_301_vgg', CLASSES)


def test_number_of_classes_of_the_flag():
    models.check_num_classes(None, CLASSES, 'the data set toy')
    models.check_num_classes(3, CLASSES, 'the data set toy')
    with pytest.raises(ValueError, match=(
            '--num_classes=2: the data set toy has 2 classes, 3 with '
            'background; leave the flag out')):
        models.check_num_classes(2, CLASSES, 'the data set toy')


def test_classes_of_data_and_checkpoint():
    models.check_same_classes(('cat', 'dog'), ['cat', 'dog'], 'a.ckpt')
    with pytest.raises(ValueError, match=(
            'a.ckpt: its 2 classes are not the 2 of the data set; only in '
            'the data: cow; only in the checkpoint: dog')):
        models.check_same_classes(('cat', 'cow'), ['cat', 'dog'], 'a.ckpt')
    with pytest.raises(ValueError, match='; the order differs'):
        models.check_same_classes(('dog', 'cat'), ['cat', 'dog'], 'a.ckpt')
    with pytest.raises(ValueError, match='only in the checkpoint: none'):
        models.check_same_classes(('cat', 'dog'), ['dog'], 'a.ckpt')
