"""A process that makes a few steps of a training, and says what they took.

engine.training.batch_size starts it, and gives it a JSON object on stdin:
groups, batch_sizes, and with_start. It writes a line of JSON for each size.
"""
import contextlib
import json
import sys

import psutil
import tensorflow.compat.v1 as tf

from datasets import dataset_factory
from engine import cli
from engine import models
from engine import runtime
from engine.training import divergence
from engine.training import graph
from engine.training import initialization
from engine.training import options

_NUM_STEPS = 2
_GROUPS = (options.Data, options.Model, options.Loss, options.Optimizer,
           options.Run)


def main():
    """Tries one size after the other, until one does not fit."""
    request = json.load(sys.stdin)
    # Where memory ends it is this process that Linux ends, and no other.
    with contextlib.suppress(OSError), open(
            '/proc/self/oom_score_adj', 'w', encoding='ascii') as file:
        file.write('1000')
    groups = [make(**values) for make, values in zip(
        _GROUPS, request['groups'], strict=True)]
    runtime.prepare(groups[-1].gpu_memory_fraction)
    for batch_size in request['batch_sizes']:
        try:
            taken = _take(groups, batch_size, request['with_start'])
        except (tf.errors.ResourceExhaustedError, MemoryError):
            return
        except (ValueError, OSError, tf.errors.OpError) as error:
            taken = {'fault': cli.describe(error)}
        print(json.dumps(taken), flush=True)
        if 'fault' in taken:
            return


def _take(groups, batch_size, with_start):
    """Returns what steps of a batch size took, and may take."""
    data, model, loss, optimizer, run = groups
    run = run._replace(batch_size=batch_size, random_seed=0)
    dataset = dataset_factory.get_dataset(
        data.dataset_name, data.dataset_split_name, data.dataset_dir)
    network = models.make_network(model.model_name, dataset.labels)
    with tf.Graph().as_default():
        guard = divergence.Guard(model.compute_dtype, optimizer, run)
        step = graph.build((data, model, loss, optimizer, run), dataset,
                           network, 0, guard)
        start = (initialization.fit_to_data(data, dataset, network)
                 if with_start and model.checkpoint_path is None else None)
        with tf.train.SingularMonitoredSession(scaffold=tf.train.Scaffold(
                init_fn=start and (lambda _, session: start(session))),
                config=runtime.session_config(
                    run.gpu_memory_fraction,
                    run.num_clones if run.clone_on_cpu else 1)) as session:
            for _ in range(_NUM_STEPS):
                try:
                    session.run(step)
                except tf.errors.InvalidArgumentError as error:
                    # Its memory was taken all the same.
                    if divergence.NOT_FINITE not in error.message:
                        raise
            return {'batch_size': batch_size,
                    **_memory(session.raw_session().list_devices())}


def _memory(devices):
    """Returns what this process takes, and takes and may take of GPUs."""
    # It is the most: runtime.prepare keeps what was freed.
    info = psutil.Process().memory_info()
    gpus = [device for device in devices if device.device_type == 'GPU']
    return {'resident': info.rss, 'virtual': info.vms,
            'of_gpu': max((tf.config.experimental.get_memory_info(
                device.name.rpartition('device:')[2])['peak']
                for device in gpus), default=None),
            'limit_of_gpu': min((device.memory_limit_bytes
                                 for device in gpus), default=None)}


if __name__ == '__main__':
    main()
