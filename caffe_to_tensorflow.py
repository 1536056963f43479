"""Converts a Caffe SSD model to a TensorFlow checkpoint."""
from absl import flags

from engine import cli

flags.DEFINE_string(
    'model_name', 'ssd_300_vgg',
    'Network: ssd_300_vgg, ssd_512_vgg, or vgg_16_reduced for '
    'VGG_ILSVRC_16_layers_fc_reduced.caffemodel, the trunk alone.')
flags.DEFINE_integer(
    'num_classes', None,
    'Number of classes, background included; the file knows it.')
flags.DEFINE_string('caffemodel_path', None, '.caffemodel to convert.')
flags.DEFINE_string(
    'output_path', None,
    'Checkpoint to write; beside the .caffemodel, as .ckpt, if not given.')
flags.DEFINE_string(
    'labels_file', None,
    'Class names, one a line, without background. Not needed for the 20 of '
    'VOC and the 80 of COCO.')
flags.DEFINE_string(
    'anchors', None,
    'voc or coco. Needed, and allowed, only for a file without PriorBox '
    'layers.')
flags.DEFINE_string(
    'inspect', None,
    'Print what is in a .caffemodel or a checkpoint, and convert nothing.')
FLAGS = flags.FLAGS


def main():
    """Converts, or inspects, by the flags."""
    if FLAGS.inspect is None:
        cli.require('caffemodel_path')
    from engine.importing import convert
    if FLAGS.inspect is not None:
        convert.inspect(FLAGS.inspect)
    else:
        convert.convert(
            FLAGS.caffemodel_path, FLAGS.model_name, FLAGS.num_classes,
            FLAGS.labels_file, FLAGS.anchors, FLAGS.output_path)


if __name__ == '__main__':
    cli.run(main)
