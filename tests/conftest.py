"""All tests run as the scripts do: TensorFlow 1 semantics, graph mode."""
import pytest
import tensorflow.compat.v1 as tf

from nets import nets_factory
from tests import small_trunk

tf.disable_v2_behavior()


@pytest.fixture(scope='module')
def small_trunk_registered():
    """Lets the small trunk be found by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets_factory.networks_map, small_trunk.SSDNet.name,
                      small_trunk.SSDNet)
        yield
