"""Scores checkpoints; docs/evaluate_and_detect.md shows it from Python."""
import gc
import os
import sys
import time
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
import tqdm

from common import commands
from common import files
from datasets import data_provider
from datasets import image_files
from datasets import records
from detection import average_precision
from detection import boxes
from detection import coco_metrics
from engine import backends
from engine import checkpoints
from engine import models
from engine import runtime
from engine import thresholds
from engine.evaluation import comparison
from engine.evaluation import detection_files
from engine.evaluation import options
from engine.evaluation import results

METRICS = ('voc', 'coco')
SECONDS_BETWEEN_CHECKPOINTS = 10
_DETECTION, _RUN = options.Detection(), options.Run()


class Pixels(NamedTuple):
    """What a network takes: RGB, (0..255 - mean) * scale."""
    img_shape: tuple[int, int]  # Height and width.
    mean: tuple[float, ...] = (0., 0., 0.)
    scale: float = 1.


def run(data: options.Data, model: options.Model,
        detection: options.Detection = _DETECTION,
        run: options.Run = _RUN) -> average_precision.Results:
    """Scores a checkpoint, or without an end every one that comes.

    Prints the results and writes them to run.eval_dir.

    Raises:
      ValueError: data, checkpoint and options do not fit together.
      OSError: the eval_dir cannot be written to.
    """
    runtime.prepare(run.gpu_memory_fraction)
    if not run.metrics or set(run.metrics) - set(METRICS):
        raise ValueError(f'--metrics={",".join(run.metrics)}: name one or '
                         f'more of {", ".join(METRICS)}.')
    dataset = models.open_dataset(data)
    run = run._replace(eval_dir=files.user_path(run.eval_dir))
    files.check_folder(run.eval_dir)
    about = _about(dataset, data, run)
    # Now, as it may be of the same folder.
    other = run.compare and comparison.read(run.compare, about)

    def score_and_report(prefix):
        scored = score(dataset, data, model, detection, run, prefix)
        _report(dataset, run, {
            'checkpoint': prefix, 'step': _step(prefix), **about},
            scored, other)
        return scored.results

    def score_alone(prefix):
        found = score_and_report(prefix)
        threshold = {'select_threshold': run.eval_dir} if (
            found.pooled and found.pooled.best) else {}
        print('Next: ' + commands.line(
            'python detect_ssd_network.py', checkpoint_path=prefix,
            **threshold, input='IMAGE_FOLDER_OR_VIDEO'), flush=True)
        return found

    is_exported = backends.is_exported(model.checkpoint_path)
    if is_exported and run.wait_for_checkpoints:
        raise ValueError(
            f'{model.checkpoint_path}: is an exported file; leave out '
            '--wait_for_checkpoints, which is for the folder of a training.')
    if is_exported:
        return score_alone(os.path.normpath(
            files.user_path(model.checkpoint_path)))
    if not run.wait_for_checkpoints:
        prefix = checkpoints.paths.find(model.checkpoint_path, model.which)
        if os.path.isdir(files.user_path(model.checkpoint_path)):
            print(checkpoints.paths.describe(prefix), flush=True)
        return score_alone(prefix)
    if model.which == 'best':
        raise ValueError('--which=best: --wait_for_checkpoints scores each '
                         'as it comes; leave one of them out.')
    for prefix in _as_they_come(model.checkpoint_path):
        try:
            score_and_report(prefix)
        except (ValueError, OSError):
            if checkpoints.paths.exists(prefix):
                raise
            print(f'{prefix}: was removed before it was read; waiting for '
                  'the next.', flush=True)
        gc.collect()  # A graph, with 100 MB of weights, is a cycle.


def _step(prefix):
    """Returns the step that a checkpoint or an exported file is of."""
    if backends.is_exported(prefix):
        with backends.Backend(prefix) as backend:
            return backend.about['step']
    return checkpoints.reader.global_step(prefix)


def _as_they_come(folder):
    """Yields the prefix of each checkpoint that a training writes."""
    paths, folder = checkpoints.paths, files.user_path(folder)
    is_there = os.path.isdir(folder)
    if not is_there and (
            os.path.exists(folder) or paths.is_checkpoint(folder)
            or paths.prefix_of(folder.removesuffix('.zip'))):
        raise ValueError(
            f'--checkpoint_path={folder}: --wait_for_checkpoints needs the '
            'folder of a training, which may begin later; leave that flag '
            'out to score one checkpoint.')
    print(f'Waiting for checkpoints in {folder}'
          f'{"" if is_there else ", which is not there yet"}; Ctrl-C ends it.',
          flush=True)
    previous = None
    while True:
        named = paths.named_latest(folder)
        prefix = paths.newest(folder) or named
        # What is not named may be in the middle of being saved.
        if prefix not in (None, previous) and (
                prefix == named or checkpoints.reader.fault(prefix) is None):
            previous = prefix
            yield prefix
        time.sleep(SECONDS_BETWEEN_CHECKPOINTS)


def score(dataset: slim.dataset.Dataset, data: options.Data,
          model: options.Model, detection: options.Detection,
          run: options.Run, prefix: str) -> detection_files.Scored:
    """Returns what a checkpoint finds in a data set, and its metrics.

    The prefix may be the path of an exported file. Writes nothing. Raises
    ValueError if they do not fit together.
    """
    find = _find_exported if backends.is_exported(prefix) else _find
    with tf.Graph().as_default():
        scored = collect(find(dataset, data, model, detection, run, prefix),
                         dataset.category_ids)
    return scored._replace(results=measure(
        scored, dataset.labels, detection.select_threshold, run))


def _find(dataset, data, model, detection, run, prefix):
    """Yields batches, as `collect` takes them, with a checkpoint's finds."""
    metadata = checkpoints.metadata.read(prefix)
    class_names, labels = dataset.labels, None
    if metadata is not None:
        class_names = metadata['classes']
        labels = models.labels_of_data(dataset.labels, metadata, prefix)
    network = models.make_network(
        model.model_name, class_names, metadata, model.anchors)
    params = network.params
    with checkpoints.restore.weights_of(prefix, model.moving_average_decay):
        outputs, initializer = read(dataset, Pixels(
            params.img_shape, params.mean, params.scale), data, model)
        outputs['detections'] = models.detections(
            network, outputs.pop('image'), outputs.pop('bbox_img'),
            model.compute_dtype, labels, **detection._asdict())
    yield from _batches(dataset, data, run, outputs, initializer)


def _find_exported(dataset, data, model, detection, run, path):
    """Yields batches as `_find`, with an exported file's finds."""
    with backends.Backend(path) as backend:
        backend.check(model, detection)
        backend.check_threshold(detection.select_threshold)
        labels = models.labels_of_data(dataset.labels, backend.about, path)
        outputs, initializer = read(
            dataset, Pixels(backend.about['image_shape']), data, model)
        outputs['image'] = tf.cast(outputs['image'], tf.uint8)
        for values in _batches(dataset, data, run, outputs, initializer):
            found = backend.detect(values.pop('image'))
            bbox_img = values.pop('bbox_img')[:, None]
            values['detections'] = found._replace(
                classes=np.take(labels, found.classes),
                bboxes=boxes.resize(
                    boxes.clip(found.bboxes, bbox_img), bbox_img),
                num=(found.scores > detection.select_threshold).sum(1))
            yield values


def _batches(dataset, data, run, outputs, initializer):
    """Yields the values of outputs for each batch of a data set."""
    num = -(-dataset.num_samples // data.batch_size)
    with tf.Session(run.master, config=runtime.session_config(
            run.gpu_memory_fraction)) as session:
        session.run(initializer)
        try:
            for _ in tqdm.trange(min(num, data.max_num_batches or num),
                                 unit='batch', disable=None):
                yield session.run(outputs)
        except tf.errors.InvalidArgumentError:
            check_images(dataset.data_sources)
            raise


def measure(scored: detection_files.Scored, class_names: Sequence[str],
            min_score: float, run: options.Run) -> average_precision.Results:
    """Returns the Results of --metrics, whose curves are always VOC's."""
    by_voc = average_precision.evaluate(
        scored.groundtruths, scored.detections, class_names,
        run.matching_threshold, min_score)
    return average_precision.combine([
        by_voc if name == 'voc' else coco_metrics.evaluate(
            scored.with_image_ids(scored.groundtruths),
            scored.with_image_ids(scored.detections), class_names)
        for name in run.metrics], by_voc)


def read(dataset: slim.dataset.Dataset, pixels: Pixels, data: options.Data,
         model: options.Model,
         ) -> tuple[dict[str, tf.Tensor], tf.Operation]:
    """Returns what a batch has, and the operation that starts over.

    That is, by name, what `collect` takes, but for the detections; 'image',
    float32 [batch, *img_shape, 3], as `pixels` says; and 'bbox_img', of
    models.detections.
    """
    preprocessing = models.get_preprocessing(
        model.preprocessing_name)
    items = ('image', 'bbox_img', 'shape', 'filename', 'source_id',
             'object/label', 'object/bbox', 'object/difficult',
             'object/is_crowd', 'object/area')

    def transform(sample):
        image, sample['bbox_img'] = preprocessing.preprocess_for_eval(
            sample['image/encoded'], pixels.img_shape,
            preprocessing.Resize(int(model.eval_resize)),
            pixels.mean, pixels.scale)
        # Without resizing the images must have the network's size.
        sample['image'] = tf.ensure_shape(image, [*pixels.img_shape, 3])
        return {item: sample[item] for item in items}

    with tf.device('/device:CPU:0'):
        provider = data_provider.eval_batches(
            dataset, transform, data.batch_size,
            data.num_preprocessing_threads)
        batch = dict(zip(items, provider.get(items)))
    if not data.remove_difficult:
        batch['object/difficult'] = tf.zeros_like(batch['object/difficult'])
    # Nobody can find the single objects of a crowd: it never counts.
    batch['object/difficult'] |= batch.pop('object/is_crowd')
    return batch, provider.initializer


def check_images(paths: Sequence[str]):
    """Raises ValueError for the first image of shards that is damaged.

    TensorFlow's error says what is wrong with some image, not with which.
    """
    with image_files.ImageReader() as reader:
        for path in paths:
            for index, sample in enumerate(records.read_samples([path])):
                image, = reader.make_decodable([sample.encoded])
                if isinstance(image, ValueError):
                    name = records.image_name(sample.filename, index)
                    raise ValueError(
                        f'{path}, record {index}: the image {name} cannot be '
                        f'decoded: {image}. Convert it again.')


def collect(batches: Iterable[dict[str, Any]],
            category_ids: Sequence[int]) -> detection_files.Scored:
    """Returns the Scored of batches, without results.

    The images are numbered in the order of their names, so that no result
    depends on the order of the records.

    Args:
      batches: what `read` gives, as numpy, and 'detections', Detections with
        bboxes relative to the images.
      category_ids: of the data set.
    """
    collected, source_ids = [], []
    for values in batches:
        found = values['detections']
        for i, filename in enumerate(values['filename']):
            shape = values['shape'][i, :2]
            pixels = np.tile(shape, 2).astype(np.float32)
            is_object = values['object/label'][i] > 0  # others pad
            groundtruths = (
                values['object/label'][i, is_object],
                # Annotations are in pixels; the records' float32 is not.
                np.round(values['object/bbox'][i, is_object] * pixels, 3),
                values['object/difficult'][i, is_object] > 0,
                values['object/area'][i, is_object])
            num = found.num[i]
            detections = (found.classes[i, :num], found.scores[i, :num],
                          found.bboxes[i, :num] * pixels)
            name = records.image_name(filename.decode(), len(collected))
            image = detection_files.Image(
                name, len(collected), filename.decode() or name, 0,
                *shape.tolist())
            collected.append((image, groundtruths, detections))
            source_ids.append(values['source_id'][i].decode())
    collected.sort(key=lambda parts: parts[0].name)
    images, groundtruths, detections = zip(*collected)
    return detection_files.Scored(
        detection_files.with_ids(images, source_ids), category_ids,
        average_precision.GroundTruths(*_rows(groundtruths)),
        average_precision.Detections(*_rows(detections)), results=None)


def _rows(images):
    """Returns the columns of all images, the images' numbers before them."""
    numbers = np.repeat(
        np.arange(len(images)), [len(classes) for classes, *_ in images])
    return numbers, *map(np.concatenate, zip(*images))


def _about(dataset, data, run):
    """Returns what metrics.json says of what is scored, and how."""
    most = (data.max_num_batches or dataset.num_samples) * data.batch_size
    return {'dataset': dataset.name, 'split': dataset.split_name,
            'num_images': min(dataset.num_samples, most),
            'matching_threshold': run.matching_threshold,
            'remove_difficult': data.remove_difficult}


def _report(dataset, run, about, scored, other):
    """Prints the table; writes all files, and the threshold, twice."""
    print('{checkpoint} (step {step}) on {num_images} images of {dataset} '
          '{split}:'.format(**about))
    print(results.format_table(scored.results))
    path = results.write_files(run.eval_dir, scored, about)
    print(f"Results: {path}; devkit's and COCO's files beside it; curves: "
          + commands.line('tensorboard', logdir=run.eval_dir), flush=True)
    try:
        thresholds.write(about['checkpoint'], {
            **about, **results.thresholds(scored.results)})
    except OSError as error:
        print(f'No threshold is written beside the checkpoint ({error}); '
              f'{commands.flag("select_threshold", run.eval_dir)} finds it.',
              flush=True)
    compared = other and comparison.compare(
        other, scored, run.eval_dir, run.matching_threshold)
    if compared:
        print(compared.format(), flush=True)
    if run.report:
        # Not above: it imports matplotlib.
        from common import fonts
        from engine.evaluation import report
        path = report.write(
            os.path.join(run.eval_dir, 'report'), about,
            dataset.data_sources, scored, run.matching_threshold, compared)
        print(f'Report: {path}', flush=True)
        for note in fonts.notes(scored.class_names):
            print(note, file=sys.stderr, flush=True)
