"""Clients that mean no good: bodies without end, connections without hurry."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import repeat

import httpx
import numpy as np
import pytest

from tests.promises import Reached, Times
from tests.serve.models import save_bundle
from tests.serve.processes import Process, served
from tests.serve.talk import answers, check, say

LIMIT = 8 * 2**20
TIMEOUT_S = 2, 10  # short, full
POST = b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: a\r\n"
PIECE = 2**16
READ = 2**18  # bytes that uvloop takes from a socket at once


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, times: Times) -> Iterator[Process]:
    bundle = save_bundle(tmp_path_factory.mktemp("attacks") / "tiny")
    timeout_s = times(*TIMEOUT_S)
    limits = ("--max-body", LIMIT, "--header-timeout-s", timeout_s, "--body-timeout-s", timeout_s)
    with served(bundle, "--port", 0, *limits) as process:
        yield process


def status_of(raw: bytes) -> int:
    """Of the only answer."""
    (answer,) = answers(raw)
    if answer.status != 503:  # too busy
        check(answer)
    return answer.status


@pytest.mark.promise("R-25", "bodies")
@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (POST + b"Content-Length: %d\r\n\r\n" % (8 * LIMIT), b"x" * PIECE),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%s\r\n" % (PIECE, b"x" * PIECE)),
    ],
    ids=["announced", "chunked"],
)
def test_many_bodies_without_end_take_little_memory(
    server: Process, head: bytes, piece: bytes, times: Times, reached: Reached, request: pytest.FixtureRequest
) -> None:
    count = times(20, 100)

    async def attack() -> list[bytes]:
        pieces = [head, *repeat(piece, 8 * LIMIT // PIECE)]
        return await asyncio.gather(*(say(server.port, pieces) for _ in range(count)))

    assert server.is_well()
    before = server.most_memory_bytes
    statuses = {status_of(raw) for raw in asyncio.run(attack())}
    assert statuses <= {413, 503}  # 503: together they are too much before any alone is
    grown = server.most_memory_bytes - before
    assert grown < 2 * LIMIT + count * 2 * READ  # what was read of a connection, and uvicorn's copy, nobody counts
    assert server.is_well()
    kind = request.node.callspec.id
    reached(f"{count} bodies ({kind}) of 64 MiB at once where 8 MiB are allowed: memory +{grown / 2**20:.1f} MiB")


@pytest.mark.promise("R-26", "slow connections")
def test_slow_clients_are_cut_off_and_hold_up_nobody(server: Process, times: Times, reached: Reached) -> None:
    slow = {
        b"": b"",
        POST: b"X-A: b\r\n",
        POST + b"Content-Length: 1000\r\n\r\n": b"x",
        POST + b"Transfer-Encoding: chunked\r\n\r\n": b"1\r\nx\r\n",
    }
    each = times(20, 250)

    async def ask() -> list[float]:
        """Latencies of a healthy client, for as long as a slow one may last."""
        end, latencies = time.monotonic() + times(*TIMEOUT_S), []
        async with httpx.AsyncClient(timeout=120) as client:
            while time.monotonic() < end:
                asked = time.monotonic()
                assert (await client.post(server.address, content=server.body)).status_code == 200
                latencies.append(time.monotonic() - asked)
        return latencies

    async def attack() -> tuple[list[bytes], list[float], list[float], float]:
        alone = await ask()
        began = time.monotonic()
        pieces = [[head, *repeat(piece, 200 if piece else 0)] for head, piece in slow.items() for _ in range(each)]
        attackers = [asyncio.create_task(say(server.port, these, pause_s=0.1)) for these in pieces]
        beside = await ask()
        raw = await asyncio.gather(*attackers)
        return raw, alone, beside, time.monotonic() - began

    raw, alone, beside, seconds = asyncio.run(attack())
    assert {status_of(each) for each in raw} == {408}
    assert np.median(beside) < 20 * np.median(alone) + 10  # all these clients are one process, and have to hurry too
    assert server.is_well()
    before, meanwhile = (f"{1000 * np.quantile(latencies, 0.99):.1f} ms" for latencies in (alone, beside))
    reached(f"{len(raw)} slow connections closed in {seconds:.1f} s; p99 of others {before}, meanwhile {meanwhile}")
