"""Trains an SSD network on TFRecords.

    python train_ssd_network.py --train_dir=./logs --dataset_dir=./tfrecords \
        --dataset_name=pascalvoc_0712 --dataset_split_name=train \
        --checkpoint_path=./checkpoints/vgg_16.ckpt

Run it again with the same --train_dir to go on where it stopped.
"""
from absl import flags

from engine import cli
from engine.training import options

FLAGS = flags.FLAGS
# Every default stands in engine/training/options.py.
GROUPS = DATA, MODEL, LOSS, OPTIMIZER, RUN = (
    options.Data(), options.Model(), options.Loss(), options.Optimizer(),
    options.Run())

# Data.
flags.DEFINE_string(
    'dataset_name', DATA.dataset_name, 'pascalvoc_2007, pascalvoc_2012, '
    'pascalvoc_0712 (both), or the name of your own records: '
    '<name>_<split>_*.tfrecord.')
flags.DEFINE_string(
    'dataset_split_name', DATA.dataset_split_name, 'Split to train on.')
flags.DEFINE_string('dataset_dir', DATA.dataset_dir, 'Folder of the TFRecords.')
flags.DEFINE_integer(
    'num_classes', DATA.num_classes, 'Classes with background; the records '
    'say it.')
flags.DEFINE_integer('labels_offset', 0, 'Accepted and ignored, as ever.')
flags.DEFINE_boolean(
    'remove_difficult', DATA.remove_difficult, 'Leave objects marked '
    'difficult out.')
flags.DEFINE_integer(
    'batch_size', RUN.batch_size, 'Images of a batch, per clone and pass.',
    lower_bound=1)
flags.DEFINE_integer(
    'num_readers', DATA.num_readers, 'Record files read at a time.',
    lower_bound=1)
flags.DEFINE_integer(
    'num_preprocessing_threads', DATA.num_preprocessing_threads,
    'Images preprocessed at a time.', lower_bound=1)
flags.DEFINE_integer(
    'random_seed', RUN.random_seed, 'Makes weights, order and augmentation '
    'repeatable.')

# Network.
flags.DEFINE_string(
    'model_name', MODEL.model_name, 'ssd_300_vgg, ssd_512_vgg or '
    'ssd_300_vgg_quarter.')
flags.DEFINE_enum(
    'anchors', MODEL.anchors, ['voc', 'coco'], "Sizes of the anchors: Caffe's "
    'for VOC or COCO. Default: those of the checkpoint, else coco, the '
    "original's. Recorded in the checkpoints.")
flags.DEFINE_string(
    'preprocessing_name', DATA.preprocessing_name, 'Default: that of the '
    'network.')
flags.DEFINE_integer('train_image_size', None, 'Accepted and ignored: the '
                     'network says it.')

# Loss.
flags.DEFINE_float(
    'loss_alpha', LOSS.loss_alpha, 'Weight of the localisation loss.')
flags.DEFINE_float(
    'negative_ratio', LOSS.negative_ratio, 'Mined negatives per positive.')
flags.DEFINE_float(
    'match_threshold', LOSS.match_threshold, 'Overlap that makes a positive.')
flags.DEFINE_integer(
    'negatives_per_empty_image', LOSS.negatives_per_empty_image,
    'Mined negatives of an image without objects.', lower_bound=0)
flags.DEFINE_float(
    'label_smoothing', LOSS.label_smoothing, 'Share of the target spread over '
    'all classes.')
flags.DEFINE_float(
    'weight_decay', LOSS.weight_decay, 'L2 factor of the weights.')

# Optimisation.
flags.DEFINE_string(
    'optimizer', OPTIMIZER.optimizer, 'adadelta, adagrad, adam, ftrl, '
    'momentum, sgd or rmsprop.')
flags.DEFINE_float(
    'learning_rate', OPTIMIZER.learning_rate, 'Initial learning rate.')
flags.DEFINE_string(
    'learning_rate_decay_type', OPTIMIZER.learning_rate_decay_type,
    'fixed, exponential, polynomial or piecewise.')
flags.DEFINE_float(
    'learning_rate_decay_factor', OPTIMIZER.learning_rate_decay_factor,
    'Factor of exponential decay.')
flags.DEFINE_float(
    'num_epochs_per_decay', OPTIMIZER.num_epochs_per_decay,
    'Epochs between decays.')
flags.DEFINE_float(
    'end_learning_rate', OPTIMIZER.end_learning_rate, 'End of polynomial '
    'decay.')
flags.DEFINE_list(
    'decay_boundaries', list(OPTIMIZER.decay_boundaries),
    'Steps, for piecewise.')
flags.DEFINE_list(
    'lr_decay_factors', list(OPTIMIZER.lr_decay_factors),
    'Factors of the learning rate, for piecewise.')
flags.DEFINE_integer(
    'warmup_steps', OPTIMIZER.warmup_steps, 'Steps over which the learning '
    'rate rises.', lower_bound=0)
flags.DEFINE_float(
    'moving_average_decay', OPTIMIZER.moving_average_decay,
    'Of the weights; default: no moving averages.')
flags.DEFINE_float('momentum', OPTIMIZER.momentum, 'Of the momentum optimizer.')
flags.DEFINE_float('adadelta_rho', OPTIMIZER.adadelta_rho, 'Decay of adadelta.')
flags.DEFINE_float(
    'adagrad_initial_accumulator_value',
    OPTIMIZER.adagrad_initial_accumulator_value, 'Adagrad.')
flags.DEFINE_float('adam_beta1', OPTIMIZER.adam_beta1, 'Adam, first moment.')
flags.DEFINE_float('adam_beta2', OPTIMIZER.adam_beta2, 'Adam, second moment.')
flags.DEFINE_float(
    'opt_epsilon', OPTIMIZER.opt_epsilon, 'Of adadelta, adam and rmsprop.')
flags.DEFINE_float(
    'ftrl_learning_rate_power', OPTIMIZER.ftrl_learning_rate_power,
    'Ftrl.')
flags.DEFINE_float(
    'ftrl_initial_accumulator_value', OPTIMIZER.ftrl_initial_accumulator_value,
    'Ftrl.')
flags.DEFINE_float('ftrl_l1', OPTIMIZER.ftrl_l1, 'Ftrl, L1 strength.')
flags.DEFINE_float('ftrl_l2', OPTIMIZER.ftrl_l2, 'Ftrl, L2 strength.')
flags.DEFINE_float('rmsprop_momentum', OPTIMIZER.rmsprop_momentum, 'RMSProp.')
flags.DEFINE_float('rmsprop_decay', OPTIMIZER.rmsprop_decay, 'RMSProp.')
flags.DEFINE_integer(
    'max_number_of_steps', RUN.max_number_of_steps, 'Default: no end.')
flags.DEFINE_integer(
    'accumulate_steps', RUN.accumulate_steps, 'Batches whose gradients make '
    'one step: a big batch in the memory of a small one.', lower_bound=1)
flags.DEFINE_enum(
    'compute_dtype', MODEL.compute_dtype, ['float32', 'bfloat16', 'float16'],
    'What the network computes in. Weights, losses and checkpoints are '
    'float32 always.')
flags.DEFINE_float(
    'clip_gradient_norm', OPTIMIZER.clip_gradient_norm,
    'Largest norm of the gradients of all variables; default: no limit.',
    lower_bound=0)
flags.DEFINE_enum(
    'on_nonfinite', OPTIMIZER.on_nonfinite, ['stop', 'skip'],
    'What a loss or gradient that is not finite does: stop, or skip the '
    'step, which stops after 10 in a row.')

# Fine-tuning.
flags.DEFINE_string(
    'checkpoint_path', MODEL.checkpoint_path, 'Checkpoint to start from: '
    'file, prefix or folder.')
flags.DEFINE_string(
    'checkpoint_model_scope', MODEL.checkpoint_model_scope,
    'Scope of the network in it.')
flags.DEFINE_list(
    'checkpoint_exclude_scopes', MODEL.checkpoint_exclude_scopes,
    'Scopes that start anew.')
flags.DEFINE_list(
    'trainable_scopes', MODEL.trainable_scopes, 'Scopes to train; default: '
    'all.')
flags.DEFINE_boolean(
    'ignore_missing_vars', MODEL.ignore_missing_vars, 'Variables that the '
    'checkpoint lacks start anew.')

# Run.
flags.DEFINE_string(
    'train_dir', RUN.train_dir, 'Folder of checkpoints and events.')
flags.DEFINE_integer(
    'num_clones', RUN.num_clones, 'GPUs of this machine to train on.',
    lower_bound=1)
flags.DEFINE_boolean('clone_on_cpu', RUN.clone_on_cpu, 'Train on the CPU.')
flags.DEFINE_float(
    'gpu_memory_fraction', RUN.gpu_memory_fraction, 'Most of a GPU to take.')
flags.DEFINE_integer(
    'log_every_n_steps', RUN.log_every_n_steps, 'Steps between log lines.',
    lower_bound=1)
flags.DEFINE_integer(
    'save_summaries_secs', RUN.save_summaries_secs, 'Between summaries.')
flags.DEFINE_integer(
    'save_interval_secs', RUN.save_interval_secs, 'Between checkpoints.')
flags.DEFINE_integer(
    'save_interval_steps', RUN.save_interval_steps, 'Steps between '
    'checkpoints, beside the seconds.', lower_bound=1)

# Several machines: the same command for each, but for --job_name and --task.
flags.DEFINE_list(
    'ps_hosts', RUN.ps_hosts, 'host:port of each parameter server.')
flags.DEFINE_list('worker_hosts', RUN.worker_hosts, 'host:port of each worker.')
flags.DEFINE_enum(
    'job_name', RUN.job_name, ['ps', 'worker'], 'What this process is.')
flags.DEFINE_integer(
    'task', RUN.task, 'Which of them it is; worker 0 saves.', lower_bound=0)
flags.DEFINE_boolean(
    'sync_replicas', RUN.sync_replicas, 'Workers add their gradients up to '
    'those of one big batch, instead of taking turns.')
flags.DEFINE_integer(
    'replicas_to_aggregate', RUN.replicas_to_aggregate,
    'Workers that make a step with --sync_replicas; default: all.',
    lower_bound=1)
flags.DEFINE_string(
    'master', RUN.master, 'Address of a TensorFlow server that runs already.')
flags.DEFINE_integer(
    'worker_replicas', RUN.worker_replicas, 'With --master: number of workers.',
    lower_bound=1)
flags.DEFINE_integer(
    'num_ps_tasks', RUN.num_ps_tasks, 'With --master: number of parameter '
    'servers.', lower_bound=0)


def main():
    """Hands the flags over."""
    cli.require(FLAGS, 'dataset_name', 'dataset_dir')
    from engine.training import train
    train.run(*(cli.values(FLAGS, type(group)) for group in GROUPS))


if __name__ == '__main__':
    cli.run(main)
