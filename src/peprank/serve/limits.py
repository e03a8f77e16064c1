"""What one request may cost before anybody looks into it: bytes, seconds, and how many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from peprank.errors import RequestError
from peprank.serve.envelope import refusal

_LINGER_BYTES = 2**16


@dataclass(slots=True)
class _Body:
    """What has arrived of a body."""

    chunks: list[bytes] = field(default_factory=list)
    num_bytes: int = 0
    is_whole: bool = False


class Limits:
    """ASGI middleware: read a body whole, within the limits, and hand it on in one piece.

    Whoever is refused here is told why; the connection ends where the rest of a body may still be under way. A body
    that is still arriving takes no place among `max_requests`, so slow clients cannot keep others out.

    Args:
        max_body_bytes: of one body.
        max_bodies_bytes: of the bodies of all requests under way.
        body_timeout_s: from the headers to the last byte.
        max_requests: POSTs under way. A GET is always answered: a server under load is alive, and says so.
        on_refused: told the status of each refusal.
        linger_s: how long a refused client that still sends is listened to, for up to 64 KiB.
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
        linger_s: float = 1.0,
    ) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.max_bodies_bytes = max_bodies_bytes
        self.body_timeout_s = body_timeout_s
        self.max_requests = max_requests
        self.on_refused = on_refused
        self.linger_s = linger_s
        self._bodies_bytes = 0
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body()
        try:
            self._check_headers(Headers(scope=scope))
            if await self._read(receive, body):
                with self._one_more(scope["method"]):
                    await self.app(scope, _in_one_piece(body.chunks, receive), send)
        except RequestError as error:
            self._forget(body)
            self.on_refused(error.status)
            if body.is_whole:
                await refusal(error)(scope, receive, send)
            else:
                await _refuse_and_close(error, scope, receive, send, linger_s=self.linger_s)
        finally:
            self._forget(body)

    def _check_headers(self, headers: Headers) -> None:
        """Refuse what the headers give away, before a byte of the body is read."""
        if (coding := headers.get("content-encoding", "identity").lower()) != "identity":
            raise RequestError(f"content-encoding {coding[:40]!r} is not read here; send the body as it is", status=415)
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.max_body_bytes:
            raise self._too_large()

    async def _read(self, receive: Receive, body: _Body) -> bool:
        """Fill `body`; False where the client has gone."""
        try:
            with anyio.fail_after(self.body_timeout_s):
                while (message := await receive())["type"] == "http.request":
                    body.is_whole = not message.get("more_body", False)
                    self._keep(message.get("body", b""), body)
                    if body.is_whole:
                        return True
        except TimeoutError:
            raise RequestError(f"the body took more than {self.body_timeout_s:g} s to arrive", status=408) from None
        return False

    def _keep(self, chunk: bytes, body: _Body) -> None:
        """Add a piece of a body, and count its bytes."""
        body.chunks.append(chunk)
        body.num_bytes += len(chunk)
        self._bodies_bytes += len(chunk)
        if body.num_bytes > self.max_body_bytes:
            raise self._too_large()
        if self._bodies_bytes > self.max_bodies_bytes:
            raise _busy("the bodies of the requests under way take all the memory there is for them")

    def _forget(self, body: _Body) -> None:
        self._bodies_bytes -= body.num_bytes
        body.chunks.clear()
        body.num_bytes = 0

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


async def _refuse_and_close(
    error: RequestError, scope: Scope, receive: Receive, send: Send, *, linger_s: float
) -> None:
    """Answer, and close a little later: a connection that is closed while bytes arrive is reset, answer and all."""

    async def send_all_but_the_end(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    response = refusal(error)
    response.headers["connection"] = "close"
    await response(scope, receive, send_all_but_the_end)
    with anyio.move_on_after(linger_s):
        await _let_pass(receive)
    await send({"type": "http.response.body", "body": b""})


async def _let_pass(receive: Receive) -> None:
    """Drop the rest of a body, until the client is told; of a long one drop a little, and leave the rest unread."""
    num_bytes = 0
    while num_bytes < _LINGER_BYTES:
        message = await receive()
        num_bytes += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
    await anyio.sleep_forever()


def _in_one_piece(chunks: list[bytes], receive: Receive) -> Receive:
    """A receive that gives the whole body first, then whatever the client does."""
    body: list[Message] = [{"type": "http.request", "body": b"".join(chunks), "more_body": False}]

    async def replay() -> Message:
        return body.pop() if body else await receive()

    return replay
