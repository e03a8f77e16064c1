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
    """

    def __init__(self, path: Path, keep_bytes: int) -> None:
        self._path = path
        with _writing(path):
            path.touch()
            self.is_shortened = path.stat().st_size < keep_bytes
            if not self.is_shortened:
                os.truncate(path, keep_bytes)
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line.

        Raises:
            TrainingError: it cannot be written, say because the disk is full.
        """
        self.lines.append(dict(line))
        with _writing(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def sync(self) -> int:
        """Make all lines durable; return the length in bytes."""
        with _writing(self._path), self._path.open("rb") as stream:
            os.fsync(stream.fileno())
        return self._path.stat().st_size


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path}: cannot be written ({error.strerror}); make room, then run again: "
            "it goes on from the last checkpoint"
        ) from error
