"""Preprocessings by name: that of a network, or of what they do."""
from preprocessing import resize_only
from preprocessing import ssd_vgg_preprocessing

preprocessings_map = {
    'ssd_300_vgg': ssd_vgg_preprocessing,
    'ssd_512_vgg': ssd_vgg_preprocessing,
    'ssd_300_vgg_quarter': ssd_vgg_preprocessing,
    'resize_only': resize_only,
}


def get_preprocessing(name):
    """Returns the module of a preprocessing.

    Args:
      name: of a network, or 'resize_only'.

    Returns:
      A module with `preprocess_for_train`, `preprocess_for_eval` and
      `Resize`.

    Raises:
      ValueError: if the name is not known.
    """
    if name not in preprocessings_map:
        raise ValueError(f'Unknown preprocessing {name!r}; '
                         f'known: {sorted(preprocessings_map)}.')
    return preprocessings_map[name]
