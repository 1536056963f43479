"""Networks by name."""
from nets import ssd
from nets import ssd_mobilenet
from nets import ssd_vgg_300
from nets import ssd_vgg_512

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
