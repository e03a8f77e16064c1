"""Reading ahead keeps the order, hands errors over in their place, and stops when nobody listens."""

import threading
from collections.abc import Iterator

import pytest

from peprank.data.ahead import ahead


def test_items_come_in_order_whatever_the_depth() -> None:
    for depth in (1, 2, 7):
        assert list(ahead(range(100), depth)) == list(range(100))


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("day2.parquet: broken")

    stream = ahead(items())
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(ValueError, match=r"^day2\.parquet: broken$"):
        next(stream)


def test_closing_early_ends_the_thread() -> None:
    before = threading.active_count()
    items = ahead(iter(int, 1), depth=2)  # endless zeros
    assert next(items) == 0
    items.close()
    assert threading.active_count() == before


def test_no_more_than_depth_items_are_fetched_in_advance() -> None:
    fetched = 0

    def items() -> Iterator[int]:
        nonlocal fetched
        for item in range(1000):
            fetched += 1
            yield item

    stream = ahead(items(), depth=3)
    assert next(stream) == 0
    assert fetched <= 1 + 3 + 1  # the one taken, those waiting, the one in hand
    stream.close()
