"""Detects in files, videos and cameras; `options` are the script's flags."""
import contextlib
import sys

import cv2
import tqdm

from common import threads
from datasets import label_map
from engine import runtime
from engine.detecting import detection_records
from engine.detecting import detector
from engine.detecting import sinks
from engine.detecting import sources
from engine.detecting import window


def run(options, capture_class=cv2.VideoCapture):
    """Detects in all that --input means; writes pictures and numbers.

    Reading, detecting, drawing and writing overlap. Ctrl-C ends it with
    what is done so far.

    Args:
      options: the flags of detect_ssd_network.py.
      capture_class: opens videos, cameras and streams.

    Raises:
      ValueError: flags, input and checkpoint do not fit together, or nothing
        could be read.
    """
    runtime.prepare()
    source = sources.open_source(options.input, capture_class)
    is_video = isinstance(source, sources.Video)
    sink_class = sinks.VideoFile if is_video else sinks.PictureFiles
    sink = sink_class(options.output_dir, source, options.save_xml)
    with contextlib.ExitStack() as stack:
        show = None
        if options.show:
            shown = window.Window(waits=not is_video)
            stack.callback(shown.close)
            show = shown.show
        network = stack.enter_context(_make_detector(options))
        sink.open()
        report = stack.enter_context(detection_records.JsonFile(
            options.output_dir, checkpoint=options.checkpoint_path,
            model_name=network.model_name, classes=network.class_names,
            select_threshold=options.select_threshold,
            box_format='ymin, xmin, ymax, xmax in pixels'))
        _loop(network, source, sink, report, show)
        if not report.num_images:
            raise ValueError(
                f'--input={options.input}: nothing could be read.')
        made = sink.close()
    _print_end(options, report, made, is_video)


def _make_detector(options):
    if options.labels is not None and options.labels_file is not None:
        raise ValueError('--labels and --labels_file: give only one of them.')
    class_names = None
    if options.labels is not None:
        class_names = label_map.parse_labels(options.labels)
    elif options.labels_file is not None:
        class_names = label_map.read_labels(options.labels_file)
    return detector.Detector(
        options.checkpoint_path, options.model_name, class_names,
        options.anchors, options.select_threshold, options.select_top_k,
        options.keep_top_k, options.nms_threshold, options.batch_size,
        options.gpu_memory_fraction, options.compute_dtype,
        options.moving_average_decay)


def _loop(network, source, sink, report, show):
    """Runs all samples through the steps; Ctrl-C stops it."""
    # A camera's picture is wanted now, not when a batch is full.
    batch_size = 1 if source.is_live else network.batch_size
    num_ahead = 1 if source.is_live else 2 * network.batch_size
    samples = threads.ahead(source.samples(), num_ahead)
    found = threads.ahead(_detected(network, samples, batch_size), num_ahead)
    drawn = threads.map_ahead(
        lambda pair: (*pair, _prepared(sink, *pair)), found,
        sources.NUM_THREADS, 0 if source.is_live else sources.NUM_THREADS)
    with contextlib.closing(found), contextlib.closing(drawn), tqdm.tqdm(
            total=source.num, unit='image', disable=None) as progress:
        try:
            for sample, detected, prepared in drawn:
                progress.update()
                if detected is None:
                    report.add_fault(sample.fault)
                    progress.write(sample.fault, file=sys.stderr)
                    continue
                picture = sink.write(sample, detected, prepared)
                report.add(sample, detected)
                if show is not None and not show(picture):
                    break
        except KeyboardInterrupt:
            progress.write('Stopped.', file=sys.stderr)


def _detected(network, samples, batch_size):
    """Yields samples with their Detected, None where there is no image."""
    with contextlib.closing(samples):
        for batch in threads.batches(samples, batch_size):
            found = iter(network.detect([
                sample.pixels for sample in batch if sample.fault is None]))
            for sample in batch:
                yield sample, next(found) if sample.fault is None else None


def _prepared(sink, sample, detected):
    return None if detected is None else sink.prepare(sample, detected)


def _print_end(options, report, made, is_video):
    """Says in one line what was done and where it is."""
    unit = 'frame' if is_video else 'image'
    unread = (f'; {len(report.faults)} could not be read'
              if report.faults else '')
    print(f'{_count(report.num_images, unit)} with '
          f'{_count(report.num_objects, "object")}{unread}: {made} and '
          f'{detection_records.FILE_NAME} are in {options.output_dir}',
          flush=True)


def _count(number, unit):
    return f'{number} {unit}' + ('' if number == 1 else 's')
