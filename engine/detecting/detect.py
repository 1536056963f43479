"""Detects in files, videos and cameras, and writes what was found."""
import contextlib
import os
import sys

import cv2
import tqdm

from common import drawing
from common import files
from common import threads
from datasets import label_map
from engine import checkpoints
from engine import runtime
from engine.detecting import detector
from engine.detecting import options
from engine.detecting import sinks
from engine.detecting import sources
from engine.detecting import window


def run(model: options.Model, detection: options.Detection,
        where: options.Run, capture_class: type = cv2.VideoCapture):
    """Detects in all that --input means; writes pictures and numbers.

    Reading, detecting, drawing and writing overlap. Ctrl-C ends it with
    what is done so far. capture_class opens videos, cameras and streams.

    Raises:
      ValueError: flags, input and checkpoint do not fit together, or nothing
        could be read.
    """
    runtime.prepare()
    output_dir = files.user_path(where.output_dir)
    source = sources.open_source(where.input, where.camera_size, capture_class)
    sink = sinks.make(source, output_dir, where.output_name, where.save_xml)
    is_video = isinstance(source, sources.Video)
    with contextlib.ExitStack() as stack:
        show = None
        if where.show:
            show = stack.enter_context(window.opened(waits=not is_video))
        network = stack.enter_context(_make_detector(model, detection))
        if os.path.isdir(files.user_path(model.checkpoint_path)):
            print(checkpoints.paths.describe(network.checkpoint), flush=True)
        if detection.select_threshold == 'best':
            print(f'--select_threshold=best: {network.select_threshold:.9g}',
                  flush=True)
        report = stack.enter_context(sinks.JsonFile.opened(
            output_dir, sinks.image_ids(source) if where.save_coco else None,
            checkpoint=network.checkpoint,
            model_name=network.model_name, classes=network.class_names,
            select_threshold=network.select_threshold,
            box_format='ymin, xmin, ymax, xmax in pixels'))
        stack.enter_context(sink.opened())
        _loop(network, source, sink, report, show)
        if not report.num_images:
            raise ValueError(f'--input={where.input}: nothing could be read.')
    unread = (f'; {len(report.faults)} could not be read'
              if report.faults else '')
    print(f'{_count(report.num_images, "frame" if is_video else "image")} '
          f'with {_count(report.num_objects, "object")}{unread}: {sink.made} '
          f'and {sinks.JSON_NAME} are in {output_dir}', flush=True)


def _make_detector(model, detection):
    arguments = model._asdict()
    labels, path = arguments.pop('labels'), arguments.pop('labels_file')
    if labels is not None and path is not None:
        raise ValueError('--labels and --labels_file: give only one of them.')
    class_names = (label_map.parse_labels(labels) if labels is not None else
                   label_map.read_labels(path) if path is not None else None)
    return detector.Detector(
        class_names=class_names, **arguments, **detection._asdict())


def _loop(network, source, sink, report, show):
    """Runs all samples through the steps; Ctrl-C stops it."""
    # A camera's picture is wanted now, not when a batch is full.
    batch_size = 1 if source.is_live else network.batch_size
    num_ahead = 1 if source.is_live else 2 * network.batch_size
    samples = threads.ahead(source.samples(), num_ahead)
    found = threads.ahead(_detected(network, samples, batch_size), num_ahead)

    def draw(sample):
        if sample.fault is not None:
            return sample, None, None
        bboxes, scores, class_ids, names, _ = sample.found
        picture = drawing.draw_bboxes(
            sample.pixels, bboxes, class_ids, names, scores)
        return sample, picture, sink.encode(sample, picture)

    drawn = threads.map_ahead(
        draw, found, sources.NUM_THREADS,
        0 if source.is_live else sources.NUM_THREADS)
    with contextlib.closing(found), contextlib.closing(drawn), tqdm.tqdm(
            total=source.num, unit='image', disable=None) as progress:
        try:
            for sample, picture, content in drawn:
                progress.update()
                if sample.fault is not None:
                    report.faults.append(sample.fault)
                    progress.write(sample.fault, file=sys.stderr)
                    continue
                sink.write(sample, picture, content)
                report.add(sample)
                if show is not None and not show(picture):
                    break
        except KeyboardInterrupt:
            progress.write('Stopped.', file=sys.stderr)


def _detected(network, samples, batch_size):
    """Yields samples with what is found in those that have pixels."""
    with contextlib.closing(samples):
        for batch in threads.batches(samples, batch_size):
            found = iter(network.detect([
                sample.pixels for sample in batch if sample.fault is None]))
            for sample in batch:
                yield (sample if sample.fault is not None
                       else sample._replace(found=next(found)))


def _count(number, unit):
    return f'{number} {unit}' + 's' * (number != 1)
