"""Errors as the protocol wants them: `{"error": "a sentence"}`, whatever went wrong and wherever."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from peprank.errors import RequestError

_log = logging.getLogger("peprank.serve")


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says why there is no other."""
    return json_response({"error": message}, status, headers)


def refusal(error: RequestError) -> Response:
    """The answer to a request that is not answered with scores."""
    headers = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
    return error_response(error.status, str(error), headers)


def refuse(_request: Request, error: Exception) -> Response:
    """Starlette's handler of our own refusals."""
    assert isinstance(error, RequestError)
    return refusal(error)


def no_such_address(request: Request, error: Exception) -> Response:
    """Starlette's handler of addresses and methods that nobody serves."""
    assert isinstance(error, HTTPException)
    messages = {404: "no such address; /openapi.json lists all", 405: f"{request.method} is not served at this address"}
    return error_response(error.status_code, messages.get(error.status_code, str(error.detail)), error.headers)


class Envelope:
    """ASGI middleware: answer what nobody foresaw with an id that the log explains; it tells nothing of the inside."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except asyncio.CancelledError:  # the grace of a shutdown is over
            if started:
                raise
            await error_response(503, "the server is being stopped")(scope, receive, send)
        except Exception as error:
            if started:
                raise
            await _unforeseen(error)(scope, receive, send)


def _unforeseen(error: Exception) -> Response:
    mark = secrets.token_hex(4)
    _log.error("error %s", mark, exc_info=error)
    return error_response(500, f"internal error {mark}; the server's log says more")
