"""HTTP as bytes, for what no client library would send."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import httptools
import orjson

from tests.serve.processes import SECRET

# What an error may not tell: places in the file system, Python's inside, the environment.
_INSIDE = re.compile(rb'Traceback|File \\?"|\.py\b|0x[0-9a-f]{6}|/(usr|home|root|tmp|var|opt|proc)/|' + SECRET.encode())


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    body: bytes


class _Parsing:
    """What httptools calls while it reads."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.body = b""
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self.body = b""

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if (status := self.parser.get_status_code()) != 100:
            self.answers.append(Answer(status, self.body))


def answers(raw: bytes) -> list[Answer]:
    """The responses that a connection gave, one behind the other; fails if they are no HTTP."""
    parsing = _Parsing()
    parsing.parser.feed_data(raw)
    return parsing.answers


def check(answer: Answer) -> None:
    """No fault of the server, a sentence if there is no other answer, and nothing of the inside."""
    assert answer.status < 500, answer
    if answer.status >= 400:
        document = orjson.loads(answer.body)
        assert document.keys() == {"error"}, answer
        assert isinstance(document["error"], str), answer
        assert document["error"], answer
        assert not _INSIDE.search(answer.body), answer


async def say(port: int, pieces: Iterable[bytes], *, pause_s: float = 0.0, quiet_s: float | None = None) -> bytes:
    """What comes back until the server hangs up, or is quiet for so long after an answer.

    Args:
        pieces: are sent, one after the other, until they are not taken.
        pause_s: after each piece.
        quiet_s: None: only until the server hangs up.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = bytearray()
    listening = asyncio.create_task(_listen(reader, heard, quiet_s))
    try:
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
        await listening
    finally:
        listening.cancel()
        writer.close()
    return bytes(heard)


async def _listen(reader: asyncio.StreamReader, heard: bytearray, quiet_s: float | None) -> None:
    with suppress(ConnectionError, asyncio.TimeoutError):
        while piece := await asyncio.wait_for(reader.read(2**16), quiet_s if heard else None):
            heard += piece
