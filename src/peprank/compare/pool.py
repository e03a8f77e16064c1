"""Runs in worker processes: what one of them breaks stays in it."""

from __future__ import annotations

import os
import queue
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from multiprocessing.queues import Queue
from typing import Protocol

import torch

from peprank.compare.runs import Outcome, Run, execute
from peprank.errors import PeprankError

_POLL_S = 0.5
_CHANCES = 2  # times that a run may be under way while a process dies


class Watcher(Protocol):
    """Told how a comparison gets on, from the calling thread."""

    def planned(self, runs: Sequence[Run], done: Mapping[Run, Outcome]) -> None:
        """These are all runs; some were done before."""

    def advanced(self, run: Run, share: float) -> None:
        """This share of a run is done."""

    def ended(self, run: Run, outcome: Outcome) -> None:
        """A run is done, or has failed."""

    def judged(self, num_done: int, num_scores: int) -> None:
        """No run is left; of so many models and seeds, the scores of the first are judged. Begins with none."""


def run_all(
    runs: Sequence[Run], watcher: Watcher, *, jobs: int, prepare: Callable[[], None] | None = None
) -> dict[Run, Outcome]:
    """Carry out runs, `jobs` at a time; a failure ends its run only.

    Args:
        prepare: called once in each process before its first run.
    """
    outcomes: dict[Run, Outcome] = {}
    deaths = Counter[Run]()
    while left := [run for run in runs if run not in outcomes]:
        for run, outcome in _until_broken(left, watcher, jobs, prepare):
            if outcome is None:
                deaths[run] += 1
                if deaths[run] < _CHANCES:
                    continue
                outcome = Outcome(failure="its process was killed; is the memory large enough?")
            outcomes[run] = outcome
            watcher.ended(run, outcome)
    return outcomes


def _until_broken(
    runs: Sequence[Run], watcher: Watcher, jobs: int, prepare: Callable[[], None] | None
) -> Iterator[tuple[Run, Outcome | None]]:
    """Outcomes as they come; None for the runs under way when a process died, which ends it."""
    context = get_context("spawn")
    shares: Queue[tuple[int, float]] = context.Queue()
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, context, _begin, (shares, threads, prepare)) as pool:
        waiting, under_way = iter(enumerate(runs)), dict[Future[Outcome], Run]()
        try:
            while True:
                for k, run in islice(waiting, jobs - len(under_way)):
                    under_way[pool.submit(_guarded, k, run)] = run
                if not under_way:
                    return
                done, _ = wait(under_way, _POLL_S, FIRST_COMPLETED)
                _pass_on(shares, runs, watcher)
                for future in done:
                    yield under_way[future], future.result()
                    del under_way[future]
        except BrokenProcessPool:
            yield from ((run, None) for run in under_way.values())


def _pass_on(shares: Queue[tuple[int, float]], runs: Sequence[Run], watcher: Watcher) -> None:
    while True:
        try:
            k, share = shares.get_nowait()
        except queue.Empty:
            return
        watcher.advanced(runs[k], share)


_SHARES: list[Queue[tuple[int, float]]] = []  # of this process: what `_begin` was given


def _begin(shares: Queue[tuple[int, float]], threads: int, prepare: Callable[[], None] | None) -> None:
    _SHARES.append(shares)
    torch.set_num_threads(threads)
    if prepare is not None:
        prepare()


def _guarded(k: int, run: Run) -> Outcome:
    """A run in its process; whatever it raises becomes a failure, but for ctrl-C."""
    try:
        return execute(run, on_share=lambda share: _SHARES[0].put((k, share)))
    except PeprankError as error:
        return Outcome(failure=str(error))
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(failure=f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})")
