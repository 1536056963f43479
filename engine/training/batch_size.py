"""--batch_size=auto: as many images as fit into memory.

Two small batches are tried, for the bytes of an image, then sizes that what
was tried promises, in processes of their own (engine.training.trial): what is
too large ends that one alone.
"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

import psutil

_SMALL_SIZES = 2, 8  # Batch norm may need two images.
_MIN_GAIN = 1.2  # For which a larger size is tried.
# Of the limit, what a batch may be promised to take, and what it may take
# when it is tried; the rest is for scores, and for steps that take more.
_PROMISED_SHARE, _SHARE = .8, .9


class Memory(NamedTuple):
    """Bytes that a process takes, or may take; None where nothing limits."""
    resident: int
    virtual: int | None = None  # Its addresses, which `ulimit -v` limits.
    of_gpu: int | None = None  # Of the GPU where it is fullest.


def parse(given: str | int) -> int | str:
    """Returns --batch_size as a number, or 'auto'.

    Raises:
      ValueError: it is neither.
    """
    with contextlib.suppress(ValueError):
        if given == 'auto' or int(given) > 0:
            return given if given == 'auto' else int(given)
    raise ValueError(
        f'--batch_size={given}: neither a number from 1 on, nor auto.')


def largest(groups: Sequence[tuple], most: int) -> tuple[int, str]:
    """Returns the largest size that fits, at most `most`, and why it is.

    Args:
      groups: options.Data, Model, Loss, Optimizer and Run of the training.
      most: at least 1.

    Raises:
      ValueError: not even one image fits, or steps cannot be made at all.
    """
    print('How many images fit into memory is tried.', flush=True)
    for sizes in sorted({min(size, most) for size in _SMALL_SIZES}), [1]:
        taken = {size: (one, there)
                 for size, one, there in _try(groups, sizes)
                 if size == sizes[0] or _fits(one, there)}
        if taken:
            break
    else:
        raise ValueError(
            '--batch_size: not even one image fits into the memory, of '
            f'{_gib(limit().resident)}; take a smaller network '
            '(docs/networks.md), or another machine.')
    size, there = max(taken), next(iter(taken.values()))[1]

    def promised():
        return min(most, promise(
            {size: one for size, (one, _) in taken.items()}, there))

    larger = promised()
    while larger >= size * _MIN_GAIN:
        for _, one, there in _try(groups, [larger], with_start=True):
            if _fits(one, there):
                taken[larger] = one, there
        if larger in taken:
            size, larger = larger, promised()
        else:
            most, larger = larger - 1, (size + larger) // 2
    return size, _described(*taken[size])


def promise(taken: dict[int, Memory], there: Memory) -> int:
    """Returns how many images should fit, by what two sizes took.

    taken: {size: Memory}, of sizes that fit; the largest, if nothing grows.
    """
    small, large = min(taken), max(taken)
    return min((
        small + int(max(_PROMISED_SHARE * whole - first, 0)
                    * (large - small) / (second - first))
        for first, second, whole in zip(
            taken[small], taken[large], there, strict=True)
        if None not in (first, second, whole) and second > first),
        default=large)


def limit(root: str = '/') -> Memory:
    """Returns what this process may take of the machine, but for GPUs.

    root: where the folders proc and sys are.
    """
    own = psutil.Process().memory_info().rss
    virtual = None
    with contextlib.suppress(ImportError):  # Windows has none.
        import resource
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        virtual = None if soft == resource.RLIM_INFINITY else soft
    return Memory(min([psutil.virtual_memory().available + own,
                       *_cgroup_limits(pathlib.Path(root))]), virtual)


def _cgroup_limits(root) -> Iterator[int]:
    """Yields the limits of the process's cgroup, and of those it is in."""
    try:
        groups = (root / 'proc/self/cgroup').read_text().splitlines()
    except OSError:  # Other systems have none.
        return
    for line in groups:
        _, controllers, path = line.split(':', 2)
        if controllers and 'memory' not in controllers.split(','):
            continue
        folder, name = (('memory', 'memory.limit_in_bytes') if controllers
                        else ('', 'memory.max'))
        inner = pathlib.PurePosixPath(path.lstrip('/'))
        for outer in (inner, *inner.parents):
            # It may say "max"; a container sees its own folders alone.
            with contextlib.suppress(OSError, ValueError):
                yield int((root / 'sys/fs/cgroup' / folder / outer
                           / name).read_text())


def _try(groups, sizes, with_start=False):
    """Yields size, the Memory that it takes, and that which there is.

    It ends before the first size that does not fit. Raises ValueError if it
    is for another reason that steps cannot be made.
    """
    there = limit()
    process = subprocess.run(
        [sys.executable, '-m', 'engine.training.trial'],
        input=json.dumps({'groups': [group._asdict() for group in groups],
                          'batch_sizes': sizes, 'with_start': with_start}),
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(
            filter(None, [str(pathlib.Path(__file__).parents[2]),
                          os.environ.get('PYTHONPATH')]))},
        capture_output=True, text=True, check=False)
    for line in process.stdout.splitlines():
        said = json.loads(line)
        if 'fault' in said:
            raise ValueError(said['fault'])
        yield (said['batch_size'], Memory(
            said['resident'], said['virtual'], said['of_gpu']),
            there._replace(of_gpu=said['limit_of_gpu']))
    if process.returncode > 0:  # Below 0: it was killed.
        raise RuntimeError(process.stderr.strip().rpartition('\n')[2])


def _fits(one, there):
    """Whether there is enough of all that is limited."""
    return all(part <= _SHARE * whole for part, whole in zip(
        one, there, strict=True) if None not in (part, whole))


def _described(one, there):
    """Returns how much of what is scarcest is taken."""
    _, part, whole, name = max(
        (part / whole, part, whole, name) for part, whole, name in zip(
            one, there, ('memory', 'addresses (ulimit -v)', 'the GPU'),
            strict=True)
        if None not in (part, whole))
    return f'takes {_gib(part)} of {_gib(whole)} of {name}'


def _gib(num_bytes):
    return f'{num_bytes / 2 ** 30:.2f} GiB'
