"""Requests for one version of a model that wait to be scored: first come, first served."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from peprank.batch import Features
from peprank.errors import RequestError
from peprank.serve.counts import Counts
from peprank.serve.trip import Trip

_MEMORY = 0.9  # how much of what earlier executions taught counts beside the next one


class Model(Protocol):
    """One version of a model, as the queue sees it."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    def logits(self, features: Features) -> NDArray[np.float32]:
        """Features of B rows -> float32 [B, K]. Called in a thread."""
        ...


@dataclass(slots=True, eq=False)
class Job:
    """A request to score, and where its logits will be."""

    features: Features
    trip: Trip
    joined_s: float
    logits: asyncio.Future[NDArray[np.float32]]
    alarm: asyncio.TimerHandle | None = None  # rings at the deadline of one that waits

    @property
    def num_rows(self) -> int:
        """Rows to score."""
        return self.features.num_rows

    def refuse(self, error: RequestError) -> None:
        """Answer with an error, unless the caller was cancelled."""
        if not self.logits.done():
            self.logits.set_exception(error)


class Lane:
    """The jobs of one model, those that wait and those that are being scored."""

    def __init__(self, model: Model, counts: Counts) -> None:
        self.model = model
        self.num_rows = 0  # that wait
        self.waiting: OrderedDict[Job, None] = OrderedDict()
        self.running: set[Job] = set()
        self._counts = counts
        self._learnt_s = self._learnt_rows = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits and nothing is being scored."""
        return not self.waiting and not self.running

    def work_s(self) -> float:
        """Seconds that all that is here is likely to take; 0 as long as nothing is known."""
        rows = self.num_rows + sum(job.num_rows for job in self.running)
        return rows * self._learnt_s / self._learnt_rows if self._learnt_rows else 0.0

    def due_s(self, batch_rows: int, max_delay_s: float) -> float:
        """When the next batch should be taken: at once if it is full; infinity if nothing waits."""
        if not self.waiting:
            return math.inf
        may_grow = self.num_rows < batch_rows
        return next(iter(self.waiting)).joined_s + max_delay_s if may_grow else -math.inf

    def join(self, job: Job) -> None:
        """Wait."""
        self.waiting[job] = None
        self._count(1, job)

    def drop(self, job: Job) -> None:
        """Wait no longer; a job that does not wait is left alone."""
        if job in self.waiting:
            del self.waiting[job]
            self._count(-1, job)
            if job.alarm is not None:
                job.alarm.cancel()

    def expire(self, job: Job) -> None:
        """Refuse a job whose deadline has passed."""
        self.drop(job)
        job.refuse(late(job.trip))

    def take(self, batch_rows: int, now_s: float) -> list[Job]:
        """The jobs to score next: the first, and those behind it that fit into `batch_rows` together; none too late."""
        jobs: list[Job] = []
        rows = 0
        while self.waiting:
            job = next(iter(self.waiting))
            if job.trip.deadline_s <= now_s:  # its alarm is about to ring
                self.expire(job)
                continue
            rows += job.num_rows
            if jobs and rows > batch_rows:
                break
            self.drop(job)
            jobs.append(job)
        self.running.update(jobs)
        return jobs

    def finish(self, jobs: list[Job], seconds: float) -> None:
        """Forget jobs that were scored together in so many seconds."""
        self.running.difference_update(jobs)
        self._learnt_s = _MEMORY * self._learnt_s + seconds
        self._learnt_rows = _MEMORY * self._learnt_rows + sum(job.num_rows for job in jobs)

    def _count(self, sign: int, job: Job) -> None:
        self.num_rows += sign * job.num_rows
        self._counts.pending_rows += sign * job.num_rows
        self._counts.pending_requests += sign


def late(trip: Trip) -> RequestError:
    """What to tell a client whose deadline has passed."""
    patience_ms = 1000 * (trip.deadline_s - trip.started_s)
    return RequestError(f"request was not scored: its deadline of {patience_ms:g} ms passed", status=504)
