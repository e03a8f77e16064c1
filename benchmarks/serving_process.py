"""`peprank serve` as a process of its own: how soon it is ready, what it says of its requests, what memory it holds."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.workload import ROOT

NAME = "model"  # of the model that it serves
_PATIENCE_S = 300
_LOOK_S = 0.01
_LOG_LINE = re.compile(rb"\{.*\}\n")  # among the other things that a server says on standard error


@dataclass(frozen=True, slots=True)
class Served:
    """A server that is ready."""

    url: str
    pid: int
    ready_s: float  # from the start of its process until it said that it is ready
    said_path: Path

    @property
    def infer_url(self) -> str:
        """Where its model is asked."""
        return f"{self.url}/v2/models/{NAME}/infer"

    def log(self, start: int, num: int) -> list[dict[str, Any]]:
        """Lines `start` to `start + num` of the access log: times of requests by stage; waits until they are there.

        Raises:
            RuntimeError: they do not come; the message holds what the server said.
        """
        until = time.perf_counter() + _PATIENCE_S
        while len(lines := self._log_lines()) < start + num:
            if time.perf_counter() > until:
                raise RuntimeError(f"{self.url}: the access log has {len(lines)} lines\n{self.said_path.read_text()}")
            time.sleep(_LOOK_S)
        return [json.loads(line) for line in lines[start : start + num]]

    def _log_lines(self) -> list[bytes]:
        return [line for line in self.said_path.read_bytes().splitlines(keepends=True) if _LOG_LINE.fullmatch(line)]

    def memory(self) -> Mapping[str, int]:
        """Bytes by kind, as Linux counts them: `Rss` all that is resident, `Pss` shared pages by parts, and others."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text("utf-8").splitlines()[1:]
        return {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}


@contextmanager
def served(bundle: Path, *, threads: int) -> Iterator[Served]:
    """Serve a bundle in float32 within the block.

    Raises:
        RuntimeError: the server ended before it was ready; the message holds what it said.
    """
    port = _free_port()
    options = (
        "--port",
        port,
        "--threads",
        threads,
        "--name",
        NAME,
        "--precision",
        "float32",
        "--poll-s",
        0,
        "--deadline-ms",  # late answers are measured, not refused
        600_000,
        "--max-queue-rows",
        1_000_000,
        "--access-log",
    )
    command = [sys.executable, "-m", "peprank", "serve", str(bundle), *map(str, options)]
    with tempfile.TemporaryDirectory() as folder:
        said_path = Path(folder) / "said"
        began = time.perf_counter()
        with (
            said_path.open("wb") as said,
            subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said) as process,
        ):
            try:
                url = f"http://127.0.0.1:{port}"
                while not _is_ready(url):
                    if process.poll() is not None or time.perf_counter() - began > _PATIENCE_S:
                        raise RuntimeError(f"{' '.join(command)}: is not ready\n{said_path.read_text()[-3000:]}")
                    time.sleep(_LOOK_S)
                yield Served(url, process.pid, time.perf_counter() - began, said_path)
            finally:
                process.terminate()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # not listening yet, or 503
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
