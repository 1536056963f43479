"""Steps that overlap: each works ahead of the next one, up to a limit."""
import collections
import concurrent.futures
import queue
import threading

# A thread that hangs in a camera's driver or in the network is left behind.
SECONDS_TO_STOP = 10
_SECONDS_TO_LOOK_UP = 0.1


def ahead(items, num_ahead):
    """Yields the items of a generator that runs in a thread of its own.

    Args:
      items: generator; it is closed when this one is.
      num_ahead: the most items that wait.

    Raises:
      Whatever the generator raises, after the items before.
    """
    waiting = queue.Queue(num_ahead)
    stopped = threading.Event()

    def put(entry):
        while not stopped.is_set():
            try:
                waiting.put(entry, timeout=_SECONDS_TO_LOOK_UP)
                return
            except queue.Full:
                pass

    def work():
        last = None
        try:
            for item in items:
                put((item,))
                if stopped.is_set():
                    break
        except BaseException as error:  # Raised where the items are used.
            last = error
        finally:
            items.close()
            put(last)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while isinstance(entry := waiting.get(), tuple):
            yield entry[0]
        if entry is not None:
            raise entry
    finally:
        stopped.set()
        thread.join(SECONDS_TO_STOP)


def map_ahead(function, items, num_threads, num_ahead):
    """Yields function(item) of each item, in order, worked out by threads.

    Args:
      function: called with one item, by several threads at a time.
      items: iterable.
      num_threads: that call the function.
      num_ahead: results that are under way while one is used, at least 0.
    """
    pending = collections.deque()
    pool = concurrent.futures.ThreadPoolExecutor(num_threads)
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > num_ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def batches(items, size):
    """Yields lists of `size` items, the last one of what is left."""
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
