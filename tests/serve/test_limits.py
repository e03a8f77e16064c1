"""What a request may cost: bytes, seconds, and how many at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from peprank.serve.limits import Limits

KIB = 2**10
LIMIT, TOGETHER = 100 * KIB, 150 * KIB


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(await Request(scope, receive).body())(scope, receive, send)


class Client:
    """One request as an ASGI server sees it: pieces of a body, and the answer."""

    def __init__(self, pieces: Iterable[bytes], headers: dict[str, str] | None = None, method: str = "POST") -> None:
        self.pieces = list(pieces)
        self.taken = 0
        self.taken_before_the_answer = 0
        self.more = asyncio.Event()
        self.more.set()
        self.scope = {
            "type": "http",
            "method": method,
            "path": "/",
            "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        }
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        await self.more.wait()
        if self.taken == len(self.pieces):
            return {"type": "http.disconnect"}
        piece = self.pieces[self.taken]
        self.taken += 1
        return {"type": "http.request", "body": piece, "more_body": self.taken < len(self.pieces)}

    async def send(self, message: Message) -> None:
        if not self.sent:
            self.taken_before_the_answer = self.taken
        self.sent.append(message)

    async def ask(self, app: ASGIApp) -> Client:
        await app(self.scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def error(self) -> str:
        document = json.loads(self.body)
        assert document.keys() == {"error"}
        return str(document["error"])


def limits(app: ASGIApp = echo, **changed: Any) -> Limits:
    settings: dict[str, Any] = {
        "max_body_bytes": LIMIT,
        "max_bodies_bytes": TOGETHER,
        "body_timeout_s": 5.0,
        "max_requests": 2,
        "on_refused": lambda _status: None,
        "linger_s": 0.05,
    }
    return Limits(app, **(settings | changed))


def ask(app: ASGIApp, client: Client) -> Client:
    return asyncio.run(client.ask(app))


@pytest.mark.parametrize("pieces", [[b""], [b"a" * LIMIT], [b"ab", b"", b"c"], [b"x"] * 1000])
def test_a_body_within_the_limits_arrives_whole(pieces: list[bytes]) -> None:
    client = ask(limits(), Client(pieces))
    assert (client.status, client.body) == (200, b"".join(pieces))


def test_a_body_that_is_announced_too_large_is_refused_unread() -> None:
    refused: list[int] = []
    client = ask(limits(on_refused=refused.append), Client([b"x"], {"Content-Length": str(LIMIT + 1)}))
    assert (client.status, client.taken_before_the_answer) == (413, 0)
    assert client.error == "the body is over the limit of 102,400 bytes; send fewer rows"
    assert client.headers[b"connection"] == b"close"
    assert refused == [413]


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}])
def test_a_body_that_turns_out_too_large_is_read_no_further(headers: dict[str, str]) -> None:
    client = ask(limits(), Client([b"x" * KIB] * 1000, headers))
    assert (client.status, client.taken_before_the_answer) == (413, LIMIT // KIB + 1)
    assert client.taken == LIMIT // KIB + 1 + 64  # the client hears of it while it sends a little more


def test_a_client_that_stops_when_it_is_refused_is_not_waited_for() -> None:
    began = time.monotonic()
    client = ask(limits(linger_s=60), Client([b"x"], {"Content-Length": str(LIMIT + 1)}))
    assert (client.status, client.sent[-1]["body"]) == (413, b"")
    assert time.monotonic() - began < 30


def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    client = Client([b"x"])
    client.more.clear()
    ask(limits(body_timeout_s=0.05), client)
    assert (client.status, client.error) == (408, "the body took more than 0.05 s to arrive")
    assert client.headers[b"connection"] == b"close"


def test_a_body_that_trickles_is_not_waited_for_either() -> None:
    class Trickle(Client):
        async def receive(self) -> Message:
            await asyncio.sleep(0.01)
            return await super().receive()

    client = ask(limits(body_timeout_s=0.3), Trickle([b"x"] * 1000))
    assert client.status == 408
    assert 1 < client.taken_before_the_answer < 40


def test_a_client_that_leaves_is_not_answered() -> None:
    class Leaves(Client):
        async def receive(self) -> Message:
            return {"type": "http.disconnect"}

    assert ask(limits(), Leaves([])).sent == []


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate, gzip", "br"])
def test_a_compressed_body_is_refused_unread(coding: str) -> None:
    client = ask(limits(), Client([b"x"], {"Content-Encoding": coding}))
    assert (client.status, client.taken_before_the_answer) == (415, 0)
    assert client.error == f"content-encoding {coding.lower()!r} is not read here; send the body as it is"


def test_the_bodies_of_all_requests_together_have_a_limit_and_it_is_given_back() -> None:
    app = limits()

    class Stalls(Client):
        async def receive(self) -> Message:
            if self.taken == 1:
                self.more.clear()
            return await super().receive()

    async def scene() -> tuple[Client, Client, Client]:
        stalled, second, later = Stalls([b"x" * LIMIT, b""]), Client([b"x" * 60 * KIB]), Client([b"x" * LIMIT])
        task = asyncio.create_task(stalled.ask(app))
        await asyncio.sleep(0.01)
        await second.ask(app)
        stalled.more.set()
        await task
        return stalled, second, await later.ask(app)

    stalled, second, later = asyncio.run(scene())
    assert (stalled.status, second.status, later.status) == (200, 503, 200)
    assert second.headers[b"retry-after"] == b"1"
    assert "take all the memory" in second.error


def test_only_so_many_posts_are_under_way_while_gets_are_answered() -> None:
    go_on = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await go_on.wait()
        await echo(scope, receive, send)

    async def scene() -> list[int]:
        app = limits(slow)
        first = [Client([b""]), Client([b""])]
        tasks = [asyncio.create_task(client.ask(app)) for client in first]
        await asyncio.sleep(0.01)
        third, get = await Client([b""]).ask(app), await Client([b""], method="GET").ask(app)
        assert third.error == "2 requests are under way, which is the limit; try again"
        go_on.set()
        await asyncio.gather(*tasks)
        fourth = await Client([b""]).ask(app)
        return [client.status for client in (*first, third, get, fourth)]

    assert asyncio.run(scene()) == [200, 200, 503, 200, 200]


def test_a_body_under_way_takes_no_place() -> None:
    async def scene() -> list[int]:
        app = limits(max_requests=1)
        slow = Client([b"x"])
        slow.more.clear()
        task = asyncio.create_task(slow.ask(app))
        await asyncio.sleep(0.01)
        quick = await Client([b"x"]).ask(app)
        slow.more.set()
        await task
        return [quick.status, slow.status]

    assert asyncio.run(scene()) == [200, 200]
