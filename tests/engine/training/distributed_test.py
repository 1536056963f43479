"""Several workers train one network; one of them is killed on the way."""
import concurrent.futures
import csv
import signal
import socket
import threading

import pytest
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine.training import distributed
from engine.training import options
from engine.training import train
from tests import scripts
from tests import train_small_trunk

NUM_STEPS = 10


@pytest.mark.parametrize('counts, expected', [
    # A batch without matched anchors is divided by 1.
    ([1, 3], 12 / 4), ([0, 3], 12 / 3), ([0, 0], 12)])
def test_gradient_is_that_of_one_big_batch(counts, expected):
    with tf.Graph().as_default(), tf.Session() as session:
        # SyncReplicasOptimizer gives the means: of the sums 5 and 7.
        means = [(tf.constant(value / 2, tf.float32), None)
                 for value in (5 + 7, sum(counts))]
        gradient, = session.run(distributed._Quotient(
            lambda gradients: gradients, 2).apply_gradients(means, None))
    assert gradient == pytest.approx(expected)


@pytest.mark.parametrize('changes, message', [
    ({'job_name': 'ps'}, '--job_name=ps: needs --ps_hosts and'),
    ({'ps_hosts': ['a:1'], 'worker_hosts': ['b:1']}, 'need --job_name'),
    ({'ps_hosts': ['a:1'], 'worker_hosts': ['b:1'], 'job_name': 'worker',
      'task': 1}, '--task=1: there are 1 of worker, numbered from 0'),
    ({'worker_replicas': 2}, '--worker_replicas=2: need a parameter'),
    ({'sync_replicas': True}, '--sync_replicas: is for several machines'),
    ({'num_clones': 9}, '--num_clones=9: TensorFlow sees . GPUs here; give')])
def test_flags_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        distributed.check(options.Run(**changes))


def start(**flags):
    """Returns the Future of a process of a training, which is a thread."""
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(scripts.train(**flags))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def hosts():
    """Returns the hosts of a parameter server and two workers."""
    sockets = [socket.create_server(('localhost', 0)) for _ in range(3)]
    ps, *workers = (f'localhost:{one.getsockname()[1]}' for one in sockets)
    for one in sockets:
        one.close()
    return {'ps_hosts': [ps], 'worker_hosts': workers}


# TensorFlow's own, of a queue that the chief no longer fills.
@pytest.mark.filterwarnings(
    'ignore::pytest.PytestUnhandledThreadExceptionWarning')
@pytest.mark.parametrize('sync_replicas', [False, True])
def test_worker_is_killed_and_comes_back(
        flags, tmp_path, monkeypatch, capsys, sync_replicas):
    # The chief waits for the second worker 1, to go on together.
    barrier, run_steps = threading.Barrier(2), train._run_steps

    def wait_and_run(*arguments):
        barrier.wait(scripts.SECONDS_TO_END)
        return run_steps(*arguments)

    monkeypatch.setattr(train, '_run_steps', wait_and_run)
    cluster = {**flags, 'train_dir': str(tmp_path), 'batch_size': 1,
               'max_number_of_steps': NUM_STEPS, **hosts(),
               'sync_replicas': sync_replicas}
    futures = [start(**cluster, job_name=job) for job in ('ps', 'worker')]
    worker = {**cluster, 'job_name': 'worker', 'task': 1}
    killed = train_small_trunk.start(
        tmp_path, 'step ', **{**worker, 'max_number_of_steps': 10 ** 6})
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    for future in [*futures, start(**worker)]:
        future.result(scripts.SECONDS_TO_END)
    assert 'Parameter server 0: the workers are done.' in (
        capsys.readouterr().out)
    prefix = checkpoints.paths.find(str(tmp_path))
    assert checkpoints.reader.global_step(prefix) >= NUM_STEPS
    # Once more: there is nothing to do, which the parameter server is told.
    cluster |= hosts()
    for future in [start(**cluster, job_name=job, task=task) for job, task in (
            ('ps', 0), ('worker', 0), ('worker', 1))]:
        future.result(scripts.SECONDS_TO_END)


@pytest.mark.filterwarnings(
    'ignore::pytest.PytestUnhandledThreadExceptionWarning')
@pytest.mark.parametrize('sync_replicas', [False, True])
def test_all_workers_end_when_the_chief_sees_no_gain(
        flags, tmp_path, capsys, sync_replicas):
    cluster = {
        **flags, 'train_dir': str(tmp_path), 'batch_size': 1,
        'sync_replicas': sync_replicas, 'eval_split_name': 'train',
        'eval_every_n_steps': 2, 'patience': 1, 'learning_rate': 1e-12,
        'warmup_steps': 0}
    # A second one is at its end when it begins.
    for is_second in [False, True][:1 + sync_replicas]:
        members = hosts()
        for future in [
                start(**cluster, **members, job_name=job, task=task)
                for job, task in (('ps', 0), ('worker', 0), ('worker', 1))]:
            future.result(scripts.SECONDS_TO_END)
        output = capsys.readouterr().out
        assert 'No gain in 1 scores on train: the training ends' in output
        assert 'Parameter server 0: the workers are done.' in output
        assert ('step 2: ' in output) != is_second
    score = checkpoints.metadata.read(str(tmp_path / 'best.ckpt'))['score']
    with open(tmp_path / 'metrics.csv', encoding='utf-8') as file:
        assert score['value'] == max(
            float(row['mAP_VOC07']) for row in csv.DictReader(file))
