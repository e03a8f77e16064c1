"""Versions of a model that change under a server with requests: good ones take over, bad ones do not."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from peprank.serve import wire
from tests.promises import Reached, Times
from tests.serve.models import load, save_bundle
from tests.serve.processes import Process, served
from tests.serve.test_bad_versions import KINDS

PATIENCE_S = 120.0
CALLERS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bundles, `even` and `odd`, and a repository with the second as version 1."""
    folder = tmp_path_factory.mktemp("swaps")
    for name, seed in (("even", 1), ("odd", 2)):
        save_bundle(folder / name, seed=seed)
    shutil.copytree(folder / "odd", folder / "models" / "ctr" / "1")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Process]:
    with served(folder / "models", "--port", 0, "--poll-s", 0, "--precision", "float32") as server:
        yield server


def put(folder: Path, source: str, number: int) -> Path:
    """Place a version beside and rename it, as a careful operator does."""
    shutil.copytree(folder / source, folder / "beside")
    return (folder / "beside").rename(folder / "models" / "ctr" / str(number))


def wait_until(is_so: Callable[[], bool], *, meanwhile: Callable[[], object] = lambda: None) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        meanwhile()
        time.sleep(0.05)


class Caller:
    """Asks again and again, and compares each answer with the one that its version gives."""

    def __init__(self, server: Process, expected: list[Any]) -> None:
        self.server, self.expected = server, expected
        self.versions: list[int] = []
        self.is_over = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        while not self.is_over.is_set():
            connection.request("POST", "/v2/models/ctr/infer", self.server.body)
            response = connection.getresponse()
            document = orjson.loads(response.read())
            assert response.status == 200, document
            number = int(document["model_version"])
            assert document["outputs"] == self.expected[number % 2]
            self.versions.append(number)
        connection.close()


def expected_outputs(bundle: Path, body: bytes) -> Any:
    """What the library answers to this."""
    model, asked = load(bundle, "ctr", "1"), wire.decode(body, None)
    answer, _ = wire.encode(asked, model.answer(asked, model.logits(model.rows.features(asked).features)))
    return orjson.loads(answer)["outputs"]


@pytest.mark.promise("R-28", "swaps")
def test_every_answer_is_exactly_that_of_the_version_it_names(
    folder: Path, server: Process, times: Times, reached: Reached
) -> None:
    swaps, requests = times(6, 100), times(120, 100_000)
    expected = [expected_outputs(folder / name, server.body) for name in ("even", "odd")]
    callers = [Caller(server, expected) for _ in range(CALLERS)]

    def answers() -> int:
        return sum(len(caller.versions) for caller in callers)

    with ThreadPoolExecutor(CALLERS) as threads:
        asking = [threads.submit(caller.run) for caller in callers]
        try:
            for number in range(2, 2 + swaps):
                put(folder, ("even", "odd")[number % 2], number)
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda number=number: any(number in caller.versions[-50:] for caller in callers))  # type: ignore[misc]
                shutil.rmtree(folder / "models" / "ctr" / str(number - 1))
                wait_until(lambda number=number: answers() >= requests * (number - 1) // swaps)  # type: ignore[misc]
        finally:
            for caller in callers:
                caller.is_over.set()
    for future in asking:
        future.result()
    assert all(caller.versions == sorted(caller.versions) for caller in callers)
    assert set().union(*(caller.versions for caller in callers)) >= set(range(2, 2 + swaps))
    maps = Path(f"/proc/{server.process.pid}/maps")
    if maps.exists():
        wait_until(lambda: set(re.findall(r"/ctr/(\d+)/", maps.read_text())) == {str(1 + swaps)})
    reached(f"{swaps} swaps, {answers():,} requests, 0 failed, each answer exactly its version's, 0 old files mapped")


@pytest.mark.promise("R-29", "kinds of bad versions under a server")
def test_a_bad_version_is_refused_counted_and_logged(
    folder: Path, server: Process, times: Times, reached: Reached
) -> None:
    (current,) = (int(path.name) for path in (folder / "models" / "ctr").iterdir())
    names = list(KINDS)[:: -(-len(KINDS) // times(4, len(KINDS)))]

    def refused() -> int:
        found = re.search(r'peprank_loads_refused_total\{model="ctr"\} (\S+)', httpx.get(f"{server.url}/metrics").text)
        return int(float(found[1])) if found else 0

    for number, name in enumerate(names, current + 1):
        shutil.copytree(folder / "odd", folder / "models" / "ctr" / str(number))
        KINDS[name][0](folder / "models" / "ctr" / str(number))
        count = number - current
        wait_until(lambda count=count: refused() == count, meanwhile=lambda: server.process.send_signal(signal.SIGHUP))  # type: ignore[misc]
        assert sum("ERROR" in line and f"version {number} is refused" in line for line in server.said) == 1
        answer = httpx.post(server.address, content=server.body, timeout=PATIENCE_S)
        assert (answer.status_code, answer.json()["model_version"]) == (200, str(current))
    reached(f"{len(names)} kinds of bad versions refused over HTTP, the old one answered")
