"""Time things in turn, and children with their memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

_LAUNCH = Path(__file__).with_name("launch.py")


def in_turn(calls: Mapping[str, Callable[[], object]], rounds: int = 3) -> dict[str, list[float]]:
    """Seconds of each call in each round, after a round that is not counted.

    The calls of a round follow one another, A B C A B C, so that what slows the machine down for a while slows all of
    them; compare pair by pair, with `ratios`.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratios(upper: Sequence[float], lower: Sequence[float]) -> list[float]:
    """upper / lower, round by round."""
    return [a / b for a, b in zip(upper, lower, strict=True)]


def rates(amount: float, seconds: Sequence[float]) -> list[float]:
    """Amount per second, round by round."""
    return [amount / s for s in seconds]


@contextmanager
def timed_method(owner: type, method: str) -> Iterator[list[float]]:
    """Seconds of each call of a method, of any object of the class, within the block."""
    original, seconds = getattr(owner, method), list[float]()

    @wraps(original)
    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            seconds.append(time.perf_counter() - start)

    setattr(owner, method, timed)
    try:
        yield seconds
    finally:
        setattr(owner, method, original)


class Line(NamedTuple):
    """What a child wrote on its error stream, and when."""

    seconds: float  # since the child's start
    text: str


class ProcessRun(NamedTuple):
    """A child that ran to its end."""

    seconds: float  # wall time, from its start to its end
    peak_bytes: int  # largest resident memory at any time, of it or of a child that it waited for
    stdout: str
    lines: tuple[Line, ...]  # of its error stream


def measured_process(
    argv: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> ProcessRun:
    """Run a child to its end.

    Args:
        argv: the program and its arguments; `sys.executable` for Python.
        cwd: folder to run in; None: this process's.
        environment: variables to set on top of this process's.

    Raises:
        RuntimeError: it did not end well; the message holds the end of its error stream.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        output = Path(folder) / "stdout"
        with (
            output.open("w", encoding="utf-8") as stdout,
            subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LAUNCH), str(report), *argv],
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
            ) as child,
        ):
            assert child.stderr is not None
            stamped = [(time.monotonic(), line.rstrip("\n")) for line in child.stderr]
        if child.returncode != 0:
            raise RuntimeError(
                f"{' '.join(argv)}: exit code {child.returncode}\n" + "\n".join(t for _, t in stamped[-30:])
            )
        usage = json.loads(report.read_text("utf-8"))
        lines = tuple(Line(at - usage["started"], text) for at, text in stamped)
        return ProcessRun(usage["ended"] - usage["started"], usage["peak_bytes"], output.read_text("utf-8"), lines)
