"""Detects in files, videos and cameras, and writes what was found."""
import contextlib
import itertools
import sys
import time
from collections import abc

import tqdm

from common import drawing
from common import files
from common import fonts
from common import threads
from datasets import label_map
from engine import backends
from engine.detecting import captures
from engine.detecting import detector
from engine.detecting import image_lists
from engine.detecting import images
from engine.detecting import json_files
from engine.detecting import options
from engine.detecting import sinks
from engine.detecting import sources
from engine.detecting import status
from engine.detecting import window


def run(model: options.Model, detection: options.Detection,
        chosen: options.Source, where: options.Run,
        open_capture: captures.Open = captures.open_capture,
        clock: abc.Callable[[], float] = time.monotonic):
    """Detects in all that --input means; writes pictures and numbers.

    Reading, detecting, drawing and writing overlap. Ctrl-C ends it with
    what is done so far. open_capture opens videos, cameras and streams; clock
    tells the seconds.

    Raises:
      ValueError: flags, input and checkpoint do not fit together, or nothing
        could be read.
    """
    if not backends.is_exported(model.checkpoint_path):
        from engine import runtime  # Not above: it imports TensorFlow.
        runtime.prepare(detection.gpu_memory_fraction)
    output_dir = files.user_path(where.output_dir)
    source = sources.open_source(chosen, output_dir, open_capture, clock)
    sink = sinks.make(source, output_dir, where.output_name)
    formats = [*['voc'] * where.save_xml, *where.format]
    image_id = json_files.image_ids(source) if (
        where.save_coco or 'coco' in formats) else None
    annotated = []
    if formats:
        from engine.detecting import annotation_files  # As above.
        annotated = [annotation_files.AnnotationFiles(
            formats, source, output_dir, image_id)]
    crops = [sinks.CropFiles(output_dir)] if where.save_crops else []
    with contextlib.ExitStack() as stack:
        show = None
        if where.show:
            show = stack.enter_context(
                window.opened(waits=not source.is_video))
        network = stack.enter_context(_make_detector(model, detection))
        for note in network.notes:
            print(note, flush=True)
        if detection.select_threshold == 'best':
            print(f'--select_threshold=best: {network.select_threshold:.9g}',
                  flush=True)
        for note in fonts.notes(network.class_names):
            print(note, file=sys.stderr, flush=True)
        report = stack.enter_context(json_files.JsonFile.opened(
            output_dir, source, image_id, checkpoint=network.checkpoint,
            model_name=network.model_name, classes=network.class_names,
            select_threshold=network.select_threshold,
            box_format='ymin, xmin, ymax, xmax in pixels'))
        stack.enter_context(sink.opened())
        for one in annotated:
            stack.enter_context(one.opened(network.class_names))
        _loop(network, source, sink, report, [*annotated, *crops], show, clock)
        if not report.num_images:
            raise ValueError(f'--input={captures.shown(chosen.input)}: '
                             'nothing could be read.')
    for note in itertools.chain(sink.notes, *(one.notes for one in annotated)):
        print(note, file=sys.stderr, flush=True)
    made = [sink.made, *itertools.chain(*(one.made for one in annotated)),
            *['crops'] * len(crops),
            *[json_files.COCO_NAME] * (image_id is not None)]
    print(_summary(source, made, report, output_dir), flush=True)
    for one in annotated:
        for name, command in one.commands.items():
            print(f'{name}, when it is corrected: {command}', flush=True)


def _make_detector(model, detection):
    arguments = model._asdict()
    labels, path = arguments.pop('labels'), arguments.pop('labels_file')
    if labels is not None and path is not None:
        raise ValueError('--labels and --labels_file: give only one of them.')
    class_names = (label_map.parse_labels(labels) if labels is not None else
                   label_map.read_labels(path) if path is not None else None)
    return detector.Detector(
        class_names=class_names, **arguments, **detection._asdict())


def _loop(network, source, sink, report, others, show, clock):
    """Runs all samples through the steps; Ctrl-C stops it."""
    # Pictures may be large.
    found = threads.ahead(network.detect_in(source), 2 * network.batch_size
                          if source.is_video and not source.is_live else 1)

    def draw(sample):
        if sample.found is None:
            return sample, None, None
        bboxes, scores, class_ids, names, _ = sample.found
        trails = None
        if sample.tracks is not None:
            trails = sample.tracks.trails
            names = [name if number is None else f'{name} #{number}'
                     for name, number in zip(names, sample.tracks.ids)]
        picture = drawing.draw_bboxes(
            sample.pixels, bboxes, class_ids, names, scores, trails)
        return sample, picture, sink.encode(sample, picture)

    drawn = threads.map_ahead(draw, found, images.NUM_THREADS,
                              0 if source.is_live else images.NUM_THREADS)
    line = status.Status(source, clock)
    with contextlib.closing(found), contextlib.closing(drawn), tqdm.tqdm(
            total=source.num, unit='image', disable=None) as progress:
        try:
            for sample, picture, content in drawn:
                if sample.found is not None:
                    if source.is_video:
                        drawing.draw_text(picture, line.text(sample))
                    sink.write(sample, picture, content)
                    for other in others:
                        other.add(sample)
                elif sample.fault is not None:
                    progress.write(sample.fault, file=sys.stderr)
                else:
                    sink.wait_until(sample.seconds)
                if sample.found is not None or sample.fault is not None:
                    report.add(sample)
                    progress.update()
                if show is not None and not show(picture):
                    break
        except KeyboardInterrupt:
            progress.write('Stopped.', file=sys.stderr)


def _summary(source, made, report, output_dir):
    """Returns what was done, in a line or two."""
    lines, more = [], ''
    if source.is_live:
        more = f'; {_count(source.passed_over, "frame")} passed over'
    elif source.is_video and report.num_faults:
        more = f'; {_count(report.num_faults, "fault")}'
    elif not source.is_video:
        lines = _account_of_files(source, report)
    unit = 'frame' if source.is_video else 'image'
    lines.append(
        f'{_count(report.num_images, unit)} with '
        f'{_count(report.num_objects, "object")}{more}: {", ".join(made)} '
        f'and {json_files.JSON_NAME} are in {output_dir}')
    if report.counts is not None:
        lines.append('Objects followed: ' + (', '.join(
            f'{num} {name}' for name, num in report.counts.items())
            or 'none') + '.')
    return '\n'.join(lines)


def _account_of_files(source, report):
    """Returns a line that adds up, if not all files were used, in a list."""
    num = {'used': report.num_files,
           'could not be read': report.num_unread_files}
    num['not reached'] = source.num - sum(num.values())
    parts = [f'{count} {what}' for what, count in num.items() if count]
    parts += image_lists.described(source.left_out)
    found = source.num + sum(map(len, source.left_out.values()))
    return [] if found == report.num_files else [
        f'{_count(found, "file")} found: {"; ".join(parts)}.']


def _count(number, unit):
    return f'{number} {unit}' + 's' * (number != 1)
