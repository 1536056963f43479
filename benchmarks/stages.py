"""What surrounds the network: data in, detections out, whole commands.

A stage of a whole command is run on few and on many images, so that what it
costs to start can be told from what an image costs.
"""
import tempfile

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks import engines
from benchmarks import files
from datasets import conversion
from datasets import label_map
from datasets.voc import folders
from engine import models
from engine.detecting import detect
from engine.detecting import options as detect_options
from engine.evaluation import evaluate
from engine.evaluation import options as evaluate_options
from engine.training import graph
from nets import nets_factory
from preprocessing import tf_image

# Scores above the threshold of 0.01 in an image.
NUM_CANDIDATES = 18000
NUM_BATCHES = 10
# Many, since some are made ahead while another contestant has its turn.
NUM_READ_BATCHES = 60
NUM_STEPS = 10  # That a training makes without a pause.
MAX_SIDE = .2  # Of one of many objects.


def input_pipeline(spec: dict) -> engines.Contestant:
    """Batches of a training: read, decode, augment, match, encode."""
    data, model, loss, _, run = engines.training_options(spec)
    dataset = models.open_dataset(data)
    network = models.make_network(model.model_name, dataset.labels)
    batch = graph.batches(
        data, run, dataset, network, loss.match_threshold, 0)
    return _batches_contestant([batch['target/labels'].op], run.batch_size)


def decode(spec: dict) -> engines.Contestant:
    """Batches of JPEGs that are decoded, and nothing else."""
    dataset = models.open_dataset(engines.training_options(spec)[0])
    return _map_contestant(
        tf.data.TFRecordDataset(dataset.data_sources),
        lambda record: tf.shape(tf_image.decode(
            dataset.decoder.decode(record, ['image/encoded'])[0])),
        spec['batch'])


def matching(spec: dict) -> engines.Contestant:
    """Targets of images with num_objects each, as the pipeline makes them."""
    network = nets_factory.get_network(spec['model_name'])()
    num_objects = spec['num_objects']
    labels = np.ones(num_objects, np.int64)
    bboxes = engines.bboxes(
        np.random.default_rng(0), num_objects, MAX_SIDE)
    return _map_contestant(
        tf.data.Dataset.from_tensors((labels, bboxes)),
        lambda *objects: network.encode(*objects).labels, spec['batch'])


def _map_contestant(dataset, function, batch_size):
    """Returns a Contestant that maps a data set on all cores."""
    iterator = tf.data.make_initializable_iterator(
        dataset.repeat().map(
            function, num_parallel_calls=engines.num_cores()).batch(
                batch_size).prefetch(2))
    tf.add_to_collection(
        tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return _batches_contestant([iterator.get_next().op], batch_size)


def _batches_contestant(operations, batch_size):
    session = tf.Session()
    session.run(tf.tables_initializer())

    def run():
        for _ in range(NUM_READ_BATCHES):
            session.run(operations)

    return engines.Contestant(
        run, NUM_READ_BATCHES * batch_size)


def waiting(spec: dict) -> engines.Contestant:
    """Steps of a training, one after the other, that tell what they wait."""
    step = engines.training_step(spec)
    return engines.Contestant(
        lambda: sum(step.run() for _ in range(NUM_STEPS)),
        NUM_STEPS * step.num_images)


def post_processing(spec: dict) -> engines.Contestant:
    """Softmax, decoding, suppression of images with NUM_CANDIDATES each."""
    network = nets_factory.get_network(spec['model_name'])
    network = network(network.default_params._replace(
        num_classes=spec['num_classes'] + 1))
    generator = np.random.default_rng(0)
    shape = [spec['batch'], len(network.anchors())]
    logits = generator.normal(
        size=[*shape, network.params.num_classes]).astype(np.float32)
    # The background's logit decides how many candidates there are.
    scores = np.exp(logits)
    others = scores[..., 1:].sum(-1, keepdims=True)
    wanted = np.quantile(
        scores[..., 1:] / 0.01 - others,
        1 - NUM_CANDIDATES / np.prod(logits.shape[1:] - np.array([0, 1])))
    logits[..., 0] = np.log(max(wanted, 1e-6))
    localisations = generator.normal(size=[*shape, 4]).astype(np.float32)
    inputs = [tf.placeholder(tf.float32, array.shape)
              for array in (logits, localisations)]
    detections = network.detect(*inputs)
    operations = [detections.bboxes.op, detections.num.op]
    session = tf.Session()
    feed = dict(zip(inputs, (logits, localisations), strict=True))

    def run():
        for _ in range(NUM_BATCHES):
            session.run(operations, feed)

    return engines.Contestant(
        run, NUM_BATCHES * spec['batch'])


def convert(spec: dict) -> engines.Contestant:
    """tf_convert_data.py's work, from a VOC folder to records."""
    labels = label_map.read_labels(spec['labels_file'])
    voc_dir = f'{spec["dataset_dir"]}_{spec["num_images"]}'
    files.write_voc_folder(spec, voc_dir, spec['num_images'])
    part = folders.Part(voc_dir, None, 'benchmark')

    def run():
        with tempfile.TemporaryDirectory() as folder:
            conversion.convert([part], folder, labels=labels)

    return engines.Contestant(run, spec['num_images'])


def evaluation(spec: dict) -> engines.Contestant:
    """eval_ssd_network.py's work on the first batches of a data set."""
    data = evaluate_options.Data(
        spec['dataset_name'], spec['dataset_dir'], 'train',
        batch_size=spec['batch'],
        max_num_batches=spec['num_images'] // spec['batch'])
    model = evaluate_options.Model(
        spec['checkpoint'], compute_dtype=spec['dtype'])

    def run():
        with tempfile.TemporaryDirectory() as folder:
            evaluate.run(data, model, run=evaluate_options.Run(
                eval_dir=folder, report=False))

    return engines.Contestant(run, spec['num_images'])


def video(spec: dict) -> engines.Contestant:
    """detect_ssd_network.py's work on a video."""
    path = f'{spec["dataset_dir"]}_{spec["num_images"]}.avi'
    files.write_video(spec, path, spec['num_images'])

    def run():
        with tempfile.TemporaryDirectory() as folder:
            detect.run(
                detect_options.Model(
                    spec['checkpoint'], compute_dtype=spec['dtype']),
                detect_options.Detection(batch_size=spec['batch']),
                detect_options.Source(path),
                detect_options.Run(output_dir=folder))

    return engines.Contestant(run, spec['num_images'])
