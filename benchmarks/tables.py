"""Measurements as tables of text, which are Markdown as well."""
import statistics
from collections.abc import Sequence

from benchmarks import contest


def network_table(measurements: Sequence[contest.Measurement]) -> str:
    """Returns rows of a contest between networks.

    The share is of the rate at which TensorFlow multiplies large float32
    matrices on this machine, measured in the same contest.
    """
    peak = _flops_per_second(measurements[0])
    rows = [['what', 'size', 'batch', 'dtype', 'seconds a run', 'spread',
             'images/s', 'share of matmul', 'peak memory']]
    for measurement in measurements[1:]:
        spec = measurement.spec
        row = [spec['title'], spec['size'], spec['batch'], spec['dtype']]
        if measurement.fault is not None:
            rows.append([*row, measurement.fault, '', '', '', ''])
            continue
        rows.append([
            *row, f'{statistics.median(measurement.seconds):.3f}',
            f'{contest.spread(measurement):.0%}',
            f'{contest.images_per_second(measurement):.2f}',
            f'{_flops_per_second(measurement) / peak:.0%}',
            f'{measurement.peak_bytes / 2 ** 30:.1f} GiB'])
    return format_table(rows)


def stage_table(measurements: Sequence[contest.Measurement]) -> str:
    """Returns rows of stages: pairs of runs on few and on many images."""
    rows = [['what', 'images', 'images/s', 'spread', 'CPU ms an image',
             'images/s after the start', 'peak memory']]
    for measurement in measurements:
        title = measurement.spec['title']
        if measurement.fault is not None:
            rows.append([title, measurement.fault, '', '', '', '', ''])
            continue
        rows.append([
            title, measurement.num_images,
            f'{contest.images_per_second(measurement):.1f}',
            f'{contest.spread(measurement):.0%}',
            f'{_cpu_milliseconds(measurement):.2f}',
            _rate_after_start(measurement, measurements),
            f'{measurement.peak_bytes / 2 ** 30:.2f} GiB'])
    return format_table(rows)


def format_table(rows: Sequence[Sequence]) -> str:
    """Returns a Markdown table whose columns line up; row 0 is its head."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = ['| ' + ' | '.join(
        cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        + ' |' for row in texts]
    lines.insert(1, '|' + '|'.join('-' * (width + 2) for width in widths)
                 + '|')
    return '\n'.join(lines)


def _flops_per_second(measurement):
    return measurement.flops / statistics.median(measurement.seconds)


def _cpu_milliseconds(measurement):
    return 1000 * statistics.median(
        measurement.cpu_seconds) / measurement.num_images


def _rate_after_start(measurement, measurements):
    """Returns what more images cost more than the stage's smaller run."""
    smaller = [other for other in measurements
               if other.spec['title'] == measurement.spec['title']
               and other.fault is None
               and other.num_images < measurement.num_images]
    if not smaller:
        return ''
    seconds = (statistics.median(measurement.seconds)
               - statistics.median(smaller[0].seconds))
    return f'{(measurement.num_images - smaller[0].num_images) / seconds:.1f}'
