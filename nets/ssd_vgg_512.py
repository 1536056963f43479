"""SSD512 over VGG-16: 24564 anchors. Extra blocks as in the original."""
from nets import ssd
from nets import ssd_vgg


class SSDNet(ssd_vgg.SSDVGGNet):
    """SSD512; the default anchors are the original's (for COCO)."""
    name = 'ssd_512_vgg'
    anchor_presets = {
        'voc': ((35.84, 76.8), (76.8, 153.6), (153.6, 230.4), (230.4, 307.2),
                (307.2, 384.), (384., 460.8), (460.8, 537.6)),
        'coco': ((20.48, 51.2), (51.2, 133.12), (133.12, 215.04),
                 (215.04, 296.96), (296.96, 378.88), (378.88, 460.8),
                 (460.8, 542.72)),
    }
    default_params = ssd.SSDParams(
        img_shape=(512, 512),
        num_classes=21,
        feat_layers=('block4', 'block7', 'block8', 'block9',
                     'block10', 'block11', 'block12'),
        feat_shapes=((64, 64), (32, 32), (16, 16), (8, 8),
                     (4, 4), (2, 2), (1, 1)),
        extra_blocks=(
            ssd.ExtraBlock('block8', 256, 512, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block9', 128, 256, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block10', 128, 256, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block11', 128, 256, kernel=3, stride=2, pad=1),
            ssd.ExtraBlock('block12', 128, 256, kernel=4, stride=1, pad=1)),
        anchor_sizes=anchor_presets['coco'],
        anchor_ratios=((2, 1 / 2), (2, 1 / 2, 3, 1 / 3), (2, 1 / 2, 3, 1 / 3),
                       (2, 1 / 2, 3, 1 / 3), (2, 1 / 2, 3, 1 / 3),
                       (2, 1 / 2), (2, 1 / 2)),
        anchor_steps=(8, 16, 32, 64, 128, 256, 512),
        normalizations=(20, None, None, None, None, None, None))
