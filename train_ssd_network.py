"""Trains an SSD network on TFRecords.

    python train_ssd_network.py --train_dir=./logs --dataset_dir=./tfrecords \
        --dataset_name=pascalvoc_0712 --dataset_split_name=train \
        --checkpoint_path=./checkpoints/vgg_16.ckpt

Run it again with the same --train_dir to go on where it stopped.
"""
import types

from absl import flags

from engine import cli

FLAGS = flags.FLAGS

# Data.
flags.DEFINE_string(
    'dataset_name', None, 'pascalvoc_2007, pascalvoc_2012, pascalvoc_0712 '
    '(both), or the name of your own records: <name>_<split>_*.tfrecord.')
flags.DEFINE_string('dataset_split_name', 'train', 'Split to train on.')
flags.DEFINE_string('dataset_dir', None, 'Folder of the TFRecords.')
flags.DEFINE_integer(
    'num_classes', None, 'Classes with background; the records say it.')
flags.DEFINE_integer('labels_offset', 0, 'Accepted and ignored, as ever.')
flags.DEFINE_boolean(
    'remove_difficult', False, 'Leave objects marked difficult out.')
flags.DEFINE_integer(
    'batch_size', 32, 'Images of a batch, per clone and pass.',
    lower_bound=1)
flags.DEFINE_integer(
    'num_readers', 4, 'Record files read at a time.', lower_bound=1)
flags.DEFINE_integer(
    'num_preprocessing_threads', 4, 'Images preprocessed at a time.',
    lower_bound=1)
flags.DEFINE_integer(
    'random_seed', None, 'Makes weights, order and augmentation repeatable.')

# Network.
flags.DEFINE_string(
    'model_name', 'ssd_300_vgg',
    'ssd_300_vgg, ssd_512_vgg or ssd_300_vgg_quarter.')
flags.DEFINE_enum(
    'anchors', None, ['voc', 'coco'],
    "Sizes of the anchors: Caffe's for VOC or COCO. Default: those of the "
    "checkpoint, else coco, the original's. Recorded in the checkpoints.")
flags.DEFINE_string(
    'preprocessing_name', None, 'Default: that of the network.')
flags.DEFINE_integer('train_image_size', None, 'Accepted and ignored: the '
                     'network says it.')

# Loss.
flags.DEFINE_float('loss_alpha', 1., 'Weight of the localisation loss.')
flags.DEFINE_float('negative_ratio', 3., 'Mined negatives per positive.')
flags.DEFINE_float('match_threshold', .5, 'Overlap that makes a positive.')
flags.DEFINE_integer(
    'negatives_per_empty_image', 0,
    'Mined negatives of an image without objects.', lower_bound=0)
flags.DEFINE_float(
    'label_smoothing', 0., 'Share of the target spread over all classes.')
flags.DEFINE_float('weight_decay', .0005, 'L2 factor of the weights.')

# Optimisation.
flags.DEFINE_string(
    'optimizer', 'momentum', 'adadelta, adagrad, adam, ftrl, momentum, sgd '
    'or rmsprop.')
flags.DEFINE_float('learning_rate', .001, 'Initial learning rate.')
flags.DEFINE_string(
    'learning_rate_decay_type', 'exponential',
    'fixed, exponential, polynomial or piecewise.')
flags.DEFINE_float(
    'learning_rate_decay_factor', .94, 'Factor of exponential decay.')
flags.DEFINE_float('num_epochs_per_decay', 2., 'Epochs between decays.')
flags.DEFINE_float('end_learning_rate', .0001, 'End of polynomial decay.')
flags.DEFINE_list(
    'decay_boundaries', ['80000', '100000'], 'Steps, for piecewise.')
flags.DEFINE_list(
    'lr_decay_factors', ['1', '0.1', '0.01'],
    'Factors of the learning rate, for piecewise.')
flags.DEFINE_integer(
    'warmup_steps', 500, 'Steps over which the learning rate rises.',
    lower_bound=0)
flags.DEFINE_float('moving_average_decay', None, 'Of the weights; default: '
                   'no moving averages.')
flags.DEFINE_float('momentum', .9, 'Of the momentum optimizer.')
flags.DEFINE_float('adadelta_rho', .95, 'Decay of adadelta.')
flags.DEFINE_float('adagrad_initial_accumulator_value', .1, 'Adagrad.')
flags.DEFINE_float('adam_beta1', .9, 'Adam, first moment.')
flags.DEFINE_float('adam_beta2', .999, 'Adam, second moment.')
flags.DEFINE_float('opt_epsilon', 1e-8, 'Of adadelta, adam and rmsprop.')
flags.DEFINE_float('ftrl_learning_rate_power', -.5, 'Ftrl.')
flags.DEFINE_float('ftrl_initial_accumulator_value', .1, 'Ftrl.')
flags.DEFINE_float('ftrl_l1', 0., 'Ftrl, L1 strength.')
flags.DEFINE_float('ftrl_l2', 0., 'Ftrl, L2 strength.')
flags.DEFINE_float('rmsprop_momentum', .9, 'RMSProp.')
flags.DEFINE_float('rmsprop_decay', .9, 'RMSProp.')
flags.DEFINE_integer('max_number_of_steps', None, 'Default: no end.')
flags.DEFINE_integer(
    'accumulate_steps', 1, 'Batches whose gradients make one step: a big '
    'batch in the memory of a small one.', lower_bound=1)
flags.DEFINE_enum(
    'compute_dtype', 'float32', ['float32', 'bfloat16', 'float16'],
    'What the network computes in. Weights, losses and checkpoints are '
    'float32 always.')
flags.DEFINE_float(
    'clip_gradient_norm', None, 'Largest norm of the gradients of all '
    'variables; default: no limit.', lower_bound=0)
flags.DEFINE_enum(
    'on_nonfinite', 'stop', ['stop', 'skip'],
    'What a loss or gradient that is not finite does: stop, or skip the '
    'step, which stops after 10 in a row.')

# Fine-tuning.
flags.DEFINE_string(
    'checkpoint_path', None,
    'Checkpoint to start from: file, prefix or folder.')
flags.DEFINE_string(
    'checkpoint_model_scope', None, 'Scope of the network in it.')
flags.DEFINE_list(
    'checkpoint_exclude_scopes', None, 'Scopes that start anew.')
flags.DEFINE_list('trainable_scopes', None, 'Scopes to train; default: all.')
flags.DEFINE_boolean(
    'ignore_missing_vars', False,
    'Variables that the checkpoint lacks start anew.')

# Run.
flags.DEFINE_string(
    'train_dir', '/tmp/tfmodel/', 'Folder of checkpoints and events.')
flags.DEFINE_integer(
    'num_clones', 1, 'GPUs of this machine to train on.', lower_bound=1)
flags.DEFINE_boolean('clone_on_cpu', False, 'Train on the CPU.')
flags.DEFINE_float('gpu_memory_fraction', .8, 'Most of a GPU to take.')
flags.DEFINE_integer(
    'log_every_n_steps', 10, 'Steps between log lines.', lower_bound=1)
flags.DEFINE_integer('save_summaries_secs', 600, 'Between summaries.')
flags.DEFINE_integer('save_interval_secs', 600, 'Between checkpoints.')

# Several machines: the same command for each, but for --job_name and --task.
flags.DEFINE_list(
    'ps_hosts', None, 'host:port of each parameter server.')
flags.DEFINE_list('worker_hosts', None, 'host:port of each worker.')
flags.DEFINE_enum(
    'job_name', None, ['ps', 'worker'], 'What this process is.')
flags.DEFINE_integer(
    'task', 0, 'Which of them it is; worker 0 saves.', lower_bound=0)
flags.DEFINE_boolean(
    'sync_replicas', False, 'Workers add their gradients up to those of one '
    'big batch, instead of taking turns.')
flags.DEFINE_integer(
    'replicas_to_aggregate', None, 'Workers that make a step with '
    '--sync_replicas; default: all.', lower_bound=1)
flags.DEFINE_string(
    'master', '', 'Address of a TensorFlow server that runs already.')
flags.DEFINE_integer(
    'worker_replicas', 1, 'With --master: number of workers.', lower_bound=1)
flags.DEFINE_integer(
    'num_ps_tasks', 0, 'With --master: number of parameter servers.',
    lower_bound=0)


def main():
    """Hands the flags over."""
    cli.require(FLAGS, 'dataset_name', 'dataset_dir')
    cli.import_tensorflow()
    from engine.training import train
    train.run(types.SimpleNamespace(**{
        flag.name: flag.value
        for flag in FLAGS.get_key_flags_for_module(__name__)}))


if __name__ == '__main__':
    cli.run(main)
