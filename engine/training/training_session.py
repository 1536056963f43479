"""The session of a training: of one machine, the chief's, or a worker's."""
import tensorflow.compat.v1 as tf

from engine.training import distributed

# How long a worker that ends waits for threads that wait for other workers.
_STOP_SECONDS = 5
# How often a worker looks whether the chief has set the variables, and how
# long: TensorFlow's own workers look every 30 seconds, for as long.
_LOOK_SECONDS = 1
_MAX_WAIT_SECONDS = 7200


def start(options, scaffold, config, hooks):
    """Returns a tf.train.MonitoredSession, a context manager.

    But for a worker's it restores, saves and writes summaries.

    Args:
      options: the flags of train_ssd_network.py as attributes.
      scaffold: tf.train.Scaffold.
      config: tf.ConfigProto.
      hooks: list of tf.train.SessionRunHook.
    """
    distributed.configure(config, options)
    master = distributed.start_server(options, config)
    if not distributed.is_chief(options):
        return tf.train.MonitoredSession(
            _WorkerSessionCreator(scaffold, master, config), hooks,
            stop_grace_period_secs=_STOP_SECONDS)
    return tf.train.MonitoredTrainingSession(
        master, checkpoint_dir=options.train_dir, scaffold=scaffold,
        config=config, hooks=hooks,
        save_checkpoint_secs=options.save_interval_secs,
        save_summaries_secs=options.save_summaries_secs,
        save_summaries_steps=None, log_step_count_steps=None,
        stop_grace_period_secs=_STOP_SECONDS)


class _WorkerSessionCreator(tf.train.SessionCreator):
    """tf.train.WorkerSessionCreator, but looks every _LOOK_SECONDS."""

    def __init__(self, scaffold, master, config):
        self._scaffold = scaffold
        self._master = master
        self._config = config

    def create_session(self):
        """Returns a session once the chief has set the variables."""
        self._scaffold.finalize()
        return tf.train.SessionManager(
            local_init_op=self._scaffold.local_init_op,
            ready_op=self._scaffold.ready_op,
            ready_for_local_init_op=self._scaffold.ready_for_local_init_op,
            recovery_wait_secs=_LOOK_SECONDS).wait_for_session(
                self._master, self._config, _MAX_WAIT_SECONDS)
