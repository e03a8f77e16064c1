"""From settings to a server that runs until it is told to stop."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event, Thread

import pyarrow as pa
import torch
from starlette.applications import Starlette

from peprank.encode import Encoder
from peprank.serve.access_log import AccessLog
from peprank.serve.app import create_app
from peprank.serve.items import ItemTable
from peprank.serve.metrics import Metrics
from peprank.serve.model import ServedModel, load
from peprank.serve.queue import ModelQueue, QueueSettings
from peprank.serve.repository import Repository
from peprank.serve.rows import RequestRows
from peprank.serve.server import Server, allow_many_connections, bind
from peprank.serve.settings import Settings
from peprank.spec.pipeline import PipelineSpec

ADMIN_HOST = "127.0.0.1"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers."""

    settings: Settings  # with the ports that were taken, and the threads
    repository: Repository
    stop: Callable[[], None]  # as SIGTERM does; from any thread


def serve(settings: Settings, on_start: Callable[[Running], None], on_leave: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way. SIGHUP looks for new versions.

    Args:
        on_start: called when requests are answered.
        on_leave: called when the end begins.

    Raises:
        PeprankError: a port cannot be had, or a model cannot be loaded.
    """
    allow_many_connections()
    threads = settings.threads or default_threads()
    torch.set_num_threads(threads)
    with ExitStack() as sockets:
        listeners = [sockets.enter_context(bind(settings.host, settings.port))]
        if settings.admin_port is not None:
            listeners.append(sockets.enter_context(bind(ADMIN_HOST, settings.admin_port)))
        settings = _settled(settings, threads, [listener.getsockname()[1] for listener in listeners])
        metrics = Metrics(access_log=AccessLog(sys.stderr.buffer) if settings.access_log else None)
        repository = Repository(
            settings.path,
            partial(_load, settings=settings),
            name=settings.name,
            extras=[] if settings.items is None else [settings.items],
            keep_versions=settings.keep_versions,
            listener=metrics,
        )
        repository.start()
        _server(settings, repository, metrics, on_start, on_leave).run(listeners)


def default_threads() -> int:
    """Threads of the arithmetic: one processor is left to all that is not arithmetic, and to the clients beside it."""
    return max(1, torch.get_num_threads() - 1)


def _settled(settings: Settings, threads: int, ports: list[int]) -> Settings:
    """The settings with what was found for those that were left open."""
    return replace(settings, threads=threads, port=ports[0], admin_port=ports[1] if len(ports) > 1 else None)


def _load(path: Path, name: str, version: str, *, settings: Settings) -> ServedModel:
    """Load a bundle, to be asked as the settings say."""

    def rows(spec: PipelineSpec, encoder: Encoder, schema: pa.Schema) -> RequestRows:
        items, default = _items(settings, spec), settings.default_domain
        return RequestRows(spec, encoder, items, default, schema=schema, max_rows=settings.max_rows)

    return load(path, name, version, rows, precision=settings.precision)


def _items(settings: Settings, spec: PipelineSpec) -> ItemTable | None:
    if settings.items is None or settings.item_key is None:
        return None
    items = ItemTable.load(settings.items, settings.item_key, spec, given=settings.given)
    _log.info("%s: %s items, %.1f MiB", settings.items.name, f"{items.num_items:,}", items.memory_bytes / 2**20)
    return items


def _server(
    settings: Settings,
    repository: Repository,
    metrics: Metrics,
    on_start: Callable[[Running], None],
    on_leave: Callable[[], None],
) -> Server:
    queue, leaving = ModelQueue(_queue_settings(settings), metrics), Event()
    watch = _Watch(repository.poll, settings.poll_s or None)

    def leave() -> None:
        leaving.set()
        on_leave()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        watch.start()
        yield
        watch.stop()
        await queue.drain(0)  # uvicorn has waited for the requests

    server = Server(
        create_app(repository, queue, metrics, settings, leaving=leaving, lifespan=lifespan),
        header_timeout_s=settings.header_timeout_s,
        answer_timeout_s=settings.body_timeout_s,
        grace_s=settings.grace_s,
        on_start=lambda: on_start(Running(settings=settings, repository=repository, stop=server.stop)),
        on_leave=leave,
        on_hangup=watch.look_now,
    )
    return server


def _queue_settings(settings: Settings) -> QueueSettings:
    return QueueSettings(
        max_rows=settings.max_queue_rows,
        max_requests=settings.max_requests,
        batch_rows=settings.max_batch_rows,
        max_delay_s=settings.max_delay_ms / 1000,
        threads=settings.threads,
    )


class _Watch(Thread):
    """Look for new versions every so often, and when told to.

    Args:
        poll: looks once.
        every_s: None: only when told to.
    """

    def __init__(self, poll: Callable[[], None], every_s: float | None) -> None:
        super().__init__(name="peprank-poll", daemon=True)  # the end of the process waits for no load
        self._poll = poll
        self._every_s = every_s
        self._now = Event()
        self._is_over = False

    def look_now(self) -> None:
        """Do not wait for the next time."""
        self._now.set()

    def stop(self) -> None:
        """Look no more; does not wait for a look that is under way."""
        self._is_over = True
        self._now.set()

    def run(self) -> None:
        while True:
            self._now.wait(self._every_s)
            self._now.clear()
            if self._is_over:
                return
            try:
                self._poll()
            except Exception:
                _log.exception("looking for new versions failed; the next look is in %s s", self._every_s)
