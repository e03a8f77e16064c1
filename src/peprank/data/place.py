"""Where a batch of rows was read, kept beside its schema: what goes wrong with the rows later is told with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from peprank.errors import DataError

_KEY = b"peprank.place"
_SHOWN = 3  # places that an error names


def placed(rows: pa.RecordBatch, where: str) -> pa.RecordBatch:
    """Return `rows`, known to come from `where`."""
    return rows.replace_schema_metadata({_KEY: where.encode(errors="replace")})


def joint_place(pieces: Sequence[pa.RecordBatch]) -> str:
    """Return where rows come from that join those of `pieces`; empty if nobody knows."""
    places = [place for place in dict.fromkeys(map(_place, pieces)) if place]
    more = [f"{len(places) - _SHOWN} other places"] if len(places) > _SHOWN else []
    return " or ".join(places[:_SHOWN] + more)


@contextmanager
def telling_the_place(rows: pa.RecordBatch) -> Iterator[None]:
    """Put where `rows` come from before what goes wrong with them."""
    try:
        yield
    except DataError as error:
        if not (place := _place(rows)):
            raise
        raise DataError(f"{place}: {error}") from error


def _place(rows: pa.RecordBatch) -> str:
    place: bytes = (rows.schema.metadata or {}).get(_KEY, b"")
    return place.decode()
