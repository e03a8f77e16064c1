"""`peprank serve` as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

SECRET = "only-the-environment-knows-this"


def command(*arguments: Any) -> list[str]:
    return [sys.executable, "-m", "peprank", "serve", *map(str, arguments)]


class Process:
    """A server that has said where it is, and a request that it answers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []  # on standard error; goes on growing
        is_ready = threading.Event()
        self._listening = threading.Thread(target=self._listen, args=[is_ready], daemon=True)
        self._listening.start()
        is_ready.wait()
        text = "\n".join(self.said)
        found = re.search(r"serving at (http://\S+), ctrl-C stops", text)
        assert found is not None, text
        self.url, self.curl = found[1], next(line for line in self.said if line.startswith("  curl")).strip()
        self.port = int(self.url.rpartition(":")[2])
        self.address = self.curl.split()[2]  # where the body below is scored
        self.body = self.curl.partition(" -d ")[2].strip("'").encode()

    @property
    def memory_bytes(self) -> int:
        """What it has in memory now."""
        return self._memory("VmRSS")

    @property
    def most_memory_bytes(self) -> int:
        """The most that it has had in memory at once."""
        return self._memory("VmHWM")

    def is_well(self) -> bool:
        """Whether it runs and scores a row."""
        answer = httpx.post(self.address, content=self.body, timeout=120)
        return self.process.poll() is None and answer.status_code == 200

    def end(self, number: signal.Signals) -> int:
        """Exit code; `said` is complete then."""
        self.process.send_signal(number)
        code = self.process.wait(120)
        self._listening.join(60)
        return code

    def _listen(self, is_ready: threading.Event) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.said.append(line.rstrip("\n"))
                if line.startswith("  curl"):
                    is_ready.set()
        is_ready.set()

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


@contextmanager
def served(*arguments: Any) -> Iterator[Process]:
    """Serve within the block."""
    environment = os.environ | {"PEPRANK_TEST_SECRET": SECRET}
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        server = Process(process)
        try:
            yield server
        finally:
            server.end(signal.SIGKILL)
