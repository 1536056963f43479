import pytest
import tensorflow.compat.v1 as tf

from detection import targets
from engine.training import deployment
from tests import scripts


def test_clone_devices():
    assert deployment.clone_devices(2) == ['/device:GPU:0', '/device:GPU:1']
    assert deployment.clone_devices(2, clone_on_cpu=True) == [
        '/device:CPU:0', '/device:CPU:1']
    with pytest.raises(ValueError, match='--num_clones=0: at least 1'):
        deployment.clone_devices(0)


def test_split_keeps_structures():
    with tf.Graph().as_default(), tf.Session() as session:
        parts = deployment.split(
            (tf.range(4), targets.Targets(tf.range(4, 8), tf.eye(4))), 2)
        (images, batch_targets), (_, other_targets) = session.run(parts)
    assert images.tolist() == [0, 1]
    assert batch_targets.labels.tolist() == [4, 5]
    assert other_targets.labels.tolist() == [6, 7]
    assert other_targets.localisations.shape == (2, 4)


def test_sizes_of_batches():
    options = scripts.options(
        'train_ssd_network', batch_size=4, num_clones=2, accumulate_steps=3,
        worker_replicas=5)
    assert deployment.images_per_step(options) == 24
    assert deployment.global_batch_size(options) == 24
    options.sync_replicas = True
    assert deployment.global_batch_size(options) == 120
    options.replicas_to_aggregate = 4
    assert deployment.global_batch_size(options) == 96
