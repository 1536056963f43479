"""A damaged image in the records is named when it is evaluated."""
import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from datasets import tfrecords
from datasets.voc import pascalvoc
from engine.evaluation import evaluate
from engine.evaluation import undecodable
from tests import detector_files
from tests import scripts

JPEG = cv2.imencode('.jpg', np.full((20, 40, 3), 90, np.uint8))[1].tobytes()


def write(path, images):
    """Writes records of encoded images that are called 0.jpg, 1.jpg, ..."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for index, encoded in enumerate(images):
            writer.write(tfrecords.encode_example(tfrecords.Sample(
                encoded, b'JPEG', f'{index}.jpg', 20, 40, [[0, 0, 1, 1]], [1],
                ['dog'], [0], [0])))


def test_evaluation_names_a_damaged_image(tmp_path):
    checkpoint = detector_files.save(
        tmp_path / 'a.ckpt', pascalvoc.LABELS, with_metadata=False)
    write(tmp_path / 'voc_2007_test_000.tfrecord',
          [JPEG, JPEG[:len(JPEG) // 2]])
    with pytest.raises(ValueError, match=(
            r'voc_2007_test_000.tfrecord, record 1: the image 1 cannot be '
            r'decoded: .*\. Convert it again\.')):
        evaluate.run(scripts.options(
            'eval_ssd_network', dataset_name='pascalvoc_2007',
            dataset_dir=str(tmp_path),
            model_name=detector_files.MODEL, checkpoint_path=checkpoint,
            eval_dir=str(tmp_path / 'eval')))


def test_another_error_stays(tmp_path):
    write(tmp_path / 'a', [JPEG])
    error = tf.errors.InvalidArgumentError(None, None, 'other')
    with pytest.raises(tf.errors.InvalidArgumentError, match='other'):
        with undecodable.named([str(tmp_path / 'a')]):
            raise error
