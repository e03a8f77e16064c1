"""metrics.jsonl: losses and evaluations, one JSON object per line.

There is no clock in it: equal runs write equal bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peprank.errors import TrainingError


class MetricsLog:
    """The lines of a run, on disk and in memory.

    Args:
        path: of metrics.jsonl.
        keep_bytes: length of the part to go on from; what a stopped run wrote after its last checkpoint is cut off,
            since it will be written again.

    Raises:
        TrainingError: it cannot be written, or a line is damaged.
    """

    def __init__(self, path: Path, keep_bytes: int) -> None:
        self._path = path
        with writing(path):
            path.touch()
            self.is_shortened = path.stat().st_size < keep_bytes
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1 if self.is_shortened else keep_bytes)
        self.lines: list[dict[str, Any]] = [*_parsed(path)]

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line.

        Raises:
            TrainingError: it cannot be written, say because the disk is full.
        """
        self.lines.append(dict(line))
        with writing(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def sync(self) -> int:
        """Make all lines durable; return the length in bytes."""
        with writing(self._path), self._path.open("rb") as stream:
            os.fsync(stream.fileno())
        return self._path.stat().st_size


def _parsed(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise TrainingError(
                f"{path}, line {number}: is damaged ({error}); move the file away and run again, nothing else needs it"
            ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong while the block writes `path` into a TrainingError that says how to go on."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path}: cannot be written ({error.strerror}); make room, then run again: "
            "it goes on from the last checkpoint"
        ) from error
