"""Steps in threads: order, overlap, and that no error is lost."""
import itertools
import threading

import pytest

from common import threads

# After which a test fails instead of waiting for ever.
SECONDS = 20


def test_items_come_in_order_and_errors_after_them():
    def fail():
        yield from range(30)
        raise OSError('no disk')

    items = threads.ahead(fail(), 2)
    assert list(itertools.islice(items, 30)) == list(range(30))
    with pytest.raises(OSError, match='no disk'):
        next(items)


@pytest.mark.parametrize('is_early', [True, False])
def test_an_error_that_nobody_waits_for_reaches_the_caller(is_early):
    is_raising = threading.Event()

    def fail():
        try:
            yield 0
            yield from range(0 if is_early else 30)
        finally:
            is_raising.set()
            raise OSError('no disk')

    items = threads.ahead(fail(), 2)
    assert next(items) == 0 and (not is_early or is_raising.wait(SECONDS))
    with pytest.raises(OSError, match='no disk'):
        items.close()


def test_the_next_item_is_made_while_one_is_used():
    made = [threading.Event() for _ in range(5)]

    def make():
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in threads.ahead(make(), 1):
        assert all(event.wait(SECONDS) for event in made[:number + 2])


def test_a_function_runs_in_many_threads_and_its_results_are_in_order():
    together = threading.Barrier(3)

    def work(number):
        together.wait(SECONDS)
        return number ** 2

    assert list(threads.map_ahead(work, range(9), 3, 3)) == [
        number ** 2 for number in range(9)]


def test_no_more_is_begun_than_a_limit():
    begun = []
    results = threads.map_ahead(begun.append, itertools.count(), 2, 3)
    next(results)
    results.close()
    assert sorted(begun) == [0, 1, 2, 3][:len(begun)]


@pytest.mark.parametrize('end', [next, lambda results: results.close()])
def test_an_error_of_a_function_reaches_the_caller(end):
    is_raising = threading.Event()

    def fail(number):
        if number:
            is_raising.set()
            raise OSError(f'number {number}')

    results = threads.map_ahead(fail, range(4), 1, 3)
    assert next(results) is None and is_raising.wait(SECONDS)
    with pytest.raises(OSError, match='number 1'):
        end(results)


def test_batches():
    assert list(threads.batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(threads.batches([], 2)) == []
