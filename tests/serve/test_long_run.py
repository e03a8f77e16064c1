"""A server that has been asked for an hour is as it was: memory, open files, latency."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from benchmarks.serving_load import Body, closed_loop, open_loop
from tests.promises import Reached, Times
from tests.serve.models import save_bundle
from tests.serve.processes import Process, served

LOAD = 0.7  # of what one connection can ask
WARM = 0.1  # of the time, which is not judged
TURN = 200  # requests to one server, before the other has its turn


class Sample(NamedTuple):
    """A server at one moment."""

    at_s: float
    memory_bytes: int
    num_files: int


@contextmanager
def watched(server: Process, every_s: float) -> Iterator[list[Sample]]:
    """Samples that are taken within the block."""
    samples: list[Sample] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(every_s):
            num_files = len(os.listdir(f"/proc/{server.process.pid}/fd"))  # noqa: PTH208  names only
            samples.append(Sample(time.monotonic(), server.memory_bytes, num_files))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield samples
    finally:
        is_over.set()
        watching.join()


def asked_in_turns(servers: Sequence[Process], num: int) -> np.ndarray:
    """Latencies in seconds, shape [servers, num * TURN], so that what else the machine does is the same for all."""
    bodies = [Body(servers[0].body)]
    turns = [[closed_loop(server.address, bodies, num=TURN).latencies_s for server in servers] for _ in range(num)]
    return np.concatenate(turns, axis=1)


@pytest.mark.promise("R-31", "long runs")
def test_a_long_run_leaves_memory_files_and_latency_where_they_were(
    tmp_path: Path, times: Times, reached: Reached
) -> None:
    seconds = times(5, 3600)
    bundle, options = save_bundle(tmp_path / "tiny"), ("--port", 0, "--deadline-ms", 600_000)
    with served(bundle, *options) as server:
        bodies = [Body(server.body)]
        most = closed_loop(server.address, bodies, num=times(200, 2000)).per_second
        with watched(server, seconds / 200) as samples:
            load = open_loop(server.address, bodies, rate=LOAD * most, num=round(LOAD * most * seconds), connections=4)
        with served(bundle, *options) as fresh:
            asked_in_turns([server, fresh], 1)
            old_and_new = asked_in_turns([server, fresh], times(1, 50))
        assert server.is_well()
    at_s, memory_bytes, num_files = np.array(samples[round(WARM * len(samples)) :]).T
    slope = np.polyfit(at_s - at_s[0], memory_bytes, 1)[0] * 3600  # bytes an hour
    half, middle = len(load.latencies_s) // 2, len(num_files) // 2
    p99_ms = [1e3 * np.quantile(part, 0.99) for part in (load.latencies_s[:half], load.latencies_s[half:])]
    (median, p99), (median_fresh, p99_fresh) = 1e3 * np.quantile(old_and_new, [0.5, 0.99], axis=1).T
    assert memory_bytes[-1] - memory_bytes[0] < times(20, 2) * 1e6
    assert num_files[middle:].max() <= num_files[:middle].max()
    reached(
        f"{len(load.latencies_s):,} requests in {seconds:,} s at {LOAD:.0%} of what one connection can ask: memory "
        f"{slope / 1e6:+.2f} MB an hour after the first {WARM:.0%}, at most {int(num_files.max())} open files, p99 "
        f"{p99_ms[0]:.1f} ms in the first half, {p99_ms[1]:.1f} ms in the second; then, in turns with a server just "
        f"started, median {median:.2f} ms to its {median_fresh:.2f}, p99 {p99:.2f} to {p99_fresh:.2f}"
    )
