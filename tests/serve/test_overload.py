"""More requests than a server can score: it scores what it can, and refuses the rest at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from peprank.batch import Features
from peprank.infer import Engine
from peprank.serve.app import create_app
from peprank.serve.example import example_request
from peprank.serve.metrics import Metrics
from peprank.serve.model import ServedModel
from peprank.serve.queue import ModelQueue, QueueSettings
from peprank.serve.repository import Repository
from peprank.serve.settings import Settings
from tests.promises import Reached, Times
from tests.serve.models import load_made_up, put
from tests.serve.running import running
from tests.serve.talk import answers, say

SCORING_S = 0.02  # of each request, during which the processor is free, so that a loaded machine can keep up
CAPACITY = 1 / SCORING_S  # requests per second


class Slow(Engine):
    """Takes its time."""

    def logits(self, features: Features) -> NDArray[np.float32]:
        time.sleep(SCORING_S)
        return super().logits(features)


def load_slow(path: Path, name: str, version: str) -> ServedModel:
    model = load_made_up(path, name, version)
    return replace(model, engine=Slow(model.scorer.ranker, model.engine.precision))


@dataclass(frozen=True)
class Target:
    """Where to ask, and what."""

    port: int
    request: bytes

    async def ask(self) -> tuple[int, float]:
        """Status, and seconds until the answer was there."""
        began = time.monotonic()
        (answer,) = answers(await say(self.port, [self.request]))
        return answer.status, time.monotonic() - began


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    root = tmp_path_factory.mktemp("overload")
    put(root / "slow" / "1")
    repository, metrics = Repository(root, load_slow), Metrics()
    repository.start()
    with repository.get("slow") as model:
        body = orjson.dumps(example_request(model))
    head = b"POST /v2/models/slow/infer HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    app = create_app(repository, ModelQueue(QueueSettings(), metrics), metrics, Settings(path=root, deadline_ms=500))
    with running(app) as port:
        yield Target(port, head % len(body) + body)


async def as_fast_as_answered(target: Target, seconds: float) -> float:
    """Answers per second that a few patient clients get."""
    end = time.monotonic() + seconds

    async def client() -> int:
        count = 0
        while time.monotonic() < end:
            status, _ = await target.ask()
            count += status == 200
        return count

    began = time.monotonic()
    return sum(await asyncio.gather(*(client() for _ in range(4)))) / (time.monotonic() - began)


async def at_a_rate(target: Target, per_second: float, seconds: float) -> list[tuple[int, float]]:
    """What comes of requests that are sent whether the server keeps up or not."""
    began, asking = time.monotonic(), []
    for number in range(round(per_second * seconds)):
        await asyncio.sleep(began + number / per_second - time.monotonic())
        asking.append(asyncio.create_task(target.ask()))
    return await asyncio.gather(*asking)


@pytest.mark.promise("R-27", "overloads")
def test_under_five_times_its_load_the_server_scores_what_it_can(
    target: Target, times: Times, reached: Reached
) -> None:
    seconds = times(3, 60)
    peak = asyncio.run(as_fast_as_answered(target, seconds))
    answered = asyncio.run(at_a_rate(target, 5 * CAPACITY, seconds))
    goodput = sum(status == 200 for status, _ in answered) / seconds
    late = sum(status == 504 for status, _ in answered)  # taken on, and not scored in time
    refused = [latency for status, latency in answered if status in (429, 503)]
    assert {status for status, _ in answered} <= {200, 429, 503, 504}
    assert late <= times(50, 1) / 100 * len(answered)
    assert goodput > times(40, 80) / 100 * peak
    assert np.median(refused) < times(60, 1)  # a loaded machine is late with asking, too
    p99 = np.quantile(refused, 0.99)
    reached(
        f"{goodput:.0f} answers/s of {peak:.0f} at peak ({goodput / peak:.0%}), {len(refused):,} of {len(answered):,} "
        f"refused, p99 of a refusal {1000 * p99:.0f} ms, {late:,} taken on and late"
    )
