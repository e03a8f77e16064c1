"""A request's walk: bytes, tensors, encoded rows, logits or what the gates do, and bytes again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from peprank.errors import RequestError
from peprank.serve import wire
from peprank.serve.envelope import json_response
from peprank.serve.lane import Model
from peprank.serve.metrics import Metrics
from peprank.serve.model import ServedModel
from peprank.serve.queue import ModelQueue
from peprank.serve.repository import Repository
from peprank.serve.request import InferRequest
from peprank.serve.rows import Encoded
from peprank.serve.trip import CLIENT_GONE, Trip, patience_of

_T = TypeVar("_T")
_CONTENT_TYPES = ("", "application/json", "application/octet-stream", "application/x-www-form-urlencoded")
_LARGE_BYTES = 2**18
_MOST_EXPLAINED = 100  # rows; the model's gates are looked at in float32 and without the engine's haste


class Inference:
    """Answers POST .../infer and .../explain.

    Args:
        patience_s: how long a request may wait for its model; one that asks for less gets less.
    """

    def __init__(self, repository: Repository, queue: ModelQueue, metrics: Metrics, *, patience_s: float) -> None:
        self.repository = repository
        self.queue = queue
        self.metrics = metrics
        self.patience_s = patience_s

    async def answer(self, request: Request) -> Response:
        """Score the rows of a request with the model that the address names."""
        with self._trip(request) as (trip, model):
            asked, encoded = await self._admitted(request, model, model, trip)
            logits = await _while_wanted(request.receive, self.queue.logits(model, encoded.features, trip))
            with trip.stage("reply"):
                response = replace(model.answer(asked, logits), parameters=encoded.parameters)
                trip.outputs = response.outputs
                body, headers = wire.encode(asked, response)
                return Response(body, headers=headers)

    async def explain(self, request: Request) -> Response:
        """Tell what the model's gates do to the rows of a request."""
        with self._trip(request) as (trip, model):
            probe = model.probe
            asked, encoded = await self._admitted(request, model, probe, trip)
            if encoded.num_rows > _MOST_EXPLAINED:
                found = f"the request has {encoded.num_rows} rows"
                raise RequestError(f"{found}; gates are told of {_MOST_EXPLAINED} at a time", status=413)
            seen = await _while_wanted(request.receive, self.queue.logits(probe, encoded.features, trip))
            with trip.stage("reply"):
                head = {"model_name": model.name, "model_version": model.version, "id": asked.id}
                return json_response(head | {"gates": probe.told(seen)})

    @contextmanager
    def _trip(self, request: Request) -> Iterator[tuple[Trip, ServedModel]]:
        """Begin a request's trip, with the model that its address names."""
        path = request.path_params
        with self.metrics.trip() as trip, self.repository.get(path["name"], path.get("version")) as model:
            trip.model, trip.version = model.name, model.version
            trip.expire_after(self.patience_s)
            yield trip, model

    async def _admitted(
        self, request: Request, model: ServedModel, scoring: Model, trip: Trip
    ) -> tuple[InferRequest, Encoded]:
        """The request and its rows, unless the queue before `scoring` would refuse them."""
        self.queue.check(scoring, trip)
        asked, encoded = await self._read(request, model, trip)
        trip.id, trip.encoded = asked.id, encoded
        trip.expire_after(patience_of(asked.parameters, self.patience_s))
        return asked, encoded

    async def _read(self, request: Request, model: ServedModel, trip: Trip) -> tuple[InferRequest, Encoded]:
        """The request and its rows.

        A thread for this costs more than it gives: reading 500 candidates takes about a millisecond, most of it with
        the interpreter's lock. Only what would hold up the event loop for long goes to one.
        """
        _check_content_type(request.headers.get("content-type", ""))
        json_length = wire.read_json_length(request.headers.get(wire.LENGTH_HEADER))
        body = await request.body()
        if len(body) <= _LARGE_BYTES:
            return _read(body, json_length, model, trip)
        return await asyncio.to_thread(_read, body, json_length, model, trip)


def _read(body: bytes, json_length: int | None, model: ServedModel, trip: Trip) -> tuple[InferRequest, Encoded]:
    with trip.stage("decode"):
        asked = wire.decode(body, json_length)
        wire.check_outputs(asked, [output.name for output in model.outputs])
    with trip.stage("encode"):
        return asked, model.rows.features(asked)


def _check_content_type(header: str) -> None:
    """Refuse what is meant to be read in another way. Curl calls JSON a form, unless it is told."""
    if header.partition(";")[0].strip().lower() not in _CONTENT_TYPES:
        raise RequestError(
            "content-type must be application/json, or application/octet-stream with tensors", status=415
        )


async def _while_wanted(receive: Receive, work: Coroutine[Any, Any, _T]) -> _T:
    """Do the work unless the client goes away: nothing else can come from it before it has its answer.

    Raises:
        RequestError: the client went; nobody will read this.
    """
    doing, leaving = asyncio.ensure_future(work), asyncio.ensure_future(receive())
    try:
        await asyncio.wait((doing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise RequestError("the client went away", status=CLIENT_GONE)
        return doing.result()
    finally:
        doing.cancel()
        leaving.cancel()
