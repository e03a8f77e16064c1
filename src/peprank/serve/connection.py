"""One connection, with what uvicorn leaves open: headers that never end, and answers that nobody takes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # h11's does not say that a connection ends
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle as Cycle

_MAX_HEADER_BYTES = 64 * 2**10
_UPGRADE = "a request with a body cannot upgrade its connection; leave out the header 'upgrade', this is HTTP/1.1"


class Connection(HttpToolsProtocol):
    """uvicorn's protocol of one connection, closed when a request's headers or the reading of an answer take too long.

    Args:
        header_timeout_s: from the connection's start, or a later request's first byte, to the end of the headers.
        answer_timeout_s: for the client to take what the sockets' buffers do not hold.
        options: what uvicorn gives.
    """

    def __init__(self, *, header_timeout_s: float, answer_timeout_s: float, **options: Any) -> None:
        super().__init__(**options)
        self.header_timeout_s = header_timeout_s
        self.answer_timeout_s = answer_timeout_s
        self._header_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_leaving = False
        self._cycles: deque[Cycle] = deque()  # of requests without a whole answer, the oldest first

    def leave(self) -> None:
        """Close behind the next answer, or the one that is being made."""
        self._is_leaving = True
        if self._is_busy():
            self.cycle.keep_alive = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_busy():
            self._stop_waiting()
            self.cycle.keep_alive &= not self._is_leaving
        elif not self.transport.is_closing():
            self._wait_for_headers()
            self._count(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._abandon()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self._has_body():
            raise ValueError(_UPGRADE)  # httptools would take the body for another request
        super().on_headers_complete()
        self._cycles.append(self.cycle)

    def on_response_complete(self) -> None:
        self._cycles.popleft()
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self.loop.call_later(self.answer_timeout_s, self._give_up_on_answer)

    def send_400_response(self, msg: str) -> None:
        is_upgrade = self.headers is not None and self.parser.should_upgrade() and self._has_body()
        self._refuse(400, _UPGRADE if is_upgrade else msg)

    def _is_busy(self) -> bool:
        """Whether the headers of a request are complete and its answer is not."""
        return self.cycle is not None and not self.cycle.response_complete

    def _has_body(self) -> bool:
        """Whether the last request announces one."""
        return any(name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in self.headers)

    def _wait_for_headers(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.header_timeout_s, self._headers_are_late)

    def _stop_waiting(self) -> None:
        self._header_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _count(self, data: bytes) -> None:
        self._header_bytes += len(data)
        if self._header_bytes > _MAX_HEADER_BYTES:
            self._refuse(431, f"the headers are over the limit of {_MAX_HEADER_BYTES:,} bytes")

    def _headers_are_late(self) -> None:
        self._refuse(408, f"the headers took more than {self.header_timeout_s:g} s to arrive")

    def _abandon(self) -> None:
        """Nobody takes these answers any more; uvicorn says so to the last request only."""
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()

    def _refuse(self, status: int, message: str) -> None:
        """Answer without an app, as there is no whole request, and close.

        Where answers are under way, this one would be taken for the first of them: the connection ends behind the last.
        """
        if self.transport.is_closing():
            return
        if any(not cycle.more_body or cycle.response_started for cycle in self._cycles):
            self.cycle.keep_alive = False
            return
        self._abandon()
        body = orjson.dumps({"error": message})
        head = f"HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _give_up_on_answer(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
