"""The addresses of the server, and what it says at each: the Open Inference Protocol and Triton's extensions of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import version
from threading import Event

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Lifespan

from peprank.errors import RequestError
from peprank.serve import wire
from peprank.serve.envelope import Envelope, json_response, no_such_address, refuse
from peprank.serve.infer import Inference
from peprank.serve.limits import Limits
from peprank.serve.metrics import Metrics
from peprank.serve.model import ServedModel
from peprank.serve.openapi import document
from peprank.serve.page import front_page
from peprank.serve.queue import ModelQueue
from peprank.serve.repository import Repository
from peprank.serve.settings import Settings
from peprank.serve.statistics import statistics


def create_app(
    repository: Repository,
    queue: ModelQueue,
    metrics: Metrics,
    settings: Settings,
    *,
    leaving: Event | None = None,
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """The application that answers at every address.

    Args:
        repository: the models.
        queue: scores.
        metrics: counts.
        settings: of the server; the admin port is that of a socket.
        leaving: set when a shutdown has begun.
        lifespan: what to run beside.
    """
    inference = Inference(repository, queue, metrics, patience_s=settings.deadline_ms / 1000)
    desk = Desk(repository, metrics, admin_port=settings.admin_port, leaving=leaving or Event())
    limits = Middleware(
        Limits,
        max_body_bytes=settings.max_body_bytes,
        max_bodies_bytes=settings.bodies_bytes,
        body_timeout_s=settings.body_timeout_s,
        max_requests=settings.max_requests,
        on_refused=partial(_count_refusal, metrics),
    )
    app = Starlette(
        routes=[
            *_at_model("/infer", inference.answer, "POST"),
            *(_for_people(inference, desk) if settings.page else ()),
            *desk.routes(),
        ],
        middleware=[Middleware(Envelope), limits],
        exception_handlers={HTTPException: no_such_address, RequestError: refuse},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # a redirect is no answer of the protocol
    return app


def _count_refusal(metrics: Metrics, status: int) -> None:
    """Count a request that nobody looked into."""
    with metrics.trip() as trip:
        trip.status = status


def _for_people(inference: Inference, desk: Desk) -> list[Route]:
    """The page and what only it asks for."""
    return [
        Route("/", front_page),
        *_at_model("/form", desk.form),
        *_at_model("/explain", inference.explain, "POST"),
    ]


class Desk:
    """Answers everything but inference.

    Args:
        repository: the models.
        metrics: what was counted.
        admin_port: where models may be loaded and unloaded; None: nowhere.
        leaving: set when a shutdown has begun.
    """

    def __init__(self, repository: Repository, metrics: Metrics, *, admin_port: int | None, leaving: Event) -> None:
        self.repository = repository
        self.metrics = metrics
        self.admin_port = admin_port
        self.leaving = leaving

    def routes(self) -> list[Route]:
        """What is answered where."""
        return [
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            Route("/v2", self.server),
            Route("/v2/models", self.models),
            Route("/v2/models/stats", self.all_stats),
            *_at_model("", self.model),
            *_at_model("/ready", self.model_ready),
            *_at_model("/config", self.config),
            *_at_model("/stats", self.stats),
            Route("/v2/repository/index", self.index, methods=["POST"]),
            Route("/v2/repository/models/{name}/load", self.load, methods=["POST"]),
            Route("/v2/repository/models/{name}/unload", self.unload, methods=["POST"]),
            Route("/metrics", self.exposition),
            Route("/openapi.json", self.openapi),
        ]

    async def live(self, _request: Request) -> Response:
        """GET /v2/health/live."""
        return json_response({"live": True})

    async def ready(self, _request: Request) -> Response:
        """GET /v2/health/ready."""
        if self.leaving.is_set():
            return json_response({"ready": False, "error": "the server is being stopped"}, 503)
        if not self.repository.ready():
            return json_response({"ready": False, "error": "not all models are loaded"}, 503)
        return json_response({"ready": True})

    async def server(self, _request: Request) -> Response:
        """GET /v2."""
        return json_response(wire.server_metadata(version("peprank")))

    async def models(self, _request: Request) -> Response:
        """GET /v2/models."""
        return json_response({"models": self.repository.names()})

    async def model(self, request: Request) -> Response:
        """GET /v2/models/NAME: its inputs and outputs."""
        with self._named(request) as model:
            return json_response(model.metadata(self.repository.versions(model.name)))

    async def model_ready(self, request: Request) -> Response:
        """GET /v2/models/NAME/ready."""
        with self._named(request) as model:
            return json_response({"name": model.name, "ready": True})

    async def config(self, request: Request) -> Response:
        """GET /v2/models/NAME/config."""
        with self._named(request) as model:
            return json_response(model.config())

    async def form(self, request: Request) -> Response:
        """GET /v2/models/NAME/form: what a form for its requests needs."""
        with self._named(request) as model:
            return json_response(model.form)

    async def stats(self, request: Request) -> Response:
        """GET /v2/models/NAME/stats."""
        with self._named(request) as model:
            return json_response(statistics(self.metrics, [(model.name, model.version)]))

    async def all_stats(self, _request: Request) -> Response:
        """GET /v2/models/stats."""
        models = self.repository
        return json_response(statistics(self.metrics, [(n, v) for n in models.names() for v in models.versions(n)]))

    async def index(self, _request: Request) -> Response:
        """POST /v2/repository/index."""
        return json_response(self.repository.index())

    async def load(self, request: Request) -> Response:
        """POST /v2/repository/models/NAME/load."""
        return await self._control(request, self.repository.load)

    async def unload(self, request: Request) -> Response:
        """POST /v2/repository/models/NAME/unload."""
        return await self._control(request, self.repository.unload)

    async def exposition(self, request: Request) -> Response:
        """GET /metrics."""
        body, content_type = self.metrics.exposition(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    async def openapi(self, _request: Request) -> Response:
        """GET /openapi.json."""
        return json_response(document(version("peprank")))

    async def _control(self, request: Request, change: Callable[[str], None]) -> Response:
        """Change what is loaded, in a thread, where that is allowed."""
        if self.admin_port is None or request.scope["server"][1] != self.admin_port:
            raise RequestError("models are loaded and unloaded at the admin port only; see --admin-port", status=403)
        if "origin" in request.headers:
            raise RequestError("a web page may not load or unload models", status=403)
        await asyncio.to_thread(change, request.path_params["name"])
        return json_response({})

    def _named(self, request: Request) -> AbstractContextManager[ServedModel]:
        """The model that the address names."""
        return self.repository.get(request.path_params["name"], request.path_params.get("version"))


def _at_model(rest: str, answer: Callable[[Request], Awaitable[Response]], method: str = "GET") -> list[Route]:
    """Routes of something that models have, with and without a version."""
    places = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
    return [Route(place + rest, answer, methods=[method]) for place in places]
