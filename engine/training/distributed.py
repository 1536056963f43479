"""Training on several machines: TensorFlow's runtime, by TF-Slim's flags.

Parameter servers hold the variables. Every worker runs the network over its
own batches; worker 0, the chief, saves and writes summaries. Workers apply
their gradients as they have them, or, with --sync_replicas, add them up to
those of one big batch.
"""
import time
from collections.abc import Callable

import tensorflow.compat.v1 as tf

from engine.training import gradients
from engine.training import options

PS = 'ps'
WORKER = 'worker'
# How long a parameter server waits for the others after the chief is done.
_GRACE_SECONDS = 120
_POLL_SECONDS = .5
# How long a worker that ends waits for threads that wait for other workers.
_STOP_SECONDS = 5
# How often a worker looks whether the chief has set the variables, and how
# long: TensorFlow's own workers look every 30 seconds, for as long.
_LOOK_SECONDS = 1
_MAX_WAIT_SECONDS = 7200


def check(run: options.Run):
    """Raises ValueError where the flags of several machines do not fit."""
    hosts = {PS: run.ps_hosts, WORKER: run.worker_hosts}
    if run.job_name is not None and not all(hosts.values()):
        raise ValueError(
            f'--job_name={run.job_name}: needs --ps_hosts and '
            '--worker_hosts, lists of host:port, the same for every process.')
    if run.job_name is None and any(hosts.values()):
        raise ValueError(
            '--ps_hosts, --worker_hosts: need --job_name=ps or worker, what '
            'this process is.')
    num_tasks = (run.num_workers if run.job_name in (None, WORKER)
                 else len(run.ps_hosts))
    if run.task >= num_tasks:
        raise ValueError(
            f'--task={run.task}: there are {num_tasks} of '
            f'{run.job_name or WORKER}, numbered from 0.')
    if run.num_workers > 1 and not run.num_ps:
        raise ValueError(
            f'--worker_replicas={run.worker_replicas}: need a parameter '
            'server; give --ps_hosts, or --master and --num_ps_tasks.')
    if run.sync_replicas and not run.num_ps:
        raise ValueError(
            '--sync_replicas: is for several machines; on one, use '
            '--num_clones and --accumulate_steps.')


def device_function(run: options.Run) -> Callable | None:
    """Returns what tf.device takes: variables go to parameter servers."""
    if not run.num_ps:
        return None
    return tf.train.replica_device_setter(
        run.num_ps, worker_device=f'/job:{WORKER}/task:{run.task}')


def start_session(run: options.Run, scaffold: tf.train.Scaffold,
                  config: tf.ConfigProto, hooks: list[tf.train.SessionRunHook],
                  ) -> tf.train.MonitoredSession:
    """Returns a session; but for a worker's it restores, saves, summarises.

    Args:
      run: which process of which machines this is.
      scaffold: of the graph.
      config: of the session.
      hooks: of the training.
    """
    if run.num_ps:  # It goes on while other workers are gone.
        config.device_filters.extend(
            [f'/job:{PS}', f'/job:{WORKER}/task:{run.task}'])
    master = run.master if run.job_name is None else _server(
        run, config).target
    if not run.is_chief:
        return tf.train.MonitoredSession(
            _WorkerSessionCreator(scaffold, master, config), hooks,
            stop_grace_period_secs=_STOP_SECONDS)
    if run.save_interval_steps is not None:
        hooks = [*hooks, tf.train.CheckpointSaverHook(
            run.train_dir, save_steps=run.save_interval_steps,
            scaffold=scaffold)]
    return tf.train.MonitoredTrainingSession(
        master, checkpoint_dir=run.train_dir, scaffold=scaffold,
        config=config, hooks=hooks,
        save_checkpoint_secs=run.save_interval_secs,
        save_summaries_secs=run.save_summaries_secs,
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


def _server(run, config):
    cluster = tf.train.ClusterSpec(
        {PS: run.ps_hosts, WORKER: run.worker_hosts})
    try:
        return tf.train.Server(
            cluster, job_name=run.job_name, task_index=run.task,
            config=config)
    except tf.errors.OpError as error:
        address = cluster.task_address(run.job_name, run.task)
        raise ValueError(
            f'{address}: this process, --job_name={run.job_name} '
            f'--task={run.task}, cannot serve there: '
            f'{error.message.splitlines()[0]}') from None


def serve(run: options.Run):
    """Holds variables until the workers are done."""
    # A GPU would be taken whole, and is not used.
    server = _server(run, tf.ConfigProto(device_count={'GPU': 0}))
    print(f'Parameter server {run.task} of {len(run.ps_hosts)} '
          f'waits for {len(run.worker_hosts)} workers.', flush=True)
    tasks = set(range(len(run.worker_hosts)))
    config = tf.ConfigProto(device_filters=[f'/job:{PS}/task:{run.task}'])
    with tf.Graph().as_default(), tf.Session(
            server.target, config=config) as session:
        queue = _done_queue(run.task)
        size, dequeue = queue.size(), queue.dequeue()
        done, deadline = set(), float('inf')
        while done != tasks and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            while session.run(size):
                done.add(int(session.run(dequeue)))
                if 0 in done:
                    deadline = time.monotonic() + _GRACE_SECONDS
    print(f'Parameter server {run.task}: the workers are done.')


def _done_queue(ps_task):
    """Returns the queue of a parameter server with the tasks that ended."""
    with tf.device(f'/job:{PS}/task:{ps_task}/device:CPU:0'):
        return tf.FIFOQueue(1000, tf.int32, [], shared_name='workers_done')


class DoneHook(tf.train.SessionRunHook):
    """Tells the parameter servers that this worker is done."""

    def __init__(self, run: options.Run):
        self._run = run

    def begin(self):
        """Makes the queues' operations."""
        self._tell = [_done_queue(task).enqueue(self._run.task)
                      for task in range(self._run.num_ps)]

    def end(self, session):
        """Runs them."""
        session.run(self._tell)


class Aggregator:
    """Adds the gradients of workers up on the parameter servers.

    Every worker gives the sum of its gradients and the matched anchors of
    its batch; the sum of the first over the sum of the second is the gradient
    of one big batch, however it was split.
    """

    def __init__(self, run: options.Run):
        self._num_workers = run.num_workers
        self._num_needed = run.num_to_aggregate
        self._optimizer = None

    def train_op(self, apply: Callable, step: gradients.Gradients,
                 global_step: tf.Variable) -> tf.Operation:
        """Returns the operation of a step; see optimization.train_op.

        Args:
          apply: function of a list of gradients, those of the big batch;
            returns the operation that applies them.
          step: Gradients of this worker's batch.
          global_step: int64 variable.
        """
        self._optimizer = tf.train.SyncReplicasOptimizer(
            _Quotient(apply, self._num_needed), self._num_needed,
            self._num_workers)
        # SyncReplicasOptimizer keeps sums by variable; this one is a name.
        counter = tf.get_variable(
            'num_positives', [], trainable=False,
            collections=[tf.GraphKeys.LOCAL_VARIABLES])
        # Nothing is counted of a batch whose gradients are refused.
        with tf.control_dependencies(step.gradients):
            num_positives = tf.identity(step.losses.num_positives)
        weight = tf.maximum(num_positives, 1.)
        pairs = zip(step.gradients, step.variables, strict=True)
        return self._optimizer.apply_gradients(
            [(gradient * weight, variable) for gradient, variable in pairs]
            + [(num_positives, counter)], global_step)

    def make_hook(self, is_leader: bool) -> tf.train.SessionRunHook:
        """Returns the hook that a session needs."""
        return self._optimizer.make_session_run_hook(is_leader)


class _Quotient:
    """An optimiser, for SyncReplicasOptimizer: divides, then applies."""

    def __init__(self, apply, num_workers):
        self._apply = apply
        self._num_workers = num_workers

    def apply_gradients(self, grads_and_vars, global_step):
        """Takes means over the workers, the last that of the counts."""
        *means, num_positives = [gradient for gradient, _ in grads_and_vars]
        normaliser = tf.maximum(num_positives, 1. / self._num_workers)
        del global_step  # Known to the function.
        return self._apply([mean / normaliser for mean in means])
