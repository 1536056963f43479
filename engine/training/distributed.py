"""Training on several machines: TensorFlow's runtime, by TF-Slim's flags.

Parameter servers hold the variables. Every worker runs the network over its
own batches; worker 0, the chief, saves and writes summaries. Workers apply
their gradients as they have them, or, with --sync_replicas, add them up to
those of one big batch.
"""
import time
from collections.abc import Callable
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from engine import runtime
from engine.training import gradients
from engine.training import options

# How long a parameter server waits for the others after the chief is done,
# and a worker that ends for its threads, which may wait for other workers.
_GRACE_SECONDS, _STOP_SECONDS = 120, 5
# How often a worker looks whether the chief is ready, and for how long.
_LOOK_SECONDS, _WAIT_SECONDS = 1, 30 * 60


def check(run: options.Run):
    """Raises ValueError where flags and machines do not fit together."""
    job, hosts = run.job_name, (run.ps_hosts, run.worker_hosts)
    num_tasks = len(run.ps_hosts or ()) if job == 'ps' else run.num_workers
    num_gpus = len(tf.config.list_physical_devices('GPU'))
    has_clones_here = run.num_clones > 1 and job != 'ps' and not (
        run.clone_on_cpu or run.master)
    for is_wrong, fault in (
            (has_clones_here and run.num_clones > num_gpus,
             f'--num_clones={run.num_clones}: TensorFlow sees {num_gpus} GPUs '
             'here; give as many at the most, or --clone_on_cpu.'),
            (job is not None and not all(hosts),
             f'--job_name={job}: needs --ps_hosts and --worker_hosts, lists '
             'of host:port, the same for every process.'),
            (job is None and any(hosts),
             '--ps_hosts, --worker_hosts: need --job_name=ps or worker, what '
             'this process is.'),
            (run.task >= num_tasks,
             f'--task={run.task}: there are {num_tasks} of {job or "worker"}, '
             'numbered from 0.'),
            (run.num_workers > 1 and not run.num_ps,
             f'--worker_replicas={run.worker_replicas}: need a parameter '
             'server; give --ps_hosts, or --master and --num_ps_tasks.'),
            (run.sync_replicas and not run.num_ps,
             '--sync_replicas: is for several machines; on one, use '
             '--num_clones and --accumulate_steps.')):
        if is_wrong:
            raise ValueError(fault)


def start_session(
        run: options.Run, scaffold: tf.train.Scaffold,
        hooks: list[tf.train.SessionRunHook]) -> tf.train.MonitoredSession:
    """Returns a session; the chief's restores, saves and summarises."""
    target, config = _connection(run)
    if not run.is_chief:
        return tf.train.MonitoredSession(
            _WorkerSessionCreator(target, config, scaffold), hooks,
            stop_grace_period_secs=_STOP_SECONDS)
    every_steps = [] if run.save_interval_steps is None else [
        tf.train.CheckpointSaverHook(
            run.train_dir, save_steps=run.save_interval_steps,
            scaffold=scaffold)]
    return tf.train.MonitoredTrainingSession(
        target, True, run.train_dir, scaffold, hooks, every_steps,
        save_checkpoint_secs=run.save_interval_secs,
        save_summaries_secs=run.save_summaries_secs,
        save_summaries_steps=None, log_step_count_steps=None, config=config,
        stop_grace_period_secs=_STOP_SECONDS)


class _WorkerSessionCreator(tf.train.SessionCreator):
    """TensorFlow's own, which looks for the chief every 30 seconds only."""

    def __init__(self, target, config, scaffold):
        self._target, self._config = target, config
        self._scaffold = scaffold

    def create_session(self):
        """Returns a session as soon as the chief has begun."""
        self._scaffold.finalize()
        return tf.train.SessionManager(
            local_init_op=self._scaffold.local_init_op,
            ready_op=self._scaffold.ready_op,
            ready_for_local_init_op=self._scaffold.ready_for_local_init_op,
            recovery_wait_secs=_LOOK_SECONDS).wait_for_session(
                self._target, self._config, _WAIT_SECONDS)


def _connection(run):
    """Returns where a worker's session runs, and its configuration."""
    config = runtime.session_config(
        run.gpu_memory_fraction, run.num_clones if run.clone_on_cpu else 1)
    if run.num_ps:  # It goes on while other workers are gone.
        config.device_filters.extend(
            ['/job:ps', f'/job:worker/task:{run.task}'])
    target = _server(run, config).target if run.job_name else run.master
    return target, config


def _server(run, config):
    hosts = {'ps': run.ps_hosts, 'worker': run.worker_hosts}
    try:
        return tf.train.Server(hosts, run.job_name, run.task, config=config)
    except tf.errors.OpError as error:
        raise ValueError(
            f'{hosts[run.job_name][run.task]}: this process, --job_name='
            f'{run.job_name} --task={run.task}, cannot serve there: '
            f'{error.message.splitlines()[0]}') from None


def serve(run: options.Run):
    """Holds variables until the workers are done."""
    # A GPU would be taken whole, and is not used.
    server = _server(run, tf.ConfigProto(device_count={'GPU': 0}))
    print(f'Parameter server {run.task} of {run.num_ps} '
          f'waits for {run.num_workers} workers.', flush=True)
    config = tf.ConfigProto(device_filters=[f'/job:ps/task:{run.task}'])
    with tf.Graph().as_default(), tf.Session(
            server.target, config=config) as session:
        queue = _done_queue(run.task)
        size, dequeue = queue.size(), queue.dequeue()
        done, deadline = set(), float('inf')
        while len(done) < run.num_workers and time.monotonic() < deadline:
            time.sleep(.5)
            while session.run(size):
                done.add(int(session.run(dequeue)))
                if 0 in done:
                    deadline = time.monotonic() + _GRACE_SECONDS
    print(f'Parameter server {run.task}: the workers are done.')


def done_ops(run: options.Run) -> list[tf.Operation]:
    """Returns what tells the parameter servers that this worker is done."""
    return [_done_queue(task).enqueue(run.task) for task in range(run.num_ps)]


def tell_done(run: options.Run):
    """Tells them so without a training."""
    target, config = _connection(run)
    with tf.Graph().as_default(), tf.Session(target, config=config) as session:
        session.run(done_ops(run))


def _done_queue(ps_task):
    """Returns the queue of a parameter server with the tasks that ended."""
    with tf.device(f'/job:ps/task:{ps_task}/device:CPU:0'):
        return tf.FIFOQueue(1000, tf.int32, [], shared_name='workers_done')


class LastStep:
    """How workers learn that the chief ends a training before its last step.

    Make it in the graph, before a session.
    """

    def __init__(self, run: options.Run):
        self._is_sync, self._variable = run.sync_replicas, None
        if run.num_ps and run.patience is not None:
            with tf.device('/job:ps/task:0/device:CPU:0'):
                # In no collection: neither initialised nor saved.
                self._variable = tf.get_variable(
                    'last_step', [], tf.int64, tf.zeros_initializer(),
                    trainable=False, collections=[], use_resource=False)
                self._given = tf.placeholder(tf.int64, [])
                self._assigned = tf.assign(self._variable, self._given)
                self._is_known = tf.is_variable_initialized(self._variable)

    def end(self, session: tf.train.MonitoredSession, step: int) -> bool:
        """Tells all workers to end; returns whether this one may at once.

        Those that make their steps together have begun the next one already.
        """
        is_last = self._variable is None or not self._is_sync
        if self._variable is not None:
            self._run(session, self._assigned,
                      {self._given: step if is_last else step + 1})
        return is_last

    def is_done(self, session: tf.train.MonitoredSession, step: int) -> bool:
        """Whether the last step is done, if any worker was told of one."""
        return (self._variable is not None
                and self._run(session, self._is_known)
                and step >= self._run(session, self._variable))

    def _run(self, session, fetch, feed=None):
        # Of the session itself: its hooks have no part in it.
        return session.run_step_fn(
            lambda step_context: step_context.session.run(fetch, feed))


class Aggregator:
    """Adds the gradients of workers up on the parameter servers.

    Every worker gives its gradients times the matched anchors of its batch,
    and the latter; the sum of the first over the sum of the second is the
    gradient of one big batch, however it was split.
    """

    def __init__(self, run: options.Run):
        self._run = run
        self.hook = None  # Of the session, after train_op.

    def train_op(self, apply: Callable, step: gradients.Gradients,
                 global_step: tf.Variable) -> tf.Operation:
        """Returns the operation of a step; see optimization.train_op.

        `apply`, a function, gets the gradients of the big batch, a list, and
        returns the operation that applies them.
        """
        optimizer = tf.train.SyncReplicasOptimizer(
            _Quotient(apply, self._run.num_to_aggregate),
            self._run.num_to_aggregate, self._run.num_workers)
        # SyncReplicasOptimizer keeps sums by variable; this one is a name.
        counter = tf.get_variable(
            'num_positives', [], trainable=False,
            collections=[tf.GraphKeys.LOCAL_VARIABLES])
        # Nothing is counted of a batch whose gradients are refused.
        with tf.control_dependencies(step.gradients):
            num_positives = tf.identity(step.losses.num_positives)
        weight = tf.maximum(num_positives, 1.)
        sums = [gradient * weight for gradient in step.gradients]
        train_op = optimizer.apply_gradients(
            [*zip(sums, step.variables, strict=True),
             (num_positives, counter)], global_step)
        self.hook = optimizer.make_session_run_hook(self._run.is_chief)
        return train_op


class _Quotient(NamedTuple):
    """An optimiser, for SyncReplicasOptimizer: divides, then applies."""
    apply: Callable
    num_workers: int

    def apply_gradients(self, grads_and_vars, global_step):
        """Takes means over the workers, the last that of the counts."""
        del global_step  # Known to `apply`.
        *means, num_positives = [gradient for gradient, _ in grads_and_vars]
        normaliser = tf.maximum(num_positives, 1. / self.num_workers)
        return self.apply([mean / normaliser for mean in means])
