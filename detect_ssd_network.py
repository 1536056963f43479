"""Finds objects in images, videos, cameras and streams.

    python detect_ssd_network.py --checkpoint_path=./logs \
        --input='photos/*.jpg' --output_dir=./detections

Writes annotated pictures, or a video, and detections.json with the boxes.
"""
import os
import types

from absl import flags

from engine import cli

FLAGS = flags.FLAGS

# What and where.
flags.DEFINE_string(
    'input', None, 'An image, a folder of images, a pattern such as '
    "'photos/*.jpg', a video, the number of a camera, or the address of a "
    'stream such as rtsp://host/path.')
flags.DEFINE_string(
    'output_dir', './detections', 'Folder of the results, made if missing.')
flags.DEFINE_boolean(
    'save_xml', False, 'Also write Annotations/*.xml as in Pascal VOC, to be '
    'corrected in a labelling tool and trained on. Only for images.')
flags.DEFINE_boolean(
    'show', False, 'Also show the pictures in a window: any key goes on, q '
    'ends.')

# Network.
flags.DEFINE_string('checkpoint_path', None, 'File, prefix or folder.')
flags.DEFINE_string(
    'model_name', None, 'ssd_300_vgg, ssd_512_vgg or ssd_300_vgg_quarter; '
    'default: that of the checkpoint, else ssd_300_vgg.')
flags.DEFINE_string(
    'labels', None, 'Names of the classes, with commas between, for a '
    "checkpoint that does not say them; default: VOC's 20.")
flags.DEFINE_string(
    'labels_file', None, 'The same from a file, one name a line.')
flags.DEFINE_enum(
    'anchors', None, ['voc', 'coco'], 'Anchors of a checkpoint that does '
    "not say; default: coco, the original's.")
flags.DEFINE_float(
    'moving_average_decay', None,
    'Use the moving averages of the weights; default: the weights.')
flags.DEFINE_enum(
    'compute_dtype', 'float32', ['float32', 'bfloat16', 'float16'],
    'What convolutions compute in; bfloat16 is faster on CPUs with AMX or '
    'AVX-512 BF16 and on GPUs.')

# Detection.
flags.DEFINE_float('select_threshold', .5, 'Minimum score.')
flags.DEFINE_integer('select_top_k', 400, 'Per class, before suppression.')
flags.DEFINE_integer('keep_top_k', 200, 'Per image, after suppression.')
flags.DEFINE_float('nms_threshold', .45, 'Overlap that suppresses.')
flags.DEFINE_integer('batch_size', 8, 'Images of a batch; cameras have 1.')
flags.DEFINE_float('gpu_memory_fraction', .8, 'Most of a GPU to take.')


def main():
    """Hands the flags over."""
    cli.require(FLAGS, 'checkpoint_path', 'input')
    # Set before TensorFlow is imported; by itself it does so on some CPUs.
    os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
    cli.import_tensorflow()
    from engine.detecting import detect
    detect.run(types.SimpleNamespace(**{
        flag.name: flag.value
        for flag in FLAGS.get_key_flags_for_module(__name__)}))


if __name__ == '__main__':
    cli.run(main)
