"""Networks with the weights of a checkpoint, as constants."""
import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints


@pytest.fixture
def prefix(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable('net/a', initializer=1.)
        tf.get_variable('net/a/ExponentialMovingAverage', initializer=2.)
        tf.get_variable('net/half', initializer=tf.constant(3., tf.float16))
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(tmp_path / 'a.ckpt'))


@pytest.mark.parametrize('decay, expected', [(None, 1), (0.9, 2)])
def test_weights_or_their_moving_averages_as_constants(
        prefix, decay, expected):
    with tf.Graph().as_default(), tf.Session() as session:
        with (checkpoints.restore.weights_of(prefix, decay),
              tf.variable_scope('net')):
            weight = tf.get_variable('a', [])
        assert session.run(weight) == expected
        assert not tf.global_variables()


@pytest.mark.parametrize('name, shape, decay, fault', [
    ('b', [2], None, 'net/b is missing'),
    ('half', [], 0.9, 'net/half/ExponentialMovingAverage is missing'),
    ('a', [2], None, r'net/a is \[\], not \[2\]'),
    ('half', [], None, 'net/half is float16, not float32')])
def test_weights_that_do_not_fit_are_refused(
        prefix, name, shape, decay, fault):
    with tf.Graph().as_default(), pytest.raises(
            ValueError, match=f'a.ckpt: does not fit the network: {fault}'):
        with (checkpoints.restore.weights_of(prefix, decay),
              tf.variable_scope('net')):
            tf.get_variable(name, shape)
