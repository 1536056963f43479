"""Trains a network.

From Python, with the defaults of train_ssd_network.py's flags:

    from engine.training import options
    from engine.training import train

    train.run(options.Data('bccd', dataset_dir='tfrecords'),
              options.Model(checkpoint_path='vgg_16.ckpt'),
              run=options.Run('logs', max_number_of_steps=1000))
"""
import contextlib
import os
import random
import sys

import tensorflow.compat.v1 as tf
import tf_slim as slim
import tqdm

from common import errors
from engine import checkpoints
from engine import models
from engine import runtime
from engine.training import distributed
from engine.training import divergence
from engine.training import graph
from engine.training import initialization
from engine.training import log
from engine.training import options
from engine.training import record_checks
from engine.training import train_dir

# Of records that vanish or are damaged in the middle of a training.
_OF_FILES = (tf.errors.NotFoundError, tf.errors.PermissionDeniedError,
             tf.errors.DataLossError)


def run(data: options.Data, model: options.Model = options.Model(),
        loss: options.Loss = options.Loss(),
        optimizer: options.Optimizer = options.Optimizer(),
        run: options.Run = options.Run()):
    """Trains, from where the train_dir stands.

    Raises:
      ValueError: if flags, data, checkpoint and train_dir do not fit, the
        loss ceases to be finite, or another training is in the train_dir.
      OSError: if the train_dir cannot be written.
      KeyboardInterrupt: as it came; what was trained is saved.
    """
    runtime.prepare()
    distributed.check(run)
    if run.job_name == distributed.PS:
        distributed.serve(run)
        return
    _check_devices(run)
    dataset = models.open_dataset(data)
    os.makedirs(run.train_dir, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if run.is_chief:
            stack.enter_context(train_dir.locked(run.train_dir))
            latest = train_dir.recover(run.train_dir)
        else:
            latest = tf.train.latest_checkpoint(run.train_dir)
        try:
            interruption = _train(
                (data, model, loss, optimizer, run), dataset, latest)
        except KeyboardInterrupt:
            print('Interrupted; the last checkpoint is '
                  f'{tf.train.latest_checkpoint(run.train_dir)}.',
                  file=sys.stderr)
            raise
    if interruption is not None:
        print(f'Saved {tf.train.latest_checkpoint(run.train_dir)}. The '
              'same command goes on from there.')
        raise interruption
    if run.is_chief:
        log.print_end(data, run)


def _check_devices(run):
    """Raises ValueError for more clones than there are GPUs."""
    if run.num_clones == 1 or run.clone_on_cpu or run.master:
        return
    num_gpus = len(tf.config.list_physical_devices('GPU'))
    if run.num_clones > num_gpus:
        raise ValueError(
            f'--num_clones={run.num_clones}: TensorFlow sees {num_gpus} GPUs '
            'here; give as many at the most, or --clone_on_cpu.')


def _train(options, dataset, latest):
    """Trains on from the checkpoint `latest`; from the start if it is None.

    Returns the KeyboardInterrupt that ended it after a save, or None.
    """
    data, model, loss, optimizer, run = options
    network = _make_network(model, dataset, latest)
    run = _configure(options, network, dataset, is_resumed=latest is not None)
    start_step = 0 if latest is None else checkpoints.reader.global_step(latest)
    if (run.max_number_of_steps is not None
            and start_step >= run.max_number_of_steps):
        print(f'{latest}: is at step {start_step}, there is nothing to do '
              f'until --max_number_of_steps={run.max_number_of_steps}.')
        return None
    with tf.Graph().as_default(), tf.device(
            distributed.device_function(run)):
        tf.set_random_seed(run.random_seed)
        guard = divergence.Guard(model.compute_dtype, optimizer, run)
        aggregator = distributed.Aggregator(run) if run.sync_replicas else None
        step = graph.build((data, model, loss, optimizer, run), dataset,
                           network, start_step, guard, aggregator)
        init_fn = None
        if latest is not None:
            checkpoints.reader.check_complete(latest, {
                variable.op.name: variable
                for variable in tf.global_variables()})
            print(f'{latest}: training goes on from step {start_step}.')
        elif run.is_chief:
            init_fn = _start(data, model, dataset, network)
        training_log = log.TrainingLog(run, start_step)
        interruption = _loop(
            run, step, start_step, init_fn, guard, aggregator, training_log)
    print(f'Memory: up to {training_log.memory()}.')
    return interruption


def _make_network(model, dataset, latest):
    """Returns the network, with the anchors of the checkpoint it goes on from.

    That is the train_dir's latest, if any, else --checkpoint_path.
    """
    prefix = latest
    if latest is None and model.checkpoint_path is not None:
        prefix = checkpoints.paths.find(model.checkpoint_path)
    metadata = None if prefix is None else checkpoints.metadata.read(prefix)
    if metadata is not None and metadata['model_name'] != model.model_name:
        metadata = None
    return models.make_network(
        model.model_name, dataset.labels, metadata, model.anchors)


def _configure(options, network, dataset, is_resumed):
    """Checks and writes the train_dir's configuration.

    Returns:
      options.Run, with the seed that was given, else that of the run which is
      resumed, so that it is the same run; else a new one.
    """
    data, model, loss, optimizer, run = options
    config = train_dir.read_config(run.train_dir) if is_resumed else None
    trained = {
        'model_name': network.name,
        'anchor_sizes': [list(sizes)
                         for sizes in network.params.anchor_sizes],
        'dataset_name': dataset.name,
        'classes': list(dataset.labels),
        'optimizer': optimizer.optimizer,
        'trainable_scopes': list(model.trainable_scopes or ()) or None,
        'moving_averages': optimizer.moving_average_decay is not None,
    }
    if run.is_chief:
        train_dir.check_config(run.train_dir, trained, config)
    seed = run.random_seed
    if seed is None and config is not None:
        seed = config['flags'].get('random_seed')
    if seed is None:
        seed = random.SystemRandom().randrange(2 ** 31)
    run = run._replace(random_seed=seed)
    if run.is_chief:
        train_dir.write_config(run.train_dir, trained, {
            name: value for group in (data, model, loss, optimizer, run)
            for name, value in group._asdict().items()})
    return run


def _start(data, model, dataset, network):
    """Returns the init_fn of a new training."""
    if model.checkpoint_path is None:
        print(f'No --checkpoint_path: {network.name} starts from random '
              'weights. The paper starts from VGG-16; without it expect a '
              'longer training and a lower mAP.', file=sys.stderr)
        fit = initialization.fit_to_data(data, dataset, network)
        return lambda scaffold, session: fit(session)
    prefix = checkpoints.paths.find(model.checkpoint_path)
    plan, warnings = checkpoints.restore.plan(
        slim.get_model_variables(), prefix, network,
        model.checkpoint_model_scope, model.checkpoint_exclude_scopes or (),
        model.ignore_missing_vars)
    for warning in warnings:
        print(warning, file=sys.stderr)
    print(checkpoints.restore.format_plan(plan, prefix))
    initialize = checkpoints.restore.initializer(plan, prefix)
    return lambda scaffold, session: initialize(session)


def _loop(run, step, start_step, init_fn, guard, aggregator, training_log):
    """Runs steps until the last, saving and reporting; see _train."""
    scaffold = tf.train.Scaffold(init_fn=init_fn, saver=tf.train.Saver(
        max_to_keep=5, keep_checkpoint_every_n_hours=1,
        save_relative_paths=True))  # The folder may be moved.
    hooks = [distributed.DoneHook(run)] if run.num_ps else []
    if aggregator is not None:
        hooks.append(aggregator.make_hook(run.is_chief))
    if run.max_number_of_steps is not None:
        hooks.append(tf.train.StopAtStepHook(
            last_step=run.max_number_of_steps))
    config = runtime.session_config(
        run.gpu_memory_fraction, run.num_clones if run.clone_on_cpu else 1)
    try:
        with distributed.start_session(
                run, scaffold, config, hooks) as session, tqdm.tqdm(
                initial=start_step, total=run.max_number_of_steps,
                unit='step', disable=None) as progress:
            interruption = _run_steps(
                session, step, guard, training_log, progress)
    except (tf.errors.OpError, IndexError, RuntimeError) as error:
        # The last two are what a writer of summaries raises.
        raise _explain(run.train_dir, error) from None
    if run.is_chief:
        train_dir.check_saved(run.train_dir, training_log.number)
    return interruption


def _run_steps(session, step, guard, training_log, progress):
    """Runs steps; returns the KeyboardInterrupt that ended them, or None."""
    try:
        while not session.should_stop():
            values = guard.run(session, step)
            progress.update()
            line = None if values is None else training_log.line(values)
            if line is not None:
                progress.write(line + guard.note())
                sys.stdout.flush()
    except KeyboardInterrupt as interruption:
        progress.write('Interrupted; saving.')
        return interruption
    return None


def _explain(folder, error):
    """Returns what is raised in place of an error of a session."""
    bad_record = record_checks.explanation(str(error))
    if bad_record is not None:
        return ValueError(bad_record)
    explanation = train_dir.explanation(error, folder)
    if explanation is None and isinstance(error, _OF_FILES):
        explanation = OSError(
            f'{errors.reason(error.message)}. '
            f'{train_dir.describe_last(folder)}')
    return explanation or error
