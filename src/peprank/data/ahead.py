"""Work ahead of the consumer: run an iterator in a thread, a bounded number of items in advance."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


class _End:
    """Marks the end of the items."""


class _Channel(Generic[T]):
    """A bounded queue whose writer gives up when the reader has left."""

    def __init__(self, depth: int) -> None:
        self._items: queue.Queue[T | _Failure | _End] = queue.Queue(depth)
        self._left = threading.Event()

    def put(self, item: T | _Failure | _End) -> bool:
        """Whether the reader is still there."""
        while not self._left.is_set():
            try:
                self._items.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def get(self) -> T | _Failure | _End:
        return self._items.get()

    def leave(self) -> None:
        self._left.set()


def ahead(items: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """Yield `items` in order while a thread fetches up to `depth` of them in advance.

    An error in `items` is raised here, in its place among the items. Closing the generator stops the thread
    after the item it is working on.
    """
    channel: _Channel[T] = _Channel(depth)

    def fetch() -> None:
        try:
            for item in items:
                if not channel.put(item):
                    return
        except BaseException as error:
            channel.put(_Failure(error))
        else:
            channel.put(_End())

    thread = threading.Thread(target=fetch, name="peprank-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := channel.get(), _End):
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        channel.leave()
        thread.join()
