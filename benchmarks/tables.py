"""Measurements as tables of text, which are Markdown as well."""
import statistics
from collections.abc import Callable
from collections.abc import Sequence

from benchmarks import contest


def forward_table(measurements: Sequence[contest.Measurement]) -> str:
    """Returns rows of a contest between engines.

    The share is of the rate at which TensorFlow multiplies large float32
    matrices on this machine, measured in the same contest.
    """
    peak = _flops_per_second(measurements[0])
    return _table(
        ['what', 'model', 'batch', 'dtype', 'seconds a run', 'spread',
         'images/s', 'share of matmul', 'peak memory'],
        measurements[1:], ('title', 'model_name', 'batch', 'dtype'),
        lambda measurement: [
            f'{statistics.median(measurement.seconds):.3f}',
            *_rate(measurement)[::-1],
            f'{_flops_per_second(measurement) / peak:.0%}',
            _memory(measurement)])


def export_table(measurements: Sequence[contest.Measurement]) -> str:
    """Returns rows of a contest between a checkpoint, the first, and files."""
    first, *_ = measurements
    return _table(
        ['what', 'model', 'precision', 'images/s', 'spread',
         f'times {first.spec["title"]}, {first.spec["dtype"]}',
         'peak memory'], measurements, ('title', 'model_name', 'dtype'),
        lambda measurement: [
            *_rate(measurement),
            _ratio(measurement, first),
            _memory(measurement)])


def network_table(measurements: Sequence[contest.Measurement]) -> str:
    """Returns a row for each network and dtype, of this project alone."""
    return _table(
        ['network', 'dtype', 'GMAC', 'images/s', 'spread', 'peak memory'],
        measurements, ('model_name', 'dtype'),
        lambda measurement: [
            f'{measurement.flops / 2e9:.2f}', *_rate(measurement),
            _memory(measurement)])


def stage_table(measurements: Sequence[contest.Measurement]) -> str:
    """Returns rows of stages: pairs of runs on few and on many images."""
    return _table(
        ['what', 'images', 'images/s', 'spread', 'CPU ms an image',
         'images/s after the start', 'waiting for data', 'peak memory'],
        measurements, ('title',),
        lambda measurement: [
            measurement.num_images, *_rate(measurement),
            f'{_cpu_milliseconds(measurement):.2f}',
            _rate_after_start(measurement, measurements),
            _share_of_waiting(measurement), _memory(measurement)])


def _table(head: list[str], measurements: Sequence[contest.Measurement],
           about: Sequence[str],
           figures: Callable[[contest.Measurement], list]) -> str:
    """Returns a row for each measurement.

    First come values of its spec, `about`, then its figures or its fault.
    """
    rows = [head]
    for measurement in measurements:
        row = [measurement.spec[key] for key in about]
        row += (figures(measurement) if measurement.fault is None
                else [measurement.fault])
        rows.append(row + [''] * (len(head) - len(row)))
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


def _rate(measurement):
    rate = contest.images_per_second(measurement)
    return [f'{rate:.2f}' if rate < 100 else f'{rate:.0f}',
            f'{contest.spread(measurement):.0%}']


def _ratio(measurement, first):
    if first.fault is not None:
        return ''
    ratio = (contest.images_per_second(measurement)
             / contest.images_per_second(first))
    return f'{ratio:.2f}'


def _memory(measurement):
    return f'{measurement.peak_bytes / 2 ** 30:.2f} GiB'


def _flops_per_second(measurement):
    return measurement.flops / statistics.median(measurement.seconds)


def _cpu_milliseconds(measurement):
    return 1000 * statistics.median(
        measurement.cpu_seconds) / measurement.num_images


def _share_of_waiting(measurement):
    """Returns the share of all runs that was spent waiting, if known."""
    if None in measurement.waited:
        return ''
    return f'{sum(measurement.waited) / sum(measurement.seconds):.1%}'


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
