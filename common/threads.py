"""Steps that overlap: each works ahead of the next one, up to a limit."""
import collections
import concurrent.futures
import contextlib
import itertools
import queue
import threading
from collections import abc

# A thread that hangs in a camera's driver or in the network is left behind.
SECONDS_TO_STOP = 10


def ahead(items: abc.Generator, num_ahead: int) -> abc.Iterator:
    """Yields the items of a generator that runs in a thread of its own.

    At most num_ahead items wait, with the one that is being made. The
    generator is closed when this one is.

    Raises:
      Whatever the generator raises, after the items before; what it raises
      while it is closed early, too.
    """
    waiting, places = queue.SimpleQueue(), threading.Semaphore(num_ahead)
    stopped, errors = threading.Event(), []

    def work():
        try:
            with contextlib.closing(items):
                # A place first: an item that waits for one grows old.
                places.acquire()
                for item in items:
                    waiting.put((item,))
                    places.acquire()
                    if stopped.is_set():
                        break
        except BaseException as error:  # Raised where the items are used.
            errors.append(error)
        finally:
            waiting.put(None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (entry := waiting.get()) is not None:
            places.release()
            yield entry[0]
    finally:
        stopped.set()
        places.release()
        thread.join(SECONDS_TO_STOP)
        if errors:
            raise errors[0]


def map_ahead(function: abc.Callable, items: abc.Iterable, num_threads: int,
              num_ahead: int) -> abc.Iterator:
    """Yields function(item) of each item, in order, by num_threads threads.

    num_ahead results, at least 0, are under way while one is used.

    Raises:
      Whatever the function raises, also for an item that was under way when
      this was closed early.
    """
    pending = collections.deque()
    pool = concurrent.futures.ThreadPoolExecutor(num_threads)
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > num_ahead:
                yield pending[0].result()
                pending.popleft()
        while pending:
            yield pending[0].result()
            pending.popleft()
    finally:
        pool.shutdown(cancel_futures=True)
        for future in pending:
            if not future.cancelled():
                future.result()


def batches(items: abc.Iterable, size: int) -> abc.Iterator[list]:
    """Yields lists of `size` items, the last one of what is left."""
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch
