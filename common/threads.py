"""Steps that overlap: each works ahead of the next one, up to a limit."""
import collections
import concurrent.futures
import contextlib
import queue
import threading
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterable
from collections.abc import Iterator

# A thread that hangs in a camera's driver or in the network is left behind.
SECONDS_TO_STOP = 10
_SECONDS_TO_LOOK_UP = 0.1


def ahead(items: Generator, num_ahead: int) -> Iterator:
    """Yields the items of a generator that runs in a thread of its own.

    Args:
      items: it is closed when this one is.
      num_ahead: the most items that wait.

    Raises:
      Whatever the generator raises, after the items before; what it raises
      while it is closed early, too.
    """
    waiting = queue.Queue(num_ahead)
    stopped = threading.Event()
    errors = []

    def put(entry):
        while not stopped.is_set():
            try:
                waiting.put(entry, timeout=_SECONDS_TO_LOOK_UP)
                return
            except queue.Full:
                pass

    def work():
        try:
            with contextlib.closing(items):
                for item in items:
                    put((item,))
                    if stopped.is_set():
                        break
        except BaseException as error:  # Raised where the items are used.
            errors.append(error)
        finally:
            put(None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (entry := waiting.get()) is not None:
            yield entry[0]
    finally:
        stopped.set()
        thread.join(SECONDS_TO_STOP)
        if errors:
            raise errors[0]


def map_ahead(function: Callable, items: Iterable, num_threads: int,
              num_ahead: int) -> Iterator:
    """Yields function(item) of each item, in order, worked out by threads.

    Args:
      function: called with one item, by several threads at a time.
      items: iterable.
      num_threads: that call the function.
      num_ahead: results that are under way while one is used, at least 0.

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


def batches(items: Iterable, size: int) -> Iterator[list]:
    """Yields lists of `size` items, the last one of what is left."""
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
