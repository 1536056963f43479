"""Several workers train one network; one of them is killed on the way."""
import concurrent.futures
import signal
import socket
import threading

import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.training import distributed
from engine.training import options
from engine.training import train
from nets import nets_factory
from tests import scripts
from tests import small_trunk
from tests import train_small_trunk

NUM_STEPS = 30


def quotient(counts, sums, num_workers):
    """Returns the gradient that workers with such sums apply together."""
    with tf.Graph().as_default(), tf.Session() as session:
        # SyncReplicasOptimizer gives the means.
        means = [tf.constant(sum(values) / len(values), tf.float32)
                 for values in (sums, counts)]
        gradient, = distributed._Quotient(
            lambda gradients: gradients, num_workers).apply_gradients(
                [(mean, None) for mean in means], None)
        return session.run(gradient)


def test_gradient_is_that_of_one_big_batch():
    assert quotient([1, 3], [5., 7.], 2) == pytest.approx(12 / 4)
    assert quotient([0, 3], [5., 7.], 2) == pytest.approx(12 / 3)
    # A batch without matched anchors is divided by 1.
    assert quotient([0, 0], [5., 7.], 2) == pytest.approx(12)


@pytest.mark.parametrize('changes, message', [
    ({'job_name': 'ps'}, '--job_name=ps: needs --ps_hosts and'),
    ({'ps_hosts': ['a:1'], 'worker_hosts': ['b:1']}, 'need --job_name'),
    ({'ps_hosts': ['a:1'], 'worker_hosts': ['b:1'], 'job_name': 'worker',
      'task': 1}, '--task=1: there are 1 of worker, numbered from 0'),
    ({'worker_replicas': 2}, '--worker_replicas=2: need a parameter'),
    ({'sync_replicas': True}, '--sync_replicas: is for several machines'),
    ({'num_clones': 9}, '--num_clones=9: TensorFlow sees . GPUs here; give '
     'as many at the most, or --clone_on_cpu'),
])
def test_flags_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        distributed.check(options.Run(**changes))


def test_sizes_of_batches():
    run = options.Run(
        batch_size=4, num_clones=2, accumulate_steps=3, worker_replicas=5)
    assert (run.images_per_step, run.global_batch_size) == (24, 24)
    run = run._replace(sync_replicas=True)
    assert run.global_batch_size == 120
    assert run._replace(replicas_to_aggregate=4).global_batch_size == 96


class OneAtATime(small_trunk.SSDNet):
    """slim's arg_scopes are not made for several threads."""
    lock = threading.Lock()

    def net(self, *args, **kwargs):
        with self.lock:
            return super().net(*args, **kwargs)


@pytest.fixture
def cluster(flags, tmp_path, monkeypatch):
    """Flags of a parameter server and two workers, which begin together.

    One that comes when all is done would leave the server waiting.
    """
    barrier, run_steps = threading.Barrier(2), train._run_steps

    def wait_and_run(*arguments):
        barrier.wait(scripts.SECONDS_TO_END)
        return run_steps(*arguments)

    monkeypatch.setattr(train, '_run_steps', wait_and_run)
    monkeypatch.setitem(
        nets_factory.networks_map, small_trunk.SSDNet.name, OneAtATime)
    sockets = [socket.create_server(('localhost', 0)) for _ in range(3)]
    ps, *workers = (f'localhost:{one.getsockname()[1]}' for one in sockets)
    for one in sockets:
        one.close()
    return {**flags, 'train_dir': str(tmp_path), 'batch_size': 1,
            'ps_hosts': [ps], 'worker_hosts': workers}


def start(**flags):
    """Returns the Future of a process of a training, which is a thread."""
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(scripts.train(
                max_number_of_steps=NUM_STEPS, **flags))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def check_end(futures, train_dir, output):
    for future in futures:
        future.result(scripts.SECONDS_TO_END)
    assert 'Parameter server 0: the workers are done.' in output.readouterr()[0]
    prefix = checkpoints.paths.find(train_dir)
    assert checkpoints.reader.global_step(prefix) >= NUM_STEPS


def test_workers_train_in_turns(cluster, capsys):
    check_end([
        start(**cluster, job_name=job, task=task) for job, task in (
            ('ps', 0), ('worker', 0), ('worker', 1))],
        cluster['train_dir'], capsys)


# TensorFlow's own, of a queue that the chief no longer fills.
@pytest.mark.filterwarnings(
    'ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_worker_that_is_killed_comes_back(cluster, capsys):
    cluster['sync_replicas'] = True
    futures = [start(**cluster, job_name=job, task=0)
               for job in ('ps', 'worker')]
    worker = {**cluster, 'job_name': 'worker', 'task': 1}
    killed = train_small_trunk.start(
        cluster['train_dir'], 'step ', **worker)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    check_end([*futures, start(**worker)], cluster['train_dir'], capsys)
