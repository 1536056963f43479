"""Converts a Caffe SSD model to a TensorFlow checkpoint."""
from typing import Annotated
from typing import NamedTuple

from engine import cli


class Options(NamedTuple):
    """What is converted to what."""
    model_name: Annotated[
        str, 'Network: ssd_300_vgg, ssd_512_vgg, or vgg_16_reduced for '
        'VGG_ILSVRC_16_layers_fc_reduced.caffemodel, the trunk alone.'
        ] = 'ssd_300_vgg'
    num_classes: Annotated[
        int | None, 'Number of classes, background included; the file knows '
        'it.'] = None
    caffemodel_path: Annotated[str | None, '.caffemodel to convert.'] = None
    output_path: Annotated[
        str | None, 'Checkpoint to write; beside the .caffemodel, as .ckpt, if '
        'not given.'] = None
    labels_file: Annotated[
        str | None, 'Class names, one a line, without background. Not needed '
        'for the 20 of VOC and the 80 of COCO.'] = None
    anchors: Annotated[
        str | None, 'voc or coco. Needed, and allowed, only for a file without '
        'PriorBox layers.'] = None
    inspect: Annotated[
        str | None, 'Print what is in a .caffemodel or a checkpoint, and '
        'convert nothing.'] = None


GROUPS = (Options,)


def main(options):
    """Converts, or inspects, by the flags."""
    if options.inspect is None:
        cli.require(caffemodel_path=options.caffemodel_path)
    from engine.importing import convert
    if options.inspect is not None:
        convert.inspect(options.inspect)
    else:
        convert.convert(
            options.caffemodel_path, options.model_name, options.num_classes,
            options.labels_file, options.anchors, options.output_path)


if __name__ == '__main__':
    cli.run(main, *GROUPS)
