"""The queue: what it refuses, what it joins, who gets which error; with models that a test can hold."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from peprank.batch import Features
from peprank.errors import RequestError
from peprank.serve.metrics import Metrics
from peprank.serve.queue import ModelQueue, QueueSettings


def rows(*values: float) -> Features:
    """Rows whose logits are these values."""
    numbers = torch.tensor(values).reshape(-1, 1)
    return Features(len(values), {}, {"x": numbers}, torch.zeros(len(values), dtype=torch.int64))


class Fake:
    """A model that gives back its numbers, once its gate is open."""

    def __init__(self, name: str = "fake", version: str = "1") -> None:
        self.name, self.version = name, version
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Semaphore(0)
        self.calls: list[list[float]] = []

    def logits(self, features: Features) -> NDArray[np.float32]:
        values: NDArray[np.float32] = features.numbers["x"].numpy()
        self.calls.append(values[:, 0].tolist())
        self.started.release()
        assert self.gate.wait(30)
        if (values < 0).any():
            raise ValueError("negative")
        return values

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within the block no call ends."""
        self.gate.clear()
        try:
            yield
        finally:
            self.gate.set()


class Desk:
    """A queue and its metrics, and the requests that a test makes."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter, **settings: Any) -> None:
        self.metrics = Metrics(clock=clock)
        self.queue = ModelQueue(QueueSettings(**settings), self.metrics)

    async def ask(self, model: Fake, *values: float, patience_s: float | None = None) -> list[float]:
        with self.metrics.trip() as trip:
            trip.model, trip.version = model.name, model.version
            if patience_s is not None:
                trip.expire_after(patience_s)
            logits = await self.queue.logits(model, rows(*values), trip)
            return [float(value) for value in logits[:, 0]]

    def start(self, model: Fake, *values: float, patience_s: float | None = None) -> asyncio.Task[list[float]]:
        return asyncio.create_task(self.ask(model, *values, patience_s=patience_s))

    async def busy(self, model: Fake) -> asyncio.Task[list[float]]:
        """A request that is being scored."""
        task = self.start(model, 0.0)
        await asyncio.to_thread(model.started.acquire)
        return task

    def statuses(self, model: Fake) -> dict[int, int]:
        return dict(self.metrics.of(model.name, model.version).statuses)


async def all_of(*requests: Awaitable[list[float]]) -> list[list[float]]:
    return list(await asyncio.gather(*requests))


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


def status_of(outcome: object) -> int:
    assert isinstance(outcome, RequestError)
    return outcome.status


def test_a_request_gets_the_logits_of_its_rows() -> None:
    async def scenario() -> None:
        desk, model = Desk(), Fake()
        assert await desk.ask(model, 1.0, 2.0) == [1.0, 2.0]
        assert await desk.ask(model) == []
        assert await desk.queue.drain()

    run(scenario)


@pytest.mark.parametrize("bound", [{"max_rows": 4}, {"max_requests": 2}])
def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(bound: dict[str, Any]) -> None:
    async def scenario() -> None:
        desk, model = Desk(**bound), Fake()
        with model.held():
            first = await desk.busy(model)
            waiting = [desk.start(model, 1.0, 2.0), desk.start(model, 3.0, 4.0)]
            await settle()
            with pytest.raises(RequestError, match="too many requests for model 'fake' wait") as refused:
                await desk.ask(model, 5.0)
            assert refused.value.status == 429
            assert refused.value.retry_after_s == 1
            with pytest.raises(RequestError, match="too many requests"), desk.metrics.trip() as trip:
                desk.queue.check(model, trip)  # before anything is decoded
        desk.queue.check(Fake("other"), trip)
        assert await all_of(first, *waiting) == [[0.0], [1.0, 2.0], [3.0, 4.0]]
        assert desk.statuses(model) == {200: 3, 429: 1}
        assert await desk.queue.drain()

    run(scenario)


def test_a_request_that_can_never_fit_is_told_to_split() -> None:
    async def scenario() -> None:
        desk = Desk(max_rows=2)
        with pytest.raises(RequestError, match="3 rows: this server takes at most 2; split it") as refused:
            await desk.ask(Fake(), 1.0, 2.0, 3.0)
        assert refused.value.status == 413
        assert await desk.queue.drain()

    run(scenario)


def test_a_deadline_ends_the_wait_and_the_request_is_never_scored() -> None:
    async def scenario() -> None:
        desk, model = Desk(), Fake()
        with model.held():
            first = await desk.busy(model)
            with pytest.raises(RequestError, match="its deadline of 20 ms passed") as late:
                await desk.ask(model, 1.0, patience_s=0.02)  # while the model is still held
            assert late.value.status == 504
        assert await first == [0.0]
        assert await desk.ask(model, 2.0) == [2.0]
        assert model.calls == [[0.0], [2.0]]
        assert await desk.queue.drain()

    run(scenario)


def test_a_request_that_arrives_late_is_not_scored() -> None:
    async def scenario() -> None:
        desk, model = Desk(), Fake()
        with pytest.raises(RequestError, match="deadline"):
            await desk.ask(model, 1.0, patience_s=0.0)
        assert model.calls == []
        assert await desk.queue.drain()

    run(scenario)


def test_a_deadline_that_passed_while_the_loop_was_held_up_is_seen_all_the_same() -> None:
    now_s = 0.0

    async def scenario() -> None:
        nonlocal now_s
        desk, model = Desk(clock=lambda: now_s), Fake()
        with model.held():
            first = await desk.busy(model)
            tasks = [desk.start(model, 1.0, patience_s=60.0), desk.start(model, 2.0)]
            await settle()
            now_s = 61.0  # its alarm, on the loop's clock, has not rung
        assert await first == [0.0]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert (status_of(outcomes[0]), outcomes[1]) == (504, [2.0])
        assert model.calls == [[0.0], [2.0]]
        assert await desk.queue.drain()

    run(scenario)


def test_a_deadline_that_passes_while_the_model_runs_does_not_waste_its_work() -> None:
    async def scenario() -> None:
        desk, model = Desk(), Fake()
        with model.held():
            task = desk.start(model, 1.0, patience_s=0.05)
            await asyncio.to_thread(model.started.acquire)
            await asyncio.sleep(0.1)
        assert await task == [1.0]
        assert await desk.queue.drain()

    run(scenario)


def test_a_client_that_went_away_is_dropped_and_makes_room() -> None:
    async def scenario() -> None:
        desk, model = Desk(max_requests=1), Fake()
        with model.held():
            first = await desk.busy(model)
            gone = desk.start(model, 1.0)
            await settle()
            gone.cancel()
            await settle()
            after = desk.start(model, 2.0)
            await settle()
            first.cancel()  # while it is being scored: nobody reads the result
        assert await after == [2.0]
        assert model.calls == [[0.0], [2.0]]
        assert desk.statuses(model) == {499: 2, 200: 1}
        assert desk.metrics.of("fake", "1").pending_rows == 0
        assert await desk.queue.drain()

    run(scenario)


def test_an_error_reaches_exactly_the_requests_of_its_batch(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        desk, model = Desk(batch_rows=3), Fake()
        with model.held():
            first = await desk.busy(model)
            tasks = [desk.start(model, *values) for values in ([1.0], [-1.0, 2.0], [3.0], [4.0, 5.0])]
            await settle()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert await first == [0.0]
        assert model.calls == [[0.0], [1.0, -1.0, 2.0], [3.0, 4.0, 5.0]]
        assert [status_of(outcome) for outcome in outcomes[:2]] == [500, 500]
        assert str(outcomes[0]) == "the model failed; the server's log says why"
        assert outcomes[0] is not outcomes[1]
        assert outcomes[2:] == [[3.0], [4.0, 5.0]]
        assert await desk.queue.drain()

    with caplog.at_level(logging.ERROR):
        run(scenario)
    assert "model 'fake', version '1' failed" in caplog.text
    assert "ValueError: negative" in caplog.text


@pytest.mark.parametrize("error", [StopIteration(), SystemExit(3), MemoryError(), KeyboardInterrupt()])
def test_no_error_of_a_model_stops_the_queue(error: BaseException) -> None:
    class Broken(Fake):
        def logits(self, features: Features) -> NDArray[np.float32]:
            super().logits(features)
            raise error

    class Short(Fake):
        def logits(self, features: Features) -> NDArray[np.float32]:
            return super().logits(features)[1:]

    async def scenario() -> None:
        desk = Desk()
        for model in (Broken("broken"), Short("short")):
            with pytest.raises(RequestError, match="the model failed"):
                await desk.ask(model, 1.0, 2.0)
        assert await desk.ask(Fake(), 1.0) == [1.0]
        assert await desk.queue.drain()

    run(scenario)


def test_without_batching_each_request_is_scored_by_itself() -> None:
    async def scenario() -> None:
        desk, model = Desk(), Fake()
        with model.held():
            await desk.busy(model)
            tasks = [desk.start(model, float(k)) for k in range(1, 4)]
            await settle()
        await asyncio.gather(*tasks)
        assert model.calls == [[0.0], [1.0], [2.0], [3.0]]
        assert await desk.queue.drain()

    run(scenario)


def test_a_request_waits_for_others_and_goes_when_the_batch_is_full() -> None:
    async def scenario() -> None:
        desk, model = Desk(batch_rows=3, max_delay_s=30.0), Fake()
        tasks = [desk.start(model, 1.0), desk.start(model, 2.0)]
        await settle()
        assert model.calls == []
        tasks.append(desk.start(model, 3.0))
        assert await all_of(*tasks) == [[1.0], [2.0], [3.0]]
        assert model.calls == [[1.0, 2.0, 3.0]]
        assert await desk.queue.drain()

    run(scenario)


def test_a_request_waits_no_longer_than_the_delay() -> None:
    async def scenario() -> None:
        desk, model = Desk(batch_rows=100, max_delay_s=0.01), Fake()
        assert await all_of(desk.ask(model, 1.0), desk.ask(model, 2.0)) == [[1.0], [2.0]]
        assert model.calls == [[1.0, 2.0]]
        assert await desk.queue.drain()

    run(scenario)


def test_versions_are_never_joined_and_each_has_its_turn() -> None:
    async def scenario() -> None:
        desk, old, new = Desk(batch_rows=2), Fake(version="1"), Fake(version="2")
        order: list[str] = []
        with old.held():
            await desk.busy(old)
            tasks = [desk.start(old, float(k)) for k in range(6)] + [desk.start(new, 7.0)]
            for task in tasks:
                task.add_done_callback(lambda task: order.append(task.get_name()))
            tasks[-1].set_name("new")
            await settle()
        await asyncio.gather(*tasks)
        assert new.calls == [[7.0]]
        assert order.index("new") <= 2  # behind one batch of the other, not behind all three
        assert await desk.queue.drain()

    run(scenario)


def test_a_model_that_is_stuck_does_not_stop_another_when_there_are_two_workers() -> None:
    async def scenario() -> None:
        desk, stuck, other = Desk(workers=2, max_requests=1), Fake("stuck"), Fake("other")
        with stuck.held():
            tasks = [await desk.busy(stuck)]
            assert await desk.ask(other, 1.0) == [1.0]
        await asyncio.gather(*tasks)
        assert await desk.queue.drain()

    run(scenario)


def test_draining_finishes_what_is_in_and_takes_no_more() -> None:
    async def scenario() -> None:
        desk, model = Desk(batch_rows=8, max_delay_s=30.0), Fake()
        with model.held():
            tasks = [desk.start(model, float(k)) for k in range(3)]
            await settle()
            drained = asyncio.create_task(desk.queue.drain())
            await settle()
            with pytest.raises(RequestError, match="being stopped") as refused:
                await desk.ask(model, 5.0)
            assert refused.value.status == 503
            assert not drained.done()
        assert await drained
        assert await all_of(*tasks) == [[0.0], [1.0], [2.0]]

    run(scenario)


def test_draining_gives_up_after_its_grace() -> None:
    async def scenario() -> None:
        desk, model = Desk(), Fake()
        with model.held():
            tasks = [await desk.busy(model), desk.start(model, 1.0)]
            await settle()
            assert not await desk.queue.drain(0.01)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert [status_of(outcome) for outcome in outcomes] == [503, 503]

    run(scenario)


def test_a_queue_that_is_too_long_for_a_deadline_refuses_at_once() -> None:
    now_s = 0.0
    second_may_end = threading.Event()

    class Slow(Fake):
        """Takes a second for each row."""

        def logits(self, features: Features) -> NDArray[np.float32]:
            nonlocal now_s
            logits = super().logits(features)
            assert features.num_rows < 2 or second_may_end.wait(30)
            now_s += features.num_rows
            return logits

    async def scenario() -> None:
        desk, model = Desk(clock=lambda: now_s), Slow()
        with model.held():
            first = await desk.busy(model)
            second, third = desk.start(model, 1.0, 2.0), desk.start(model, 3.0)
            await settle()
        await first  # from here on the queue knows how long a row takes
        fourth = desk.start(model, 4.0, patience_s=100.0)
        await settle()
        with pytest.raises(RequestError, match="too many requests") as refused:  # 2 + 1 + 1 rows before it
            await desk.ask(model, 5.0, patience_s=4.3)
        assert (refused.value.status, refused.value.retry_after_s) == (429, 5)
        second_may_end.set()
        assert await all_of(second, third, fourth) == [[1.0, 2.0], [3.0], [4.0]]
        assert await desk.queue.drain()

    run(scenario)


def test_a_long_request_is_taken_by_an_idle_server_whatever_short_ones_taught_it() -> None:
    now_s = 0.0

    class Slow(Fake):
        """Takes a second for each request."""

        def logits(self, features: Features) -> NDArray[np.float32]:
            nonlocal now_s
            now_s += 1.0
            return super().logits(features)

    async def scenario() -> None:
        desk, model = Desk(clock=lambda: now_s), Slow()
        assert await desk.ask(model, 1.0) == [1.0]
        rows = [float(k) for k in range(1000)]
        assert await desk.ask(model, *rows, patience_s=5.0) == rows
        assert await desk.queue.drain()

    run(scenario)


@pytest.mark.parametrize("batch_rows", [0, 4])
def test_when_far_too_many_requests_come_no_work_is_done_in_vain(batch_rows: int) -> None:
    class Slow(Fake):
        def logits(self, features: Features) -> NDArray[np.float32]:
            time.sleep(0.001 * features.num_rows)
            return super().logits(features)

    async def scenario() -> None:
        desk, model = Desk(batch_rows=batch_rows, max_requests=64), Slow()
        tasks = []
        for k in range(300):
            tasks.append(desk.start(model, float(k), patience_s=0.03))
            if k % 20 == 0:
                await asyncio.sleep(0.001)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        answered = [value for outcome in outcomes if isinstance(outcome, list) for value in outcome]
        assert desk.statuses(model).keys() <= {200, 429, 504}
        assert sorted(answered) == sorted(value for call in model.calls for value in call)
        assert 0 < len(answered) < 300
        assert await desk.ask(model, 1.0, patience_s=30.0) == [1.0]
        assert await desk.queue.drain()

    run(scenario)


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(0, 9), st.integers(1, 3))
def test_whatever_is_joined_everyone_gets_his_own_rows(sizes: list[int], batch_rows: int, workers: int) -> None:
    async def scenario() -> None:
        desk, model = Desk(batch_rows=batch_rows, workers=workers), Fake()
        wanted = [[100.0 * k + j for j in range(size)] for k, size in enumerate(sizes)]
        assert await all_of(*(desk.ask(model, *values) for values in wanted)) == wanted
        assert all(len(call) <= max(batch_rows, max(sizes)) for call in model.calls)
        counts = desk.metrics.of("fake", "1")
        assert counts.batch_rows.sum == sum(sizes)
        assert counts.batch_rows.count == len(model.calls)
        assert counts.pending_requests == counts.pending_rows == 0
        assert await desk.queue.drain()

    run(scenario)
