"""A client that asks a server as clients do: over HTTP, on connections that stay open."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body.

    Args:
        content: what is sent.
        json_length: of its JSON part, where binary tensors follow; None: it is JSON as a whole.
    """

    content: bytes
    json_length: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with it."""
        if self.json_length is None:
            return {"Content-Type": "application/json"}
        return {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(self.json_length)}


@dataclass(frozen=True, slots=True)
class Load:
    """What a client saw.

    Args:
        latencies_s: of each request, in the order of sending.
        seconds: from the first request to the last answer.
    """

    latencies_s: Sequence[float]
    seconds: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.seconds

    def quantile_ms(self, share: float) -> float | None:
        """A quantile of the latencies; None where fewer than one request is expected beyond it."""
        if len(self.latencies_s) * (1 - share) < 1 - 1e-9:
            return None
        return float(np.quantile(self.latencies_s, share)) * 1e3


def open_loop(url: str, bodies: Sequence[Body], *, rate: float, num: int, connections: int = 16) -> Load:
    """Send requests at fixed moments, whatever became of the ones before.

    A latency counts from the moment at which the request was to be sent, so that a slow answer also counts for those
    that had to wait for a free connection.

    Args:
        url: of the model's `infer`.
        bodies: sent in turn.
        rate: requests a second.
        num: requests in all.
        connections: that are open at once, each with a thread.

    Raises:
        RuntimeError: an answer is not 200.
    """
    return _load(url, bodies, num, connections, lambda k: k / rate)


def closed_loop(url: str, bodies: Sequence[Body], *, num: int, connections: int = 1) -> Load:
    """Send on each connection one request after the other; arguments as of `open_loop`."""
    return _load(url, bodies, num, connections, None)


def _load(
    url: str, bodies: Sequence[Body], num: int, connections: int, moment_s: Callable[[int], float] | None
) -> Load:
    place, numbers = urlsplit(url), itertools.count()
    latencies, failures = [0.0] * num, list[str]()
    began = time.perf_counter()

    def work() -> None:
        connection = HTTPConnection(place.netloc, timeout=120)
        try:
            while not failures and (k := next(numbers)) < num:
                sent = time.perf_counter() if moment_s is None else began + moment_s(k)
                _sleep_until(sent)
                _ask(connection, place.path, bodies[k % len(bodies)])
                latencies[k] = time.perf_counter() - sent
        except (OSError, RuntimeError) as error:
            failures.append(f"{url}: {error}")
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(min(connections, num))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])
    return Load(latencies, time.perf_counter() - began)


def _sleep_until(moment: float) -> None:
    if (seconds := moment - time.perf_counter()) > 0:
        time.sleep(seconds)


def _ask(connection: HTTPConnection, path: str, body: Body) -> None:
    connection.request("POST", path, body.content, body.headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"status {answer.status}: {content[:300].decode(errors='replace')}")
