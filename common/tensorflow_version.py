"""Which TensorFlow versions this project runs on."""
OLDEST = (2, 16)
NEWEST = (2, 21)


def check(version):
    """Raises ValueError if TensorFlow `version`, e.g. '2.21.0', is unknown."""
    release = tuple(int(part) for part in version.split('.')[:2])
    if not OLDEST <= release <= NEWEST:
        oldest, newest = ('.'.join(map(str, pair)) for pair in (OLDEST, NEWEST))
        raise ValueError(
            f'TensorFlow {version} is not supported; {oldest} to {newest} '
            f'are. Install one: pip install "tensorflow=={newest}.*"')
