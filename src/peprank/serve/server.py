"""The process: sockets, signals, and an end that leaves no request unanswered."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from peprank.errors import SpecError
from peprank.serve.connection import Connection

_BACKLOG = 2048
_KEEP_ALIVE_S = 75  # longer than the 60 s of common load balancers, so that they hang up first
_ENOUGH_FILES = 65_536
_LEAVING_S = 0.3  # for clients that send one request after the other to hear that the connection ends


class Server(uvicorn.Server):
    """uvicorn with our connections, that ends in order and lets the caller choose the exit code.

    Args:
        app: what to serve.
        header_timeout_s, answer_timeout_s: see `Connection`.
        grace_s: what requests under way get at the end.
        on_start: called when connections are accepted.
        on_leave: called when a shutdown begins.
        on_hangup: called on SIGHUP.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        header_timeout_s: float,
        answer_timeout_s: float,
        grace_s: float,
        on_start: Callable[[], None],
        on_leave: Callable[[], None],
        on_hangup: Callable[[], None],
    ) -> None:
        http = partial(Connection, header_timeout_s=header_timeout_s, answer_timeout_s=answer_timeout_s)
        config = uvicorn.Config(
            app,
            http=cast(Any, http),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=cast(Any, grace_s),  # any number will do
        )
        super().__init__(config)
        self._on_start, self._on_leave, self._on_hangup = on_start, on_leave, on_hangup

    def stop(self) -> None:
        """End in order; may be called from any thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, say to each client that its connection ends, then wait for the rest."""
        self._on_leave()
        for server in self.servers:
            server.close()
        for connection in self.server_state.connections:
            cast(Connection, connection).leave()
        await asyncio.sleep(_LEAVING_S)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the server in order, a second SIGINT at once; SIGHUP does not end it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        yield


def bind(host: str, port: int) -> socket.socket:
    """Take a port, but no connections yet.

    Raises:
        SpecError: another program has it, or this machine has no such address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise SpecError("--host", host, f"is no address of this machine ({error.strerror})") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise SpecError(
            "--port", port, f"cannot be had at {host} ({error.strerror}); 0 takes one that is free"
        ) from error
    return listener


def allow_many_connections() -> None:
    """Lift the limit of open files, often 1024, to what the system allows: each connection is one."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _ENOUGH_FILES if most == resource.RLIM_INFINITY else min(most, _ENOUGH_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, enough), most))
