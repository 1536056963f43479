"""Scores an SSD checkpoint by the Pascal VOC rule.

    python eval_ssd_network.py --eval_dir=./logs/eval \
        --dataset_dir=./tfrecords --dataset_name=pascalvoc_2007 \
        --dataset_split_name=test --checkpoint_path=./logs

With --wait_for_checkpoints it runs beside a training and scores each
checkpoint as it comes.
"""
import os

from absl import flags

from engine import cli
from engine.evaluation import options

FLAGS = flags.FLAGS
DATA = options.Data(dataset_name=None, dataset_dir=None)  # Must be given.
MODEL, DETECTION, RUN = options.Model(), options.Detection(), options.Run()

# Data.
flags.DEFINE_string(
    'dataset_name', DATA.dataset_name, 'pascalvoc_2007, pascalvoc_2012, '
    'pascalvoc_0712 (both), or the name of your own records: '
    '<name>_<split>_*.tfrecord.')
flags.DEFINE_string(
    'dataset_split_name', DATA.dataset_split_name, 'Split to score on.')
flags.DEFINE_string(
    'dataset_dir', DATA.dataset_dir, 'Folder of the TFRecords.')
flags.DEFINE_integer(
    'num_classes', DATA.num_classes,
    'Classes with background; the records say it.')
flags.DEFINE_boolean(
    'remove_difficult', DATA.remove_difficult, 'Difficult objects are '
    'neither right nor wrong; else they count as any other.')
flags.DEFINE_integer(
    'batch_size', DATA.batch_size, 'Images of a batch.', lower_bound=1)
flags.DEFINE_integer(
    'max_num_batches', DATA.max_num_batches, 'Default: all.', lower_bound=1)
flags.DEFINE_integer(
    'num_preprocessing_threads', DATA.num_preprocessing_threads,
    'Images preprocessed at a time.', lower_bound=1)

# Network.
flags.DEFINE_string(
    'checkpoint_path', MODEL.checkpoint_path, 'File, prefix or folder.')
flags.DEFINE_string(
    'model_name', MODEL.model_name, 'ssd_300_vgg, ssd_512_vgg or '
    'ssd_300_vgg_quarter; default: that of the checkpoint, else ssd_300_vgg.')
flags.DEFINE_enum(
    'anchors', MODEL.anchors, ['voc', 'coco'], 'Anchors of a checkpoint that '
    "does not say; default: coco, the original's.")
flags.DEFINE_string(
    'preprocessing_name', MODEL.preprocessing_name,
    'Default: that of the network.')
flags.DEFINE_enum(
    'eval_resize', MODEL.eval_resize, ['1', '2', '3', '4'], 'How images are '
    'fitted: 1 not at all, 2 central crop, 3 shrink and pad, 4 warp.')
flags.DEFINE_integer(
    'eval_image_size', None, 'Accepted and ignored: the network says it.')
flags.DEFINE_float(
    'moving_average_decay', MODEL.moving_average_decay,
    'Score the moving averages of the weights; default: the weights.')
flags.DEFINE_enum(
    'compute_dtype', MODEL.compute_dtype, ['float32', 'bfloat16', 'float16'],
    'What convolutions compute in; bfloat16 is faster on CPUs with AMX or '
    'AVX-512 BF16 and on GPUs.')

# Detection.
flags.DEFINE_float(
    'select_threshold', DETECTION.select_threshold, 'Minimum score.')
flags.DEFINE_integer(
    'select_top_k', DETECTION.select_top_k, 'Per class, before suppression.')
flags.DEFINE_integer(
    'keep_top_k', DETECTION.keep_top_k, 'Per image, after suppression.')
flags.DEFINE_float(
    'nms_threshold', DETECTION.nms_threshold, 'Overlap that suppresses.')

# Run.
flags.DEFINE_float(
    'matching_threshold', RUN.matching_threshold, 'Overlap that is right.')
flags.DEFINE_string('eval_dir', RUN.eval_dir, 'Folder of the results.')
flags.DEFINE_boolean(
    'report', RUN.report, 'Write <eval_dir>/report/index.html: curves, '
    'errors by kind, and the images where most is wrong.')
flags.DEFINE_boolean(
    'wait_for_checkpoints', RUN.wait_for_checkpoints,
    'Score each checkpoint as it comes.')
flags.DEFINE_string('master', RUN.master, 'TensorFlow server to run on.')
flags.DEFINE_float(
    'gpu_memory_fraction', RUN.gpu_memory_fraction, 'Most of a GPU to take.')


def main():
    """Hands the flags over."""
    cli.require(FLAGS, 'dataset_name', 'dataset_dir')
    # Set before TensorFlow is imported; by itself it does so on some CPUs.
    os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
    cli.import_tensorflow()
    from engine.evaluation import evaluate
    evaluate.run(*(cli.values(FLAGS, type(default))
                   for default in (DATA, MODEL, DETECTION, RUN)))


if __name__ == '__main__':
    cli.run(main)
