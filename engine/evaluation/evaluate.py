"""Scores checkpoints. `options` holds the flags of eval_ssd_network.py."""
import collections
import gc
import os

import numpy as np
import tensorflow.compat.v1 as tf
import tqdm

from common import files
from datasets import data_provider
from datasets import records
from detection import average_precision
from engine import checkpoints
from engine import models
from engine import runtime
from engine.evaluation import results as eval_results
from engine.evaluation import undecodable
from preprocessing import preprocessing_factory

SECONDS_BETWEEN_CHECKPOINTS = 10

# The graph of an evaluation: what a batch gives (dict of tensors), and the
# operation that starts over.
Graph = collections.namedtuple('Graph', 'outputs initializer')


def run(options):
    """Scores a checkpoint, or every one that comes.

    Raises:
      ValueError: if flags, data and checkpoint do not fit together.
      OSError: if the eval_dir cannot be written to.
    """
    runtime.prepare()
    dataset = models.open_dataset(options)
    files.check_folder(options.eval_dir)
    if not options.wait_for_checkpoints:
        evaluate_checkpoint(
            options, dataset, checkpoints.paths.find(options.checkpoint_path))
        return
    print(f'Waiting for checkpoints in {options.checkpoint_path}; '
          'Ctrl-C ends it.', flush=True)
    for prefix in tf.train.checkpoints_iterator(
            options.checkpoint_path,
            min_interval_secs=SECONDS_BETWEEN_CHECKPOINTS):
        try:
            evaluate_checkpoint(options, dataset, prefix)
        except (ValueError, OSError):
            if tf.train.checkpoint_exists(prefix):
                raise
            print(f'{prefix}: was removed before it was read; waiting for '
                  'the next.', flush=True)
        gc.collect()  # A graph, with 100 MB of weights, is a cycle.


def evaluate_checkpoint(options, dataset, prefix):
    """Scores one checkpoint; prints and writes the results.

    Returns:
      voc_metrics.Results.
    """
    metadata = checkpoints.metadata.read(prefix)
    if metadata is not None:
        models.check_same_classes(
            dataset.labels, metadata['classes'], prefix)
    network = models.make_network(
        options.model_name, dataset.labels, metadata, options.anchors)
    with tf.Graph().as_default():
        with checkpoints.restore.weights_of(
                prefix, options.moving_average_decay):
            graph = _build(options, dataset, network)
        with tf.Session(options.master, config=runtime.session_config(
                options.gpu_memory_fraction)) as session:
            session.run(graph.initializer)
            with undecodable.named(dataset.data_sources):
                names, groundtruths, detections = _collect(
                    session, graph.outputs, _num_batches(options, dataset))
    results = average_precision.evaluate(
        groundtruths, detections, dataset.labels, options.matching_threshold)
    _report(options, dataset, prefix, names, groundtruths, detections,
            results)
    return results


def _build(options, dataset, network):
    """Builds the Graph of an evaluation."""
    preprocessing = preprocessing_factory.get_preprocessing(
        options.preprocessing_name or network.name)

    def transform(sample):
        image, bbox_img = preprocessing.preprocess_for_eval(
            sample['image/encoded'], network.params.img_shape,
            preprocessing.Resize(int(options.eval_resize)))
        # Without resizing the images must have the network's size.
        image = tf.ensure_shape(image, [*network.params.img_shape, 3])
        return {'image': image, 'bbox_img': bbox_img,
                'shape': sample['shape'], 'filename': sample['filename'],
                'object/label': sample['object/label'],
                'object/bbox': sample['object/bbox'],
                'object/difficult': sample['object/difficult']}

    with tf.device('/device:CPU:0'):
        provider = data_provider.eval_batches(
            dataset, transform, options.batch_size,
            options.num_preprocessing_threads)
        items = list(provider.list_items())
        batch = dict(zip(items, provider.get(items), strict=True))
    batch['detections'] = models.detections(
        network, batch.pop('image'), batch.pop('bbox_img'),
        options.compute_dtype, select_threshold=options.select_threshold,
        select_top_k=options.select_top_k,
        nms_threshold=options.nms_threshold, keep_top_k=options.keep_top_k)
    if not options.remove_difficult:
        batch['object/difficult'] = tf.zeros_like(batch['object/difficult'])
    return Graph(batch, provider.initializer)


def _num_batches(options, dataset):
    whole = -(-dataset.num_samples // options.batch_size)
    return min(whole, options.max_num_batches or whole)


def _collect(session, outputs, num_batches):
    """Runs the batches; boxes become pixels.

    Returns:
      The images' names (file stems), GroundTruths and Detections. The images
      are numbered in the order of their names, so that no result depends on
      the order of the records.
    """
    names, groundtruths, detections = [], [], []
    for _ in tqdm.trange(num_batches, unit='batch', disable=None):
        values = session.run(outputs)
        found = values['detections']
        for index, filename in enumerate(values['filename']):
            image = len(names)
            names.append(records.image_name(filename.decode(), image))
            height, width = values['shape'][index, :2]
            pixels = np.array([height, width, height, width], np.float32)
            is_object = values['object/label'][index] > 0  # others pad
            groundtruths.append((
                image, values['object/label'][index, is_object],
                # Annotations are in pixels; the records' float32 is not.
                np.round(values['object/bbox'][index, is_object] * pixels,
                         3),
                values['object/difficult'][index, is_object] > 0))
            num = found.num[index]
            detections.append((
                image, found.classes[index, :num], found.scores[index, :num],
                found.bboxes[index, :num] * pixels))
    order = sorted(range(len(names)), key=names.__getitem__)
    return ([names[image] for image in order],
            average_precision.GroundTruths(*_rows(groundtruths, order)),
            average_precision.Detections(*_rows(detections, order)))


def _rows(images, order):
    """Returns the columns of (image, array, ...) rows, joined in order."""
    numbers = np.repeat(
        np.arange(len(order)), [len(images[image][1]) for image in order])
    return numbers, *(
        np.concatenate([images[image][column] for image in order])
        for column in range(1, len(images[0])))


def _report(options, dataset, prefix, names, groundtruths, detections,
            results):
    """Prints the table; writes devkit files, metrics.json, scalars, report."""
    step = checkpoints.reader.global_step(prefix)
    print(f'{prefix} (step {step}) on {len(names)} images of '
          f'{dataset.name} {dataset.split_name}:')
    print(eval_results.format_table(results))
    metrics_path = eval_results.write_files(
        options.eval_dir, dataset.split_name, names, detections, results,
        checkpoint=prefix, step=step, dataset=dataset.name,
        split=dataset.split_name, num_images=len(names))
    eval_results.write_scalars(options.eval_dir, results, step)
    print(f'Results: {metrics_path}, devkit files beside it; curves: '
          f'tensorboard --logdir={options.eval_dir}', flush=True)
    if options.report:
        # Not above: it imports matplotlib.
        from engine.evaluation import report
        path = report.write(
            os.path.join(options.eval_dir, 'report'), {
                'checkpoint': prefix, 'step': str(step),
                'data': f'{dataset.name} {dataset.split_name}',
                'images': str(len(names))},
            dataset.data_sources, names, groundtruths, detections, results,
            options.matching_threshold)
        print(f'Report: {path}', flush=True)
