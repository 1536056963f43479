"""Which TensorFlow versions this project runs on."""
import warnings

OLDEST = (2, 16)
NEWEST = (2, 21)


def check(version: str):
    """Warns of a TensorFlow that is newer than what was tried.

    Args:
      version: of TensorFlow, such as '2.21.0'.

    Raises:
      ValueError: it is too old.
    """
    release = tuple(int(part) for part in version.split('.')[:2])
    oldest, newest = ('.'.join(map(str, pair)) for pair in (OLDEST, NEWEST))
    if release < OLDEST:
        raise ValueError(
            f'TensorFlow {version} is not supported; {oldest} to {newest} '
            f'are. Install one: pip install "tensorflow=={newest}.*"')
    if release > NEWEST:
        warnings.warn(
            f'TensorFlow {version} is newer than {newest}, up to which all is '
            'tried. If something fails, install that: pip install '
            f'"tensorflow=={newest}.*"', stacklevel=2)
