"""Scores an SSD checkpoint by the Pascal VOC rule.

    python eval_ssd_network.py --eval_dir=./logs/eval \
        --dataset_dir=./tfrecords --dataset_name=pascalvoc_2007 \
        --dataset_split_name=test --checkpoint_path=./logs

With --wait_for_checkpoints it runs beside a training and scores each
checkpoint as it comes.
"""
import os
import types

from absl import flags

from engine import cli

FLAGS = flags.FLAGS

# Data.
flags.DEFINE_string(
    'dataset_name', None, 'pascalvoc_2007, pascalvoc_2012, pascalvoc_0712 '
    '(both), or the name of your own records: <name>_<split>_*.tfrecord.')
flags.DEFINE_string('dataset_split_name', 'test', 'Split to score on.')
flags.DEFINE_string('dataset_dir', None, 'Folder of the TFRecords.')
flags.DEFINE_integer(
    'num_classes', None, 'Classes with background; the records say it.')
flags.DEFINE_boolean(
    'remove_difficult', True, 'Difficult objects are neither right nor '
    'wrong; else they count as any other.')
flags.DEFINE_integer(
    'batch_size', 1, 'Images of a batch.', lower_bound=1)
flags.DEFINE_integer(
    'max_num_batches', None, 'Default: all.', lower_bound=1)
flags.DEFINE_integer(
    'num_preprocessing_threads', 4, 'Images preprocessed at a time.',
    lower_bound=1)

# Network.
flags.DEFINE_string(
    'checkpoint_path', '/tmp/tfmodel/', 'File, prefix or folder.')
flags.DEFINE_string(
    'model_name', None, 'ssd_300_vgg, ssd_512_vgg or ssd_300_vgg_quarter; '
    'default: that of the checkpoint, else ssd_300_vgg.')
flags.DEFINE_enum(
    'anchors', None, ['voc', 'coco'], 'Anchors of a checkpoint that does '
    "not say; default: coco, the original's.")
flags.DEFINE_string(
    'preprocessing_name', None, 'Default: that of the network.')
flags.DEFINE_enum(
    'eval_resize', '4', ['1', '2', '3', '4'], 'How images are fitted: 1 not '
    'at all, 2 central crop, 3 shrink and pad, 4 warp.')
flags.DEFINE_integer(
    'eval_image_size', None, 'Accepted and ignored: the network says it.')
flags.DEFINE_float(
    'moving_average_decay', None,
    'Score the moving averages of the weights; default: the weights.')
flags.DEFINE_enum(
    'compute_dtype', 'float32', ['float32', 'bfloat16', 'float16'],
    'What convolutions compute in; bfloat16 is faster on CPUs with AMX or '
    'AVX-512 BF16 and on GPUs.')

# Detection and matching.
flags.DEFINE_float('select_threshold', .01, 'Minimum score.')
flags.DEFINE_integer('select_top_k', 400, 'Per class, before suppression.')
flags.DEFINE_integer('keep_top_k', 200, 'Per image, after suppression.')
flags.DEFINE_float('nms_threshold', .45, 'Overlap that suppresses.')
flags.DEFINE_float('matching_threshold', .5, 'Overlap that is right.')

# Run.
flags.DEFINE_string('eval_dir', '/tmp/tfmodel/', 'Folder of the results.')
flags.DEFINE_boolean(
    'report', True, 'Write <eval_dir>/report/index.html: curves, errors by '
    'kind, and the images where most is wrong.')
flags.DEFINE_boolean(
    'wait_for_checkpoints', False, 'Score each checkpoint as it comes.')
flags.DEFINE_string('master', '', 'TensorFlow server to run on.')
flags.DEFINE_float('gpu_memory_fraction', .8, 'Most of a GPU to take.')


def main():
    """Hands the flags over."""
    cli.require(FLAGS, 'dataset_name', 'dataset_dir')
    # Set before TensorFlow is imported; by itself it does so on some CPUs.
    os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
    cli.import_tensorflow()
    from engine.evaluation import evaluate
    evaluate.run(types.SimpleNamespace(**{
        flag.name: flag.value
        for flag in FLAGS.get_key_flags_for_module(__name__)}))


if __name__ == '__main__':
    cli.run(main)
