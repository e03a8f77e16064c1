"""What the server did, counted once: requests, rows, times, unknown values, scores. Prometheus reads it here."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from peprank.errors import RequestError
from peprank.serve.access_log import AccessLog
from peprank.serve.counts import Counts
from peprank.serve.exposition import Version, families
from peprank.serve.trip import CLIENT_GONE, Trip

_NUM_RETIRED = 16  # versions whose counts stay after they were unloaded


class Metrics:
    """Counts of everything that is served, by model and version; may be used from any thread.

    Args:
        access_log: told of each request that has ended.
        clock: seconds since some moment.
        now: seconds since 1970.
    """

    def __init__(
        self,
        *,
        access_log: AccessLog | None = None,
        clock: Callable[[], float] = time.perf_counter,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self._now = now
        self._access_log = access_log
        self._lock = Lock()
        self._counts: dict[Version, Counts] = {}
        self._loaded: dict[Version, str] = {}  # -> SHA-256 of the bundle
        self._retired: deque[Version] = deque()
        self._refused: dict[str, int] = {}  # model -> versions that it did not load
        self._registry = CollectorRegistry()
        self._registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    @contextmanager
    def trip(self) -> Iterator[Trip]:
        """Begin the trip of a request, and record it when the block is left, by whatever way.

        An error of the block decides the status and is passed on.
        """
        trip = Trip(clock=self.clock, started_s=self.clock())
        try:
            yield trip
        except BaseException as error:
            trip.status = _status_of(error)
            raise
        finally:
            self.record(trip)

    def record(self, trip: Trip) -> None:
        """Count a request that has ended, and log it."""
        trip.whole_s = self.clock() - trip.started_s
        now_s = self._now()
        counts = self.of(trip.model, trip.version)
        with self._lock:
            counts.end(trip, now_s)
        if self._access_log is not None:
            self._access_log.write(trip, now_s)

    def of(self, model: str, version: str) -> Counts:
        """Counts of one version; of "" and "" for requests that named none that exists."""
        with self._lock:
            if (model, version) not in self._counts:
                self._counts[model, version] = Counts()
            return self._counts[model, version]

    def executed(self, model: str, version: str, num_rows: int, seconds: float) -> None:
        """Count one execution of a model."""
        counts = self.of(model, version)
        with self._lock:
            counts.execute(num_rows, seconds)

    def loaded(self, model: str, version: str, sha256: str) -> None:
        """Say that a version is being served."""
        with self._lock:
            self._counts.setdefault((model, version), Counts())
            self._loaded[model, version] = sha256
            if (model, version) in self._retired:
                self._retired.remove((model, version))

    def unloaded(self, model: str, version: str) -> None:
        """Say that a version is no longer served. Its counts stay until many others were unloaded after it."""
        with self._lock:
            self._loaded.pop((model, version), None)
            self._retired.append((model, version))
            if len(self._retired) > _NUM_RETIRED:
                self._counts.pop(self._retired.popleft(), None)

    def refused(self, model: str) -> None:
        """Say that a version of a model was not loaded, since it is damaged or does not prove itself."""
        with self._lock:
            self._refused[model] = self._refused.get(model, 0) + 1

    def collect(self) -> Iterable[Metric]:
        """All metrics as they stand, for prometheus-client."""
        with self._lock:
            return families(self._counts, self._loaded, self._refused)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """The body and the content type of an answer at /metrics, for a request's header Accept."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


def _status_of(error: BaseException) -> int:
    if isinstance(error, RequestError):
        return error.status
    return CLIENT_GONE if isinstance(error, asyncio.CancelledError) else 500
