import pytest

from common import tensorflow_version


@pytest.mark.parametrize('version', ['2.16.1', '2.18.0-rc1', '2.21.0'])
def test_supported_versions_pass(version, recwarn):
    tensorflow_version.check(version)
    assert not recwarn


def test_older_ones_are_refused_and_newer_ones_a_warning():
    for version in '1.15.5', '2.15.1':
        with pytest.raises(ValueError, match=(
                rf'{version} is not supported; 2\.16 to 2\.21')):
            tensorflow_version.check(version)
    for version in '2.22.0', '3.0.0':
        with pytest.warns(UserWarning, match=f'{version} is newer than 2.21'):
            tensorflow_version.check(version)
