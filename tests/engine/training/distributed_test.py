"""Several processes train one network; one of them is killed on the way."""
import socket
import subprocess
import time

import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.training import distributed
from engine.training import options
from tests import scripts

NUM_STEPS = 3


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


def free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(('localhost', 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    """Starts processes of one training; their lines go to files."""

    def __init__(self, folder, flags):
        ps, *workers = [f'localhost:{port}' for port in free_ports(3)]
        self._folder = folder
        self._command = (
            'train_ssd_network.py --dataset_dir=. --train_dir=train '
            '--dataset_name=pascalvoc_2007 --batch_size=1 '
            '--model_name=ssd_300_vgg_quarter --log_every_n_steps=1 '
            f'--max_number_of_steps={NUM_STEPS} --ps_hosts={ps} '
            f'--worker_hosts={",".join(workers)} {flags} ')

    def start(self, job, task, log):
        with open(self._folder / log, 'w', encoding='utf-8') as file:
            return subprocess.Popen(
                scripts.arguments(
                    f'{self._command} --job_name={job} --task={task}'),
                cwd=self._folder, stdout=file, stderr=subprocess.STDOUT)

    def wait_for(self, path):
        deadline = time.monotonic() + scripts.SECONDS_TO_END
        while not (path.exists() and path.stat().st_size):
            assert time.monotonic() < deadline, path
            time.sleep(.1)


@pytest.mark.parametrize('flags', ['', '--sync_replicas'])
def test_worker_is_killed_and_comes_back(tmp_path, flags):
    scripts.write_shapes(tmp_path / 'voc', 2, size=60)
    scripts.write_records(tmp_path / 'voc', tmp_path, 'voc_2007_train')
    cluster = Cluster(tmp_path, flags)
    processes = [cluster.start('ps', 0, 'ps'), cluster.start(
        'worker', 0, 'chief')]
    try:
        cluster.wait_for(tmp_path / 'train' / 'checkpoint')
        worker = cluster.start('worker', 1, 'killed')
        processes.append(worker)
        if flags:  # Both make every step.
            cluster.wait_for(tmp_path / 'killed')
        worker.kill()
        processes.append(cluster.start('worker', 1, 'again'))
        for process in processes:
            process.wait(scripts.SECONDS_TO_END)
    finally:
        for process in processes:
            process.kill()
    logs = {path: (tmp_path / path).read_text('utf-8')
            for path in ('ps', 'chief', 'again')}
    assert [process.returncode for process in processes] == [
        0, 0, -9, 0], logs
    assert 'the workers are done' in logs['ps']
    prefix = checkpoints.paths.find(str(tmp_path / 'train'))
    assert checkpoints.reader.global_step(prefix) >= NUM_STEPS
