"""Whatever goes wrong, a client reads one sentence in JSON, and nothing of the inside."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from peprank.errors import RequestError
from peprank.serve.envelope import Envelope, no_such_address, refuse


async def broken(_request: Request) -> Response:
    raise KeyError("/home/someone/secret")


async def full(_request: Request) -> Response:
    raise RequestError("no room", status=429, retry_after_s=3)


APP = Starlette(
    routes=[Route("/broken", broken), Route("/full", full)],
    middleware=[Middleware(Envelope)],
    exception_handlers={HTTPException: no_such_address, RequestError: refuse},
)


def ask(method: str, path: str) -> httpx.Response:
    async def call() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://test") as client:
            return await client.request(method, path)

    return asyncio.run(call())


def test_a_refusal_says_why_and_when_to_try_again() -> None:
    answer = ask("GET", "/full")
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (429, {"error": "no room"}, "3")


def test_an_unknown_address_is_told_where_all_are() -> None:
    answer = ask("GET", "/nowhere")
    assert (answer.status_code, answer.json()) == (404, {"error": "no such address; /openapi.json lists all"})


def test_a_wrong_method_is_told_the_right_one() -> None:
    answer = ask("DELETE", "/full")
    assert (answer.status_code, answer.json()) == (405, {"error": "DELETE is not served at this address"})
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_what_nobody_foresaw_is_logged_and_told_by_its_mark_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "peprank.serve"):
        answer = ask("GET", "/broken")
    assert answer.status_code == 500
    error = answer.json()["error"]
    (record,) = caplog.records
    assert error == f"internal {record.getMessage()}; the server's log says more"
    assert record.exc_info is not None
    assert "secret" not in answer.text
