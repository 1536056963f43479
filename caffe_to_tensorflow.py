"""Converts weights of other projects to a TensorFlow checkpoint."""
from typing import Annotated
from typing import NamedTuple

from engine import cli


class Options(NamedTuple):
    """What is converted to what."""
    model_name: Annotated[
        str | None, 'Network: ssd_300_vgg, ssd_512_vgg, or vgg_16_reduced for '
        'a reduced VGG-16, the trunk alone; default: what the file says, else '
        'ssd_300_vgg.'] = None
    num_classes: Annotated[
        int | None, 'Number of classes, background included; the file knows '
        'it.'] = None
    caffemodel_path: Annotated[
        str | None, '.caffemodel, or another file, to convert.'] = None
    output_path: Annotated[
        str | None, 'Checkpoint to write; beside the file, as .ckpt, if not '
        'given.'] = None
    labels: Annotated[
        str | None, 'Class names without background, with commas between. Not '
        'needed for the 20 of VOC and the 80 of COCO.'] = None
    labels_file: Annotated[
        str | None, 'The same from a file, one name a line.'] = None
    anchors: Annotated[
        str | None, 'voc or coco. Needed, and allowed, only for a file that '
        'does not say its anchors.'] = None
    absolute_coordinates: Annotated[
        bool, "For a checkpoint of HiKapok's branch AbsoluteCoord, which does "
        'not say that it is one.'] = False
    inspect: Annotated[
        str | None, 'Print what is in a file or a checkpoint, and convert '
        'nothing.'] = None


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
            options.labels_file, options.anchors, options.output_path,
            options.labels, options.absolute_coordinates)


if __name__ == '__main__':
    cli.run(main, *GROUPS)
