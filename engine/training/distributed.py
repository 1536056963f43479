"""Training on several machines: TensorFlow's runtime, by TF-Slim's flags.

Parameter servers hold the variables. Every worker runs the network over its
own batches; worker 0, the chief, saves and writes summaries. Workers apply
their gradients as they have them, or, with --sync_replicas, add them up to
those of one big batch.
`options` holds the flags of train_ssd_network.py as attributes.
"""
import time

import tensorflow.compat.v1 as tf

from engine.training import deployment

PS = 'ps'
WORKER = 'worker'
# How long a parameter server waits for the others after the chief is done.
_GRACE_SECONDS = 120
_POLL_SECONDS = .5


def check(options):
    """Raises ValueError where the flags of several machines do not fit."""
    hosts = {PS: options.ps_hosts, WORKER: options.worker_hosts}
    if options.job_name is not None and not all(hosts.values()):
        raise ValueError(
            f'--job_name={options.job_name}: needs --ps_hosts and '
            '--worker_hosts, lists of host:port, the same for every process.')
    if options.job_name is None and any(hosts.values()):
        raise ValueError(
            '--ps_hosts, --worker_hosts: need --job_name=ps or worker, what '
            'this process is.')
    num_tasks = (deployment.num_workers(options)
                 if options.job_name in (None, WORKER)
                 else len(options.ps_hosts))
    if options.task >= num_tasks:
        raise ValueError(
            f'--task={options.task}: there are {num_tasks} of '
            f'{options.job_name or WORKER}, numbered from 0.')
    if deployment.num_workers(options) > 1 and not num_ps(options):
        raise ValueError(
            f'--worker_replicas={options.worker_replicas}: need a parameter '
            'server; give --ps_hosts, or --master and --num_ps_tasks.')
    if options.sync_replicas and not num_ps(options):
        raise ValueError(
            '--sync_replicas: is for several machines; on one, use '
            '--num_clones and --accumulate_steps.')


def num_ps(options):
    """Returns the number of parameter servers."""
    return len(options.ps_hosts or ()) or options.num_ps_tasks


def is_chief(options):
    """Returns whether this process saves checkpoints and summaries."""
    return options.task == 0 and options.job_name in (None, WORKER)


def device_function(options):
    """Returns what tf.device takes: variables go to parameter servers."""
    if not num_ps(options):
        return None
    return tf.train.replica_device_setter(
        num_ps(options), worker_device=f'/job:{WORKER}/task:{options.task}')


def configure(config, options):
    """Lets a worker's session go on while other workers are gone."""
    if num_ps(options):
        config.device_filters.extend(
            [f'/job:{PS}', f'/job:{WORKER}/task:{options.task}'])


def start_server(options, config):
    """Returns the address of the master of this process; '' alone.

    Args:
      options: master, ps_hosts, worker_hosts, job_name, task.
      config: tf.ConfigProto of the sessions.
    """
    if options.job_name is None:
        return options.master
    return _make_server(options, config).target


def _make_server(options, config):
    cluster = tf.train.ClusterSpec(
        {PS: options.ps_hosts, WORKER: options.worker_hosts})
    try:
        return tf.train.Server(
            cluster, job_name=options.job_name, task_index=options.task,
            config=config)
    except tf.errors.OpError as error:
        address = cluster.task_address(options.job_name, options.task)
        raise ValueError(
            f'{address}: this process, --job_name={options.job_name} '
            f'--task={options.task}, cannot serve there: '
            f'{error.message.splitlines()[0]}') from None


def serve(options):
    """Holds variables until the workers are done."""
    # A GPU would be taken whole, and is not used.
    server = _make_server(
        options, tf.ConfigProto(device_count={'GPU': 0}))
    print(f'Parameter server {options.task} of {len(options.ps_hosts)} '
          f'waits for {len(options.worker_hosts)} workers.', flush=True)
    tasks = set(range(len(options.worker_hosts)))
    config = tf.ConfigProto(
        device_filters=[f'/job:{PS}/task:{options.task}'])
    with tf.Graph().as_default(), tf.Session(
            server.target, config=config) as session:
        queue = _done_queue(options.task)
        size, dequeue = queue.size(), queue.dequeue()
        done, deadline = set(), float('inf')
        while done != tasks and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            while session.run(size):
                done.add(int(session.run(dequeue)))
                if 0 in done:
                    deadline = time.monotonic() + _GRACE_SECONDS
    print(f'Parameter server {options.task}: the workers are done.')


def _done_queue(ps_task):
    """Returns the queue of a parameter server with the tasks that ended."""
    with tf.device(f'/job:{PS}/task:{ps_task}/device:CPU:0'):
        return tf.FIFOQueue(1000, tf.int32, [], shared_name='workers_done')


def hooks(options, aggregator):
    """Returns the hooks of a worker's session, a list; alone it is empty.

    Args:
      options: the flags.
      aggregator: aggregation.Aggregator or None.
    """
    if not num_ps(options):
        return []
    own = [DoneHook(options)]
    if aggregator is not None:
        own.append(aggregator.make_hook(is_chief(options)))
    return own


class DoneHook(tf.train.SessionRunHook):
    """Tells the parameter servers that this worker is done."""

    def __init__(self, options):
        """See the flags task, ps_hosts and num_ps_tasks."""
        self._options = options

    def begin(self):
        """Makes the queues' operations."""
        self._tell = [_done_queue(task).enqueue(self._options.task)
                      for task in range(num_ps(self._options))]

    def end(self, session):
        """Runs them."""
        session.run(self._tell)
