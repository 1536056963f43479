"""Preprocessings by name: what they do, not for which network."""
import types

from preprocessing import resize_only
from preprocessing import ssd_vgg_mild
from preprocessing import ssd_vgg_mild_no_up
from preprocessing import ssd_vgg_preprocessing

preprocessings_map = {
    'ssd_vgg': ssd_vgg_preprocessing,
    'ssd_vgg_mild': ssd_vgg_mild,
    'ssd_vgg_mild_no_up': ssd_vgg_mild_no_up,
    'resize_only': resize_only,
}


def get_preprocessing(name: str | None = None) -> types.ModuleType:
    """Returns the module of a preprocessing.

    Args:
      name: of preprocessings_map; None: SSD's own, ssd_vgg.

    Returns:
      A module with `preprocess_for_train`, `preprocess_for_eval` and
      `Resize`. The first two take the mean and the scale of the network.

    Raises:
      ValueError: if the name is not known.
    """
    name = name or 'ssd_vgg'
    if name not in preprocessings_map:
        raise ValueError(f'--preprocessing_name={name}: unknown '
                         f'preprocessing; known: '
                         f'{", ".join(sorted(preprocessings_map))}.')
    return preprocessings_map[name]
