"""Trains a network; docs/training.md shows how from Python."""
import contextlib
import os
import random
import sys

import tensorflow.compat.v1 as tf
import tf_slim as slim
import tqdm

from common import commands
from common import errors
from datasets import dataset_factory
from engine import checkpoints
from engine import models
from engine import runtime
from engine.training import defaults
from engine.training import distributed
from engine.training import divergence
from engine.training import graph
from engine.training import initialization
from engine.training import log
from engine.training import options
from engine.training import record_checks
from engine.training import saver
from engine.training import train_dir
from engine.training import validation

# Images of a device whose statistics are as good as those of a trunk.
_MIN_BATCH_TO_NORMALISE = 16


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
    runtime.prepare(
        None if run.job_name == 'ps' else run.gpu_memory_fraction)
    distributed.check(run)
    if run.job_name == 'ps':
        distributed.serve(run)
        return
    dataset = models.open_dataset(data)
    folder = run.train_dir
    os.makedirs(folder, exist_ok=True)
    with train_dir.locked(folder) if run.is_chief else (
            contextlib.nullcontext()):
        latest = (train_dir.recover(folder) if run.is_chief
                  else checkpoints.paths.newest(folder))
        try:
            interruption = _train(
                (data, model, loss, optimizer, run), dataset, latest)
        except KeyboardInterrupt:
            print('Interrupted; the last checkpoint is '
                  f'{checkpoints.paths.newest(folder)}.', file=sys.stderr)
            raise
    latest = checkpoints.paths.newest(folder)
    if interruption is not None:
        print(f'Saved {latest}. The same command goes on from there.')
        raise interruption
    if run.is_chief:
        evaluation = commands.line(
            'python eval_ssd_network.py', checkpoint_path=folder,
            dataset_dir=data.dataset_dir, dataset_name=data.dataset_name,
            dataset_split_name=_split_to_evaluate(data),
            eval_dir=os.path.join(folder, 'eval'))
        print(f'Trained: {latest}. Next: {evaluation}')


def _split_to_evaluate(data):
    """Returns test, or val if there is that alone."""
    # It is only a hint: data that went meanwhile are no error.
    with contextlib.suppress(ValueError, OSError):
        for name in ('test', 'val'):
            if dataset_factory.has_split(
                    data.dataset_name, name, data.dataset_dir):
                return name
    return 'test'


def _train(groups, dataset, latest):
    """Trains on from the checkpoint `latest`; from the start if it is None.

    Returns the KeyboardInterrupt that ended it after a save, or None.
    """
    source = latest
    if latest is None and groups[1].checkpoint_path is not None:
        source = checkpoints.paths.find(groups[1].checkpoint_path)
    groups, network, choices = _settle(
        groups, dataset, source, is_resumed=latest is not None)
    data, model, loss, optimizer, run = groups
    start_step = 0 if latest is None else checkpoints.reader.global_step(latest)
    scores = end = None
    num_steps = run.max_number_of_steps
    if num_steps is not None and start_step >= num_steps:
        end = (f'{latest}: is at step {start_step}, there is nothing to do '
               f'until --max_number_of_steps={num_steps}.')
    elif run.eval_split_name is not None:
        scores = validation.Validation(data, model, optimizer, run, dataset)
        # Of several workers the chief does it in its next step.
        _say(scores.resume(None if run.num_ps else latest, start_step))
        end = scores.end
    if end is not None:
        print(end)
        if run.num_ps:
            distributed.tell_done(run)
        return None
    if run.is_chief:
        print('\n'.join([*defaults.lines(choices), _introduction(
            network, dataset, optimizer, run)]), flush=True)
    # Variables go to parameter servers, if there are any.
    with tf.Graph().as_default(), tf.device(tf.train.replica_device_setter(
            run.num_ps, worker_device=f'/job:worker/task:{run.task}')):
        tf.set_random_seed(run.random_seed)
        guard = divergence.Guard(model.compute_dtype, optimizer, run)
        aggregator = distributed.Aggregator(run) if run.sync_replicas else None
        step = graph.build(
            groups, dataset, network, start_step, guard, aggregator)
        last_step = distributed.LastStep(run)
        if model.freeze_batch_norm and tf.moving_average_variables():
            print('Batch norm keeps its means and variances '
                  f'(--freeze_batch_norm); batches have {run.batch_size} '
                  'images.')
        initialize = None
        if latest is not None:
            checkpoints.reader.check_complete(latest, {
                variable.op.name: variable
                for variable in tf.global_variables()})
            print(f'{latest}: training goes on from step {start_step}.')
        elif run.is_chief:
            initialize = _start(data, model, dataset, network, source)
        interruption = _loop(
            run, step, start_step, initialize, guard, aggregator,
            scores if run.is_chief else None, last_step)
    if scores is not None and run.is_chief and interruption is None:
        last = checkpoints.paths.newest(run.train_dir)
        _say(scores.finish(last, checkpoints.reader.global_step(last)))
        _say(scores.end)
        if scores.best is not None:
            print(f'{scores.best_prefix}: the best weights, {scores.best}; '
                  'the eval and detect scripts take them of '
                  f'{commands.flag("checkpoint_path", run.train_dir)}.')
    return interruption


def _say(line):
    if line is not None:
        print(line, flush=True)


def _make_network(model, dataset, source):
    """Returns the network, with the anchors of the checkpoint `source`."""
    metadata = None if source is None else checkpoints.metadata.read(source)
    if metadata is not None and metadata['model_name'] != model.model_name:
        metadata = None
    return models.make_network(
        model.model_name, dataset.labels, metadata, model.anchors)


def _introduction(network, dataset, optimizer, run):
    """Returns what is trained, for how long, and what is saved where."""
    steps = f'steps of {run.global_batch_size} images without an end'
    if run.max_number_of_steps is not None:
        num_images = run.max_number_of_steps * run.global_batch_size
        steps = (f'{run.max_number_of_steps} steps of '
                 f'{run.global_batch_size} images, '
                 f'{num_images / dataset.num_samples:.3g} epochs')
    if run.patience is not None:
        steps += f', or until {run.patience} scores bring no gain'
    saved = f'a checkpoint every {log.duration(run.save_interval_secs)}'
    if run.save_interval_steps is not None:
        saved += f' and every {run.save_interval_steps} steps'
    if run.eval_split_name is not None:
        weights = ('weights' if optimizer.moving_average_decay is None
                   else 'averages of the weights')
        saved += (f'; every {run.eval_every_n_steps} steps a score on '
                  f'{run.eval_split_name}, in {validation.TABLE} and '
                  f'{validation.PICTURE}, and the best {weights} in '
                  f'{checkpoints.paths.BEST}')
    return (f'{network.name} on {dataset.num_samples} images of '
            f'{dataset.name} {dataset.split_name}: {steps}. In '
            f'{run.train_dir}: {saved}.')


def _settle(groups, dataset, source, is_resumed):
    """Returns the groups with all values, the network, and what was chosen."""
    config, run = None, groups[-1]
    if is_resumed or not run.is_chief:  # The chief may have just begun.
        config = train_dir.read_config(run.train_dir)
    # A name or file that is wrong is told before memory is tried.
    _make_network(groups[1], dataset, source)
    groups, choices = defaults.settle(
        groups, dataset, source, is_resumed, config)
    network = _make_network(groups[1], dataset, source)
    return (_configure(groups, network, dataset, config, choices), network,
            choices)


def _configure(groups, network, dataset, config, choices):
    """Checks and writes the train_dir's configuration.

    Returns the groups with freeze_batch_norm and the seed that were given,
    else those of the run which is resumed, of `config`, so that it is the
    same run; else what this batch size asks for, and a new one.
    """
    data, model, loss, optimizer, run = groups
    seed = run.random_seed
    if seed is None and config is not None:
        seed = config['flags'].get('random_seed')
    if seed is None:
        seed = random.SystemRandom().randrange(2 ** 31)
    run = run._replace(random_seed=seed)
    model = model._replace(freeze_batch_norm=_freezes_batch_norm(
        model, run.batch_size, config))
    groups = data, model, loss, optimizer, run
    if run.is_chief:
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
        train_dir.write_config(
            run.train_dir, config, trained, {
                name: value for group in groups
                for name, value in group._asdict().items()},
            # Also what another value was given for, this time.
            {**(config or {}).get('chosen', {}),
             **{choice.name: choice.value for choice in choices}})
    return groups


def _freezes_batch_norm(model, batch_size, config):
    """Returns --freeze_batch_norm; see _configure."""
    is_frozen = model.freeze_batch_norm
    if is_frozen and model.checkpoint_path is None and config is None:
        raise ValueError(
            '--freeze_batch_norm: keeps the means and variances of a '
            'checkpoint; give --checkpoint_path, or leave it out.')
    if is_frozen is None and config is not None:
        is_frozen = config['flags'].get('freeze_batch_norm')
    if is_frozen is None:
        is_frozen = (model.checkpoint_path is not None
                     and batch_size < _MIN_BATCH_TO_NORMALISE)
    return is_frozen


def _start(data, model, dataset, network, source):
    """Returns the function of a session that begins a new training."""
    if source is None:
        print(f'No --checkpoint_path: {network.name} starts from random '
              'weights. The paper starts from VGG-16; without it expect a '
              'longer training and a lower mAP.', file=sys.stderr)
        return initialization.fit_to_data(data, dataset, network)
    plan, warnings = checkpoints.restore.plan(
        slim.get_model_variables(), source, network,
        model.checkpoint_model_scope, model.checkpoint_exclude_scopes or (),
        model.ignore_missing_vars)
    plan, of_classes = checkpoints.restore.of_classes(
        plan, source, checkpoints.metadata.read(source), dataset.labels)
    for warning in [*warnings, *of_classes]:
        print(warning, file=sys.stderr)
    print(checkpoints.restore.format_plan(plan, source))
    return checkpoints.restore.initializer(plan, source)


def _loop(run, step, start_step, initialize, guard, aggregator, scores,
          last_step):
    """Runs steps until the last, saving and reporting; see _train."""
    training_log = log.TrainingLog(run, start_step)
    scaffold = tf.train.Scaffold(
        init_fn=initialize and (lambda _, session: initialize(session)),
        saver=saver.Saver())
    hooks = [tf.train.FinalOpsHook(distributed.done_ops(run))]
    if aggregator is not None:
        hooks.append(aggregator.hook)
    if run.max_number_of_steps is not None:
        hooks.append(tf.train.StopAtStepHook(
            last_step=run.max_number_of_steps))
    try:
        with distributed.start_session(
                run, scaffold, hooks) as session, tqdm.tqdm(
                initial=start_step, total=run.max_number_of_steps,
                unit='step', disable=None) as progress:
            interruption = _run_steps(
                session, step, guard, training_log, progress, scores,
                last_step, scaffold.saver)
    except (tf.errors.OpError, IndexError, RuntimeError) as error:
        # The last two are what a writer of summaries raises.
        raise _explained(error, run.train_dir) from None
    if run.is_chief:
        train_dir.check_saved(run.train_dir, training_log.number)
    print(f'Memory: up to {training_log.memory()}.')
    return interruption


def _run_steps(session, step, guard, training_log, progress, scores,
               last_step, saver):
    """Runs steps; returns the KeyboardInterrupt that ended them, or None."""
    try:
        while not session.should_stop():
            values = guard.run(session, step)
            progress.update()
            line = None if values is None else training_log.line(values)
            if line is not None:
                best = '' if scores is None or scores.best is None else (
                    f', best {scores.best}')
                progress.write(line + guard.note() + best)
                sys.stdout.flush()
            if last_step.is_done(session, training_log.number):
                break
            if scores is not None and values is not None:
                scores.add(values)
                if scores.is_due(training_log.number):
                    # Of the session itself: its hooks have no part in it.
                    progress.write(session.run_step_fn(
                        lambda step_context: scores.score(
                            step_context.session, saver,
                            training_log.number)))
                    sys.stdout.flush()
                    training_log.pause()
                    if scores.end is not None and last_step.end(
                            session, training_log.number):
                        break
    except KeyboardInterrupt as interruption:
        progress.write('Interrupted; saving.')
        return interruption
    return None


def _explained(error, folder):
    """Returns what is raised in place of an error of a session."""
    message = getattr(error, 'message', str(error))
    bad_record = record_checks.explanation(message)
    if bad_record is not None:
        return ValueError(bad_record)
    # Writers of files tell of no operation.
    operation = getattr(error, 'op', None)
    is_about_saving = folder in message if operation is None else (
        operation.type in ('SaveV2', 'MergeV2Checkpoints'))
    if not is_about_saving and not isinstance(error, (
            # Of records that vanish or are damaged in the middle.
            tf.errors.NotFoundError, tf.errors.PermissionDeniedError,
            tf.errors.DataLossError)):
        return error
    place = f'{folder}: cannot be written: ' if is_about_saving else ''
    return OSError(f'{place}{errors.reason(message)}. '
                   f'{train_dir.describe_last(folder)}')
