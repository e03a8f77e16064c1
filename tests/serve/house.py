"""A whole server of a small bundle, in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peprank.serve.settings import Settings
from peprank.serve.start import Running, serve


@contextmanager
def serving(path: Path, **settings: Any) -> Iterator[Running]:
    """Serve a bundle or a repository within the block, on a port of its own."""
    started: list[Running] = []
    ready = threading.Event()

    def on_start(running: Running) -> None:
        started.append(running)
        ready.set()

    thread = threading.Thread(target=serve, args=(Settings(path=path, **({"port": 0} | settings)), on_start))
    thread.start()
    try:
        assert ready.wait(60)
        yield started[0]
    finally:
        if started:
            started[0].stop()
        thread.join(60)
        assert not thread.is_alive()
