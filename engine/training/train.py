"""Trains a network. `options` holds the flags of train_ssd_network.py."""
import contextlib
import os
import sys

import tensorflow.compat.v1 as tf
import tf_slim as slim
import tqdm

from common import errors
from engine import checkpoints
from engine import models
from engine import runtime
from engine.training import aggregation
from engine.training import distributed
from engine.training import divergence
from engine.training import graph
from engine.training import initialization
from engine.training import log
from engine.training import record_checks
from engine.training import train_dir
from engine.training import training_config
from engine.training import training_session

# Of records that vanish or are damaged in the middle of a training.
_OF_FILES = (tf.errors.NotFoundError, tf.errors.PermissionDeniedError,
             tf.errors.DataLossError)


def run(options):
    """Trains as the flags say, from where the train_dir stands.

    Raises:
      ValueError: if flags, data, checkpoint and train_dir do not fit, the
        loss ceases to be finite, or another training is in the train_dir.
      OSError: if the train_dir cannot be written.
      KeyboardInterrupt: as it came; what was trained is saved.
    """
    runtime.prepare()
    distributed.check(options)
    if options.job_name == distributed.PS:
        distributed.serve(options)
        return
    dataset = models.open_dataset(options)
    os.makedirs(options.train_dir, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if distributed.is_chief(options):
            stack.enter_context(train_dir.locked(options.train_dir))
            latest = train_dir.recover(options.train_dir)
        else:
            latest = tf.train.latest_checkpoint(options.train_dir)
        try:
            interruption = _train(options, dataset, latest)
        except KeyboardInterrupt:
            print('Interrupted; the last checkpoint is '
                  f'{tf.train.latest_checkpoint(options.train_dir)}.',
                  file=sys.stderr)
            raise
    if interruption is not None:
        print(f'Saved {tf.train.latest_checkpoint(options.train_dir)}. The '
              'same command goes on from there.')
        raise interruption
    if distributed.is_chief(options):
        log.print_end(options)


def _train(options, dataset, latest):
    """Trains on from the checkpoint `latest`; from the start if it is None.

    Returns the KeyboardInterrupt that ended it after a save, or None.
    """
    network = _make_network(options, dataset, latest)
    if distributed.is_chief(options):
        training_config.check_and_write(
            options, network, dataset, is_resumed=latest is not None)
    start_step = 0 if latest is None else checkpoints.reader.global_step(latest)
    if (options.max_number_of_steps is not None
            and start_step >= options.max_number_of_steps):
        print(f'{latest}: is at step {start_step}, there is nothing to do '
              f'until --max_number_of_steps={options.max_number_of_steps}.')
        return None
    with tf.Graph().as_default(), tf.device(
            distributed.device_function(options)):
        tf.set_random_seed(options.random_seed)
        guard = divergence.Guard(options)
        aggregator = None
        if options.sync_replicas:
            aggregator = aggregation.Aggregator(options)
        step = graph.build(
            options, dataset, network, start_step, guard, aggregator)
        init_fn = None
        if latest is not None:
            checkpoints.reader.check_complete(latest, {
                variable.op.name: variable
                for variable in tf.global_variables()})
            print(f'{latest}: training goes on from step {start_step}.')
        elif distributed.is_chief(options):
            init_fn = _start(options, dataset, network)
        return _loop(options, step, start_step, init_fn, guard, aggregator)


def _make_network(options, dataset, latest):
    """Returns the network, with the anchors of the checkpoint it goes on from.

    That is the train_dir's latest, if any, else --checkpoint_path.
    """
    prefix = latest
    if latest is None and options.checkpoint_path is not None:
        prefix = checkpoints.paths.find(options.checkpoint_path)
    metadata = None if prefix is None else checkpoints.metadata.read(prefix)
    if metadata is not None and metadata['model_name'] != options.model_name:
        metadata = None
    return models.make_network(
        options.model_name, dataset.labels, metadata, options.anchors)


def _start(options, dataset, network):
    """Returns the init_fn of a new training."""
    if options.checkpoint_path is None:
        print(f'No --checkpoint_path: {network.name} starts from random '
              'weights. The paper starts from VGG-16; without it expect a '
              'longer training and a lower mAP.', file=sys.stderr)
        fit = initialization.fit_to_data(options, dataset, network)
        return lambda scaffold, session: fit(session)
    prefix = checkpoints.paths.find(options.checkpoint_path)
    plan, warnings = checkpoints.restore.plan(
        slim.get_model_variables(), prefix, network,
        options.checkpoint_model_scope,
        options.checkpoint_exclude_scopes or (),
        options.ignore_missing_vars)
    for warning in warnings:
        print(warning, file=sys.stderr)
    print(checkpoints.restore.format_plan(plan, prefix))
    initialize = checkpoints.restore.initializer(plan, prefix)
    return lambda scaffold, session: initialize(session)


def _loop(options, step, start_step, init_fn, guard, aggregator):
    """Runs steps until the last, saving and reporting; see _train."""
    is_chief = distributed.is_chief(options)
    scaffold = tf.train.Scaffold(init_fn=init_fn, saver=tf.train.Saver(
        max_to_keep=5, keep_checkpoint_every_n_hours=1,
        save_relative_paths=True))  # The folder may be moved.
    hooks = distributed.hooks(options, aggregator)
    if options.max_number_of_steps is not None:
        hooks.append(tf.train.StopAtStepHook(
            last_step=options.max_number_of_steps))
    config = runtime.session_config(
        options.gpu_memory_fraction,
        options.num_clones if options.clone_on_cpu else 1)
    training_log = log.TrainingLog(options, start_step, is_chief)
    try:
        with training_session.start(
                options, scaffold, config, hooks) as session, tqdm.tqdm(
                initial=start_step, total=options.max_number_of_steps,
                unit='step', disable=None) as progress:
            interruption = _run_steps(
                session, step, guard, training_log, progress)
    except (tf.errors.OpError, IndexError, RuntimeError) as error:
        # The last two are what a writer of summaries raises.
        raise _explain(options, error) from None
    if is_chief:
        train_dir.check_saved(options.train_dir, training_log.number)
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


def _explain(options, error):
    """Returns what is raised in place of an error of a session."""
    bad_record = record_checks.explanation(str(error))
    if bad_record is not None:
        return ValueError(bad_record)
    explanation = train_dir.explanation(error, options.train_dir)
    if explanation is None and isinstance(error, _OF_FILES):
        explanation = OSError(
            f'{errors.reason(error.message)}. '
            f'{train_dir.describe_last(options.train_dir)}')
    return explanation or error
