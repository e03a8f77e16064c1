"""What one request may cost before anybody looks into it: bytes, seconds, and how many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from peprank.errors import RequestError
from peprank.serve.envelope import refusal


class Limits:
    """ASGI middleware: read a body whole, within the limits, and hand it on in one piece.

    Whoever is refused here is told why and the connection ends, as the rest of a body may still be under way. A body
    that is still arriving takes no place among `max_requests`, so slow clients cannot keep others out.

    Args:
        max_body_bytes: of one body.
        max_bodies_bytes: of the bodies of all requests under way.
        body_timeout_s: from the headers to the last byte.
        max_requests: POSTs under way. A GET is always answered: a server under load is alive, and says so.
        on_refused: told the status of each refusal.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        max_bodies_bytes: int,
        body_timeout_s: float,
        max_requests: int,
        on_refused: Callable[[int], None],
    ) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.max_bodies_bytes = max_bodies_bytes
        self.body_timeout_s = body_timeout_s
        self.max_requests = max_requests
        self.on_refused = on_refused
        self._bodies_bytes = 0
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        chunks: list[bytes] = []
        try:
            self._check_headers(Headers(scope=scope))
            if await self._read(receive, chunks):
                with self._one_more(scope["method"]):
                    await self.app(scope, _in_one_piece(chunks, receive), send)
        except RequestError as error:
            self.on_refused(error.status)
            response = refusal(error)
            response.headers["connection"] = "close"
            await response(scope, receive, send)
        finally:
            self._bodies_bytes -= sum(map(len, chunks))

    def _check_headers(self, headers: Headers) -> None:
        """Refuse what the headers give away, before a byte of the body is read."""
        if (coding := headers.get("content-encoding", "identity").lower()) != "identity":
            raise RequestError(f"content-encoding {coding[:40]!r} is not read here; send the body as it is", status=415)
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.max_body_bytes:
            raise self._too_large()

    async def _read(self, receive: Receive, chunks: list[bytes]) -> bool:
        """Fill `chunks` with the body; False where the client has gone."""
        try:
            with anyio.fail_after(self.body_timeout_s):
                while (message := await receive())["type"] == "http.request":
                    self._keep(message.get("body", b""), chunks)
                    if not message.get("more_body", False):
                        return True
        except TimeoutError:
            raise RequestError(f"the body took more than {self.body_timeout_s:g} s to arrive", status=408) from None
        return False

    def _keep(self, chunk: bytes, chunks: list[bytes]) -> None:
        """Add a piece of a body, and count its bytes."""
        chunks.append(chunk)
        self._bodies_bytes += len(chunk)
        if sum(map(len, chunks)) > self.max_body_bytes:
            raise self._too_large()
        if self._bodies_bytes > self.max_bodies_bytes:
            raise _busy("the bodies of the requests under way take all the memory there is for them")

    def _too_large(self) -> RequestError:
        return RequestError(f"the body is over the limit of {self.max_body_bytes:,} bytes; send fewer rows", status=413)

    @contextmanager
    def _one_more(self, method: str) -> Iterator[None]:
        """Count a POST among those under way."""
        if method == "POST" and self._requests >= self.max_requests:
            raise _busy(f"{self.max_requests} requests are under way, which is the limit")
        self._requests += method == "POST"
        try:
            yield
        finally:
            self._requests -= method == "POST"


def _busy(why: str) -> RequestError:
    return RequestError(f"{why}; try again", status=503, retry_after_s=1)


def _in_one_piece(chunks: list[bytes], receive: Receive) -> Receive:
    """A receive that gives the whole body first, then whatever the client does."""
    body: list[Message] = [{"type": "http.request", "body": b"".join(chunks), "more_body": False}]

    async def replay() -> Message:
        return body.pop() if body else await receive()

    return replay
