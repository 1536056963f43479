"""Trains a network. `options` holds the flags of train_ssd_network.py."""
import os
import sys
import time

import tensorflow.compat.v1 as tf
import tf_slim as slim
import tqdm

from engine import checkpoints
from engine import fine_tuning
from engine import models
from engine import optimization
from engine import runtime
from engine import training_config
from engine import training_graph


def run(options):
    """Trains as the flags say, from where the train_dir stands.

    Raises:
      ValueError: if flags, data, checkpoint and train_dir do not fit, or
        the loss ceases to be finite.
    """
    runtime.prepare()
    dataset = models.open_dataset(options)
    os.makedirs(options.train_dir, exist_ok=True)
    latest = tf.train.latest_checkpoint(options.train_dir)
    network = _make_network(options, dataset, latest)
    training_config.check_and_write(
        options, network, dataset, is_resumed=latest is not None)
    start_step = 0 if latest is None else checkpoints.global_step(latest)
    if (options.max_number_of_steps is not None
            and start_step >= options.max_number_of_steps):
        print(f'{latest}: is at step {start_step}, there is nothing to do '
              f'until --max_number_of_steps={options.max_number_of_steps}.')
        return
    with tf.Graph().as_default():
        tf.set_random_seed(options.random_seed)
        step = training_graph.build(
            options, dataset, network, start_step)
        init_fn = None
        if latest is not None:
            checkpoints.check_complete(
                latest, checkpoints.variables_to_restore(
                    tf.global_variables()))
            print(f'{latest}: training goes on from step {start_step}.')
        else:
            init_fn = _start(options, network)
        _loop(options, step, start_step, init_fn)
    _print_end(options)


def _make_network(options, dataset, latest):
    """Returns the network, with the anchors of the checkpoint it goes on from.

    That is the train_dir's latest, if any, else --checkpoint_path.
    """
    prefix = latest
    if latest is None and options.checkpoint_path is not None:
        prefix = checkpoints.find(options.checkpoint_path)
    metadata = None if prefix is None else checkpoints.read_metadata(prefix)
    if metadata is not None and metadata['model_name'] != options.model_name:
        metadata = None
    return models.make_network(
        options.model_name, dataset.labels, metadata, options.anchors)


def _start(options, network):
    """Returns the init_fn of a new training, None for random weights."""
    if options.checkpoint_path is None:
        print(f'No --checkpoint_path: {network.name} starts from random '
              'weights. The paper starts from VGG-16; without it expect a '
              'longer training and a lower mAP.', file=sys.stderr)
        return None
    prefix = checkpoints.find(options.checkpoint_path)
    plan, warnings = fine_tuning.plan(
        slim.get_model_variables(), prefix, network.name,
        options.checkpoint_model_scope,
        options.checkpoint_exclude_scopes or (),
        options.ignore_missing_vars)
    for warning in warnings:
        print(warning, file=sys.stderr)
    print(fine_tuning.format_plan(plan, prefix))
    initialize = fine_tuning.initializer(plan, prefix)
    return lambda scaffold, session: initialize(session)


def _loop(options, step, start_step, init_fn):
    """Runs steps until the last, saving, summarizing and reporting."""
    scaffold = tf.train.Scaffold(init_fn=init_fn, saver=tf.train.Saver(
        max_to_keep=5, keep_checkpoint_every_n_hours=1,
        save_relative_paths=True))  # The folder may be moved.
    hooks = [RateHook(options)]
    if options.max_number_of_steps is not None:
        hooks.append(tf.train.StopAtStepHook(
            last_step=options.max_number_of_steps))
    try:
        with tf.train.MonitoredTrainingSession(
                checkpoint_dir=options.train_dir, scaffold=scaffold,
                save_checkpoint_secs=options.save_interval_secs,
                save_summaries_secs=options.save_summaries_secs,
                save_summaries_steps=None, log_step_count_steps=None,
                config=runtime.session_config(options.gpu_memory_fraction),
                hooks=hooks) as session, tqdm.tqdm(
                    initial=start_step, total=options.max_number_of_steps,
                    unit='step', disable=None) as progress:
            _run_steps(options, session, step, start_step, hooks[0], progress)
    except tf.errors.InvalidArgumentError as error:
        if optimization.NOT_FINITE not in error.message:
            raise
        raise ValueError(_explain_divergence(options, error)) from None


def _run_steps(options, session, step, number, rate_hook, progress):
    """Runs steps from `number` on; Ctrl-C ends them, so that all is saved."""
    try:
        while not session.should_stop():
            values = session.run(step)
            number += 1
            progress.update()
            if number % options.log_every_n_steps == 0:
                progress.write(_format(number, values, rate_hook))
                sys.stdout.flush()
    except KeyboardInterrupt:
        progress.write(f'Interrupted at step {number}; saving. The same '
                       'command goes on from there.')


class RateHook(tf.train.SessionRunHook):
    """Measures images per second, for the log and TensorBoard."""

    def __init__(self, options):
        """See the flags log_every_n_steps, batch_size and num_clones."""
        self._every = options.log_every_n_steps
        self._images_per_step = options.batch_size * options.num_clones
        self._train_dir = options.train_dir
        self._since = None
        self.images_per_second = float('nan')

    def begin(self):
        """Makes the writer of the scalar."""
        self._writer = tf.summary.FileWriterCache.get(self._train_dir)
        self._global_step = tf.train.get_global_step()

    def after_create_session(self, session, coord):
        """Reads the step from which to count."""
        self._step = session.run(self._global_step)

    def after_run(self, run_context, run_values):
        """Measures every n steps, and not the first, which sets things up."""
        self._step += 1
        now = time.monotonic()
        if self._since is None:
            self._since = self._step, now
        elif self._step % self._every == 0:
            step, start = self._since
            self._since = self._step, now
            self.images_per_second = (
                (self._step - step) * self._images_per_step / (now - start))
            self._writer.add_summary(tf.Summary(value=[tf.Summary.Value(
                tag='images_per_second',
                simple_value=self.images_per_second)]), self._step)


def _format(number, values, rate_hook):
    losses = values.losses
    return (f'step {number}: loss {values.total:.4f} (localization '
            f'{losses.localisation:.4f}, positives {losses.positives:.4f}, '
            f'negatives {losses.negatives:.4f}), learning rate '
            f'{values.rate:.3g}, {rate_hook.images_per_second:.1f} images/s')


def _explain_divergence(options, error):
    latest = tf.train.latest_checkpoint(options.train_dir)
    details = error.message.split(optimization.NOT_FINITE)[1].split('\n')[0]
    return (f'{optimization.NOT_FINITE} {details.strip()} The last '
            f'checkpoint, {latest}, is from before. Usual causes: a learning '
            f'rate that is too high (--learning_rate={options.learning_rate},'
            f' --warmup_steps={options.warmup_steps}), or wrong boxes.')


def _print_end(options):
    latest = tf.train.latest_checkpoint(options.train_dir)
    print(f'Trained: {latest}. Next: python eval_ssd_network.py '
          f'--checkpoint_path={options.train_dir} '
          f'--dataset_dir={options.dataset_dir} '
          f'--dataset_name={options.dataset_name} '
          f'--dataset_split_name=test --eval_dir='
          f'{os.path.join(options.train_dir, "eval")}')
