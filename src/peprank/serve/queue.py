"""Score encoded requests in worker threads: bounded, with deadlines, several requests at a time where allowed."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from peprank.batch import Features, concatenate
from peprank.errors import RequestError
from peprank.serve.lane import Job, Lane, Model, late
from peprank.serve.metrics import Metrics
from peprank.serve.trip import Trip

_MARGIN = 1.1  # a guess of how long work takes is too low as often as too high, and to be late is worse than to refuse
_NOTHING = np.empty((0, 0), np.float32)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """How much may wait, and how it is scored."""

    max_rows: int = 16384  # that wait for one version of a model; more are refused
    max_requests: int = 512  # likewise
    batch_rows: int = 0  # requests of one version are joined up to so many rows; 0: each is scored by itself
    max_delay_s: float = 0.0  # how long a request waits for others to join it
    workers: int = 1  # requests, or batches of them, that are scored at the same time
    threads: int | None = None  # of torch, for each worker; None: as torch has it


@dataclass(frozen=True, slots=True)
class _Scored:
    """What came of scoring some jobs."""

    began_s: float
    model_s: float
    logits: NDArray[np.float32]  # [B, K]; no rows after an error
    error: BaseException | None = None


class ModelQueue:
    """Encoded requests in, logits out. All methods belong to the thread of the event loop.

    Each model has its turn, so one that is asked too much does not hold up another, and a bound of its own.
    """

    def __init__(self, settings: QueueSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = metrics.clock
        self._lanes: OrderedDict[int, Lane] = OrderedDict()  # by id of the model; only models that have jobs
        self._free_workers = settings.workers
        prepare = None if settings.threads is None else partial(torch.set_num_threads, settings.threads)
        self._executor = ThreadPoolExecutor(settings.workers, "peprank-score", prepare)
        self._is_open = True
        self._done = asyncio.Event()  # nothing waits, nothing is being scored
        self._done.set()
        self._wake_up: asyncio.TimerHandle | None = None

    async def logits(self, model: Model, features: Features, trip: Trip) -> NDArray[np.float32]:
        """Score a request's rows; a caller that is cancelled leaves the queue.

        Args:
            model: stays usable until this returns.
            trip: of the request; its deadline holds until scoring begins.

        Shapes: Features of B rows -> float32 [B, K], columns as `ModelSpec.logit_slices`

        Raises:
            RequestError: 413: more rows than may ever wait; 429: the queue is full, or too long for the deadline;
                503: the server is being stopped; 504: the deadline passed; 500: the model failed.
        """
        loop = asyncio.get_running_loop()
        lane = self._lane(model)
        self._admit(lane, features.num_rows, trip)
        job = Job(features, trip, self._clock(), loop.create_future())
        self._lanes[id(model)] = lane
        self._done.clear()
        if trip.deadline_s < math.inf:
            job.alarm = loop.call_later(trip.deadline_s - job.joined_s, lane.expire, job)
        lane.join(job)
        self._advance()
        try:
            return await job.logits
        finally:
            lane.drop(job)  # if the caller was cancelled while it waited
            self._tidy(lane)

    def check(self, model: Model, trip: Trip) -> None:
        """Refuse a request that is not decoded yet if it would be refused afterwards: that costs next to nothing.

        Raises:
            RequestError: as `logits` raises it, for as many rows as those that wait have on average.
        """
        lane = self._lane(model)
        self._admit(lane, lane.num_rows // max(1, len(lane.waiting)), trip)

    async def drain(self, grace_s: float | None = None) -> bool:
        """Take no more, and finish what is here; True if that took no longer than `grace_s`. The rest is refused."""
        self._is_open = False
        self._advance()
        try:
            await asyncio.wait_for(self._done.wait(), grace_s)
        except asyncio.TimeoutError:
            for lane in self._lanes.values():
                for job in (*lane.waiting, *lane.running):
                    lane.drop(job)
                    job.refuse(_stopping())
        self._executor.shutdown(wait=False)
        return self._done.is_set()

    def _lane(self, model: Model) -> Lane:
        return self._lanes.get(id(model)) or Lane(model, self._metrics.of(model.name, model.version))

    def _admit(self, lane: Lane, num_rows: int, trip: Trip) -> None:
        """Say at once why a request may not join a lane, so that none waits for what will come too late."""
        if not self._is_open:
            raise _stopping()
        most = self._settings.max_rows
        if num_rows > most:
            raise RequestError(f"request has {num_rows} rows: this server takes at most {most}; split it", status=413)
        if trip.deadline_s <= self._clock():
            raise late(trip)
        is_full = lane.num_rows + num_rows > most or len(lane.waiting) >= self._settings.max_requests
        wait_s = _MARGIN * sum(each.work_s() for each in self._lanes.values()) / self._settings.workers
        if is_full or self._clock() + wait_s > trip.deadline_s:  # its own rows do not count: by then it must begin
            message = f"too many requests for model '{lane.model.name}' wait; try again later"
            raise RequestError(message, status=429, retry_after_s=max(1, math.ceil(wait_s)))

    def _advance(self) -> None:
        """Give work to free workers, from each model in turn."""
        while self._free_workers and (lane := self._due_lane()) is not None:
            self._lanes.move_to_end(id(lane.model))
            if jobs := lane.take(self._settings.batch_rows, self._clock()):
                self._start(lane, jobs)

    def _due_lane(self) -> Lane | None:
        """The next lane whose batch need not wait for more; if there is none, look again when one is."""
        delay_s = self._settings.max_delay_s if self._is_open else 0.0
        now_s, due_s = self._clock(), math.inf
        for lane in self._lanes.values():
            lane_due_s = lane.due_s(self._settings.batch_rows, delay_s)
            if lane_due_s <= now_s:
                return lane
            due_s = min(due_s, lane_due_s)
        if self._wake_up is not None:
            self._wake_up.cancel()
        if due_s < math.inf:
            self._wake_up = asyncio.get_running_loop().call_later(due_s - now_s, self._advance)
        return None

    def _start(self, lane: Lane, jobs: list[Job]) -> None:
        self._free_workers -= 1
        finish = partial(self._finish, lane, jobs, self._clock())
        parts = [job.features for job in jobs]
        loop = asyncio.get_running_loop()
        loop.run_in_executor(self._executor, _score, lane.model, parts, self._clock).add_done_callback(finish)

    def _finish(self, lane: Lane, jobs: list[Job], taken_s: float, done: asyncio.Future[_Scored]) -> None:
        self._free_workers += 1
        scored = done.result()
        lane.finish(jobs, self._clock() - taken_s)  # on a busy machine more than the model's own time
        self._metrics.executed(lane.model.name, lane.model.version, sum(job.num_rows for job in jobs), scored.model_s)
        if scored.error is not None:
            _log.error("model '%s', version '%s' failed", lane.model.name, lane.model.version, exc_info=scored.error)
        _hand_out(jobs, scored)
        self._advance()
        self._tidy(lane)

    def _tidy(self, lane: Lane) -> None:
        """Forget a lane without jobs."""
        if lane.is_empty and self._lanes.get(id(lane.model)) is lane:
            del self._lanes[id(lane.model)]
        if not self._lanes:
            self._done.set()


def _score(model: Model, parts: Sequence[Features], clock: Callable[[], float]) -> _Scored:
    """Score several requests together, in a worker thread."""
    began_s = clock()
    try:
        features = concatenate(parts)
        logits = model.logits(features)
        if len(logits) != features.num_rows:
            raise ValueError(f"{features.num_rows} rows have {len(logits)} rows of logits")
    except BaseException as error:  # whatever it is, it belongs to those who wait, and the worker goes on
        return _Scored(began_s, clock() - began_s, _NOTHING, error)
    return _Scored(began_s, clock() - began_s, logits)


def _hand_out(jobs: Sequence[Job], scored: _Scored) -> None:
    """Give each job its rows, or all of them the error."""
    start = 0
    for job in jobs:
        job.trip.stage_s |= {"queue": scored.began_s - job.joined_s, "model": scored.model_s}
        end = start + job.num_rows
        if scored.error is not None:
            job.refuse(RequestError("the model failed; the server's log says why", status=500))
        elif not job.logits.done():
            job.logits.set_result(scored.logits[start:end])
        start = end


def _stopping() -> RequestError:
    return RequestError("the server is being stopped; try again later", status=503, retry_after_s=1)
