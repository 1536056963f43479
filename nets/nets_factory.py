"""Networks by name."""
from nets import ssd
from nets import ssd_inception
from nets import ssd_mobilenet
from nets import ssd_resnet
from nets import ssd_vgg_300
from nets import ssd_vgg_512
from nets import ssd_vgg_bn

networks_map = {
    'ssd_300_vgg': ssd_vgg_300.SSDNet,
    'ssd_300_vgg_quarter': ssd_vgg_300.SSDQuarterNet,
    'ssd_512_vgg': ssd_vgg_512.SSDNet,
    'ssd_300_mobilenet_v1': ssd_mobilenet.SSDV1Net,
    'ssd_300_mobilenet_v1_half': ssd_mobilenet.SSDV1HalfNet,
    'ssd_300_mobilenet_v1_quarter': ssd_mobilenet.SSDV1QuarterNet,
    'ssdlite_320_mobilenet_v2': ssd_mobilenet.SSDLiteV2Net,
    'ssdlite_320_mobilenet_v2_half': ssd_mobilenet.SSDLiteV2HalfNet,
    'ssdlite_320_mobilenet_v2_quarter': ssd_mobilenet.SSDLiteV2QuarterNet,
    'ssd_300_resnet_50': ssd_resnet.SSD300Net,
    'ssd_300_resnet_50_half': ssd_resnet.SSD300HalfNet,
    'ssd_300_resnet_50_quarter': ssd_resnet.SSD300QuarterNet,
    'ssd_512_resnet_50': ssd_resnet.SSD512Net,
    'ssd_512_resnet_50_half': ssd_resnet.SSD512HalfNet,
    'ssd_512_resnet_50_quarter': ssd_resnet.SSD512QuarterNet,
    'ssd_300_inception_v2': ssd_inception.SSDNet,
    'ssd_300_inception_v2_half': ssd_inception.SSDHalfNet,
    'ssd_300_inception_v2_quarter': ssd_inception.SSDQuarterNet,
    'ssd_300_vgg_bn': ssd_vgg_bn.SSDNet,
    'ssd_300_vgg_bn_half': ssd_vgg_bn.SSDHalfNet,
    'ssd_300_vgg_bn_quarter': ssd_vgg_bn.SSDQuarterNet,
}


def get_network(name: str) -> type[ssd.SSDNet]:
    """Returns the SSDNet class of a name.

    Raises:
      ValueError: for an unknown name; it lists the known ones.
    """
    if name not in networks_map:
        raise ValueError(
            f'--model_name={name}: unknown network; known: '
            f'{", ".join(sorted(networks_map))}.')
    return networks_map[name]
