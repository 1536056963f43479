"""SSD300 over VGG-16: 8732 anchors. Caffe examples/ssd/ssd_pascal.py."""
from nets import ssd
from nets import ssd_vgg


class SSDNet(ssd_vgg.SSDVGGNet):
    """SSD300; the default anchors are the original's (Caffe's for COCO)."""
    name = 'ssd_300_vgg'
    anchor_presets = {
        'voc': ((30, 60), (60, 111), (111, 162),
                (162, 213), (213, 264), (264, 315)),
        'coco': ((21, 45), (45, 99), (99, 153),
                 (153, 207), (207, 261), (261, 315)),
    }
    default_params = ssd.SSDParams(
        img_shape=(300, 300),
        num_classes=21,
        feat_layers=('block4', 'block7', 'block8',
                     'block9', 'block10', 'block11'),
        feat_shapes=((38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)),
        extra_blocks=(
            ssd.ExtraBlock('block8', 256, 512, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block9', 128, 256, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block10', 128, 256, kernel=3, stride=1, pad=0),
            ssd.ExtraBlock('block11', 128, 256, kernel=3, stride=1, pad=0)),
        anchor_sizes=anchor_presets['coco'],
        anchor_ratios=((2, 1 / 2), (2, 1 / 2, 3, 1 / 3), (2, 1 / 2, 3, 1 / 3),
                       (2, 1 / 2, 3, 1 / 3), (2, 1 / 2), (2, 1 / 2)),
        anchor_steps=(8, 16, 32, 64, 100, 300),
        normalizations=(20, None, None, None, None, None))


class SSDQuarterNet(SSDNet):
    """SSD300 with a quarter of the channels, for CPUs and first tries."""
    name = 'ssd_300_vgg_quarter'
    default_params = SSDNet.default_params._replace(depth_multiplier=0.25)
