"""The access log: one line of JSON per request, of bounded length, without any of its values."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone
from typing import BinaryIO

import orjson

from peprank.serve.trip import Trip

_ID_CHARACTERS = 64  # of the client's own name for the request


class AccessLog:
    """Write a line per request.

    Args:
        stream: unbuffered or flushed here; a line that cannot be written is lost, and the request is not.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, trip: Trip, now_s: float) -> None:
        """Log a request that ended at `now_s` since 1970."""
        line = orjson.dumps(_entry(trip, now_s), option=orjson.OPT_APPEND_NEWLINE)
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._stream.write(line)
            self._stream.flush()


def _entry(trip: Trip, now_s: float) -> dict[str, object]:
    return {
        "time": datetime.fromtimestamp(now_s, timezone.utc).isoformat(timespec="milliseconds"),
        "model": trip.model,
        "version": trip.version,
        "status": trip.status,
        "rows": trip.num_rows,
        "ms": _milliseconds(trip.whole_s),
        "stage_ms": {stage: _milliseconds(seconds) for stage, seconds in trip.stage_s.items()},
        "id": trip.id[:_ID_CHARACTERS],
    }


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 3)
