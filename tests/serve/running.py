"""A server of an app in a thread of the test, on a port of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from peprank.serve.server import Server, bind


@contextmanager
def running(
    app: ASGIApp, *, header_timeout_s: float = 5.0, answer_timeout_s: float = 5.0, grace_s: float = 5.0
) -> Iterator[int]:
    """Serve within the block; gives the port."""
    listener = bind("127.0.0.1", 0)
    port = int(listener.getsockname()[1])
    started = threading.Event()
    server = Server(
        app,
        header_timeout_s=header_timeout_s,
        answer_timeout_s=answer_timeout_s,
        grace_s=grace_s,
        on_start=started.set,
        on_leave=lambda: None,
        on_hangup=lambda: None,
    )
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        assert started.wait(60)
        yield port
    finally:
        server.stop()
        thread.join(60)
        assert not thread.is_alive()
