"""Connections on real sockets: headers that never end, answers that nobody reads, and requests that are none."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.serve.running import running

HEADER_TIMEOUT_S = 1.0  # much longer than a loaded machine takes from a connection to its first bytes
ANSWER_TIMEOUT_S = 0.4
SLOW_S = 0.4
BIG = 32 * 2**20  # more than the buffers of two sockets hold


async def hello(_request: Request) -> Response:
    return Response(b"hello")


async def big(_request: Request) -> Response:
    return Response(b"x" * BIG)


async def slow(_request: Request) -> Response:
    await asyncio.sleep(SLOW_S)
    return Response(b"late")


APP = Starlette(routes=[Route("/", hello), Route("/big", big), Route("/slow", slow)])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running(APP, header_timeout_s=HEADER_TIMEOUT_S, answer_timeout_s=ANSWER_TIMEOUT_S) as port:
        yield port


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def read_all(client: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))


def read_hello(client: socket.socket) -> None:
    """One answer, which may come in several pieces, of a connection that stays open."""
    raw = b""
    while not raw.endswith(b"\r\n\r\nhello"):
        piece = client.recv(65536)
        assert piece, raw
        raw += piece


def taken(client: socket.socket, piece: bytes, *, times: int, pause_s: float) -> int:
    """How often the server takes this, at most so many times."""
    for sent in range(times):
        try:
            client.sendall(piece)
        except OSError:
            return sent
        time.sleep(pause_s)
    return times


def answer(raw: bytes) -> tuple[int, dict[str, str]]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n"])
def test_headers_that_never_end_are_ended(port: int, sent: bytes) -> None:
    began = time.monotonic()
    client = connect(port)
    client.sendall(sent)
    assert answer(read_all(client)) == (408, {"error": "the headers took more than 1 s to arrive"})
    assert HEADER_TIMEOUT_S * 0.9 < time.monotonic() - began < 30


def test_headers_that_trickle_are_ended_all_the_same(port: int) -> None:
    with connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        assert 2 < taken(client, b"X-A: b\r\n", times=200, pause_s=0.05) < 100


def test_the_second_request_of_a_connection_has_no_more_time_than_the_first(port: int) -> None:
    with connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        read_hello(client)
        client.sendall(b"GET / HTTP/1.1\r\nHo")
        assert answer(read_all(client))[0] == 408


def test_a_connection_that_waits_between_requests_stays_open(port: int) -> None:
    with connect(port) as client:
        for _ in range(2):
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            read_hello(client)
            time.sleep(1.5 * HEADER_TIMEOUT_S)


def test_headers_without_end_are_refused_for_their_size(port: int) -> None:
    with connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
        assert taken(client, b"x" * 4096, times=10_000, pause_s=0.0) < 5_000


def test_what_is_no_http_is_told_so_in_json(port: int) -> None:
    client = connect(port)
    client.sendall(b"\x16\x03\x01 hello?\r\n\r\n")
    assert answer(read_all(client)) == (400, {"error": "Invalid HTTP request received."})


def ask_for_much(port: int) -> socket.socket:
    client = connect(port)
    client.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    return client


def test_an_answer_that_nobody_takes_is_dropped(port: int) -> None:
    client = ask_for_much(port)
    time.sleep(4 * ANSWER_TIMEOUT_S)
    assert len(read_all(client)) < BIG / 2


def test_an_answer_that_is_taken_in_time_arrives_whole() -> None:
    with running(APP, answer_timeout_s=60) as port:
        assert len(read_all(ask_for_much(port))) > BIG


def test_what_follows_a_request_and_is_none_ends_the_connection_behind_its_answer(port: int) -> None:
    client = connect(port)
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n")
    head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert (head.split()[1], body) == (b"200", b"hello")
    assert b"connection: close" in head


def test_a_client_that_leaves_several_requests_behind_is_no_error(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with connect(port) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        time.sleep(SLOW_S / 2)
    time.sleep(2 * SLOW_S)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_body_behind_an_upgrade_is_not_taken_for_a_request(port: int) -> None:
    client = connect(port)
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + upgrade + b"Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    status, document = answer(read_all(client))
    assert status == 400
    assert document["error"].startswith("a request with a body cannot upgrade its connection; leave out the header")
