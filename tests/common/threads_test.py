"""Steps in threads: order, overlap, and that no error is lost."""
import itertools
import threading

import pytest

from common import threads

# After which a test fails instead of waiting for ever.
SECONDS = 20


def numbers(num, error=None, closing_error=None):
    """Yields 0 .. num - 1, then raises; or raises when it is closed early."""
    try:
        yield from range(num)
    except GeneratorExit:
        if closing_error is not None:
            raise closing_error from None
        raise
    if error is not None:
        raise error


def test_items_come_in_order_and_errors_after_them():
    assert list(threads.ahead(numbers(30), 2)) == list(range(30))
    items = threads.ahead(numbers(2, OSError('no disk')), 5)
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(OSError, match='no disk'):
        next(items)


def test_an_error_while_a_generator_is_closed_reaches_the_caller():
    items = threads.ahead(numbers(30, closing_error=OSError('no disk')), 2)
    assert next(items) == 0
    with pytest.raises(OSError, match='no disk'):
        items.close()


def test_an_error_of_an_item_that_nobody_waits_for_reaches_the_caller():
    is_raising = threading.Event()

    def fail():
        yield 0
        is_raising.set()
        raise OSError('no disk')

    items = threads.ahead(fail(), 2)
    assert next(items) == 0 and is_raising.wait(SECONDS)
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


def test_errors_of_a_function_reach_the_caller_in_order():
    is_raising = threading.Event()

    def fail(number):
        if number:
            is_raising.set()
            raise OSError(f'number {number}')
        return number

    results = threads.map_ahead(fail, range(4), 2, 3)
    assert next(results) == 0
    with pytest.raises(OSError, match='number 1'):
        next(results)
    # Nobody has asked for number 1 when this is closed.
    is_raising.clear()
    results = threads.map_ahead(fail, range(2), 1, 1)
    assert next(results) == 0 and is_raising.wait(SECONDS)
    with pytest.raises(OSError, match='number 1'):
        results.close()


def test_batches():
    assert list(threads.batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(threads.batches([], 2)) == []
