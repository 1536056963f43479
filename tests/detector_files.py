"""Checkpoints and pictures to detect in, small and random."""
import cv2
import numpy as np
import tensorflow.compat.v1 as tf

from engine import checkpoints
from engine import runtime
from nets import nets_factory

MODEL = 'ssd_300_vgg_quarter'
NAMES = ('circle', 'square', 'Dreieck', 'étoile', 'cross')
# Some of what random weights give is above this.
THRESHOLD = 0.5


def save(path, class_names=NAMES, with_metadata=True, model_name=MODEL):
    """Saves random weights; returns the path as a string."""
    network_class = nets_factory.get_network(model_name)
    network = network_class(network_class.default_params._replace(
        num_classes=len(class_names) + 1))
    with runtime.quiet(), tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        network.net(tf.zeros([1, *network.params.img_shape, 3]),
                    is_training=False, from_scratch=True)
        if with_metadata:
            checkpoints.metadata.variable(
                checkpoints.metadata.make(network, class_names))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(path), write_meta_graph=False)
    return str(path)


def pictures(num, seed=0, size=None):
    """Returns uint8 [h, w, 3] pictures of smooth colours, RGB."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(num):
        height, width = size or rng.integers(60, 400, 2).tolist()
        cells = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        images.append(cv2.resize(cells, (width, height)))
    return images


def write_picture(path, image):
    """Writes an RGB picture; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image[..., ::-1])[1].tobytes())
    return path


def write_video(path, frames, frames_per_second=12):
    """Writes RGB frames of one size; returns the path as a string."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'MJPG'), frames_per_second,
        (width, height))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return str(path)
