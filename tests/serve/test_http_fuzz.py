"""No request crashes or hangs the server, and what is wrong is answered with a sentence that tells nothing of it."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from peprank.serve.openapi import document
from tests.promises import Reached, Times
from tests.serve.models import save_bundle
from tests.serve.processes import Process, served
from tests.serve.talk import Answer, answers, check, say
from tests.serve.test_wire_fuzz import JSON, places, replaced
from tests.serve.wild import Wild

HANG_S = 60.0  # of a loaded machine; what it was is told
GROWTH_BYTES = 20_000_000
TIMEOUT_S = 1.0
AT_ONCE = 16
BATCH = 20  # requests in an example of hypothesis

pytestmark = [pytest.mark.promise("R-24", "requests"), pytest.mark.promise("R-35", "answers")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    bundle = save_bundle(tmp_path_factory.mktemp("fuzz") / "tiny")
    limits = ("--max-body", "1MiB", "--header-timeout-s", TIMEOUT_S, "--body-timeout-s", TIMEOUT_S)
    with served(bundle, "--port", 0, "--deadline-ms", 60_000, *limits) as process:
        client = Client(process.port)
        for _ in range(1000):  # memory is that of a server in use
            assert client.post(process.body, {}).status == 200
        client.connection.close()
        yield process


@contextmanager
def unharmed(server: Process) -> Iterator[None]:
    """Afterwards the server is as well as before, and no larger."""
    before = server.memory_bytes
    yield
    assert server.is_well()
    assert server.memory_bytes - before < GROWTH_BYTES
    assert "Traceback" not in "\n".join(server.said)


class Client:
    """One connection, opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_S)
        self.num_requests = 0
        self.slowest_s = 0.0

    def post(self, body: bytes, headers: dict[str, str]) -> Answer:
        began = time.monotonic()
        self.connection.request("POST", "/v2/models/tiny/infer", body, headers)
        response = self.connection.getresponse()
        answer = Answer(response.status, response.read())
        self.num_requests += 1
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        return answer


def bodies(good: dict[str, Any]) -> st.SearchStrategy[tuple[bytes, dict[str, str]]]:
    """A body and its headers: any bytes, any JSON, a good request, or one with anything in any of its places."""
    anything = st.binary() | JSON.map(orjson.dumps)
    somewhere = st.tuples(st.sampled_from(places(good)), JSON)
    changed = somewhere.map(lambda change: orjson.dumps(replaced(good, *change)))
    length = st.integers(-1, 1000).map(lambda n: {"Inference-Header-Content-Length": str(n)})
    body = changed | changed | anything | st.just(orjson.dumps(good))
    return st.tuples(body, st.just({}) | st.just({}) | length)


def test_bodies_that_hypothesis_makes(server: Process, times: Times, reached: Reached) -> None:
    client, statuses = Client(server.port), set[int]()

    @settings(max_examples=times(15, 1000), phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.lists(bodies(orjson.loads(server.body)), min_size=BATCH, max_size=BATCH))
    def are_answered(requests: list[tuple[bytes, dict[str, str]]]) -> None:
        for body, headers in requests:
            answer = client.post(body, headers)
            check(answer)
            statuses.add(answer.status)

    with unharmed(server):
        are_answered()
    client.connection.close()
    assert statuses >= {200, 400}
    assert client.num_requests >= times(200, 15_000)
    reached(f"{client.num_requests:,} bodies of hypothesis, slowest answer {client.slowest_s:.1f} s")


def test_bytes_that_no_client_would_send(server: Process, times: Times, reached: Reached) -> None:
    count = times(300, 80_000)
    wild, slowest_s, statuses = Wild(server.body, seed=24), 0.0, set[int]()

    async def ask() -> None:
        nonlocal count, slowest_s
        while count > 0:
            count -= 1
            raw, began = wild.next(), time.monotonic()
            heard = answers(await asyncio.wait_for(say(server.port, [raw], quiet_s=2 * TIMEOUT_S), HANG_S))
            slowest_s = max(slowest_s, time.monotonic() - began)
            for answer in heard:
                check(answer)
                statuses.add(answer.status)

    async def ask_at_once() -> None:
        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))

    with unharmed(server):
        asyncio.run(ask_at_once())
    assert statuses >= {200, 400, 404, 405, 415}
    reached(f"{times(300, 80_000):,} connections with malformed HTTP, slowest {slowest_s:.1f} s")


def test_calls_that_schemathesis_makes_of_the_description(server: Process, times: Times, reached: Reached) -> None:
    schema = schemathesis.openapi.from_dict(document("1"))
    names = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
    checks: Any = CHECKS.get_by_names(names)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    named = [operation for operation in operations if "{" in operation.path]  # with the others nothing can be wrong
    assert len(operations) == sum(map(len, document("1")["paths"].values()))
    right = [operation.as_strategy() for operation in operations]
    wrong = [operation.as_strategy(generation_mode=GenerationMode("negative")) for operation in named]
    called = set[str]()
    num_calls = 0

    @settings(max_examples=times(30, 5000), phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.one_of(right) | st.one_of(wrong))
    def conforms(case: Case[Any]) -> None:
        nonlocal num_calls
        case.call_and_validate(base_url=server.url, checks=checks, timeout=HANG_S)
        called.add(case.operation.label)
        num_calls += 1

    with unharmed(server):
        conforms()
    assert len(called) >= times(5, len(operations))
    reached(f"{num_calls:,} calls of schemathesis")
