"""Parquet files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from peprank.sealed import replacing

# Small enough that shuffling row groups mixes the days of a small file, large enough to compress and read well.
ROW_GROUP_ROWS = 32_768


def write_rows(rows: pa.Table, path: Path) -> None:
    """Write `rows` to `path`; a crash leaves an older file as it was."""
    with replacing(path) as beside:
        pq.write_table(rows, beside, compression="zstd", row_group_size=ROW_GROUP_ROWS)


@contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Give a writer for rows that come in parts; on leaving, the file takes the place of `path`.

    When the body raises, an older file stays as it was.
    """
    with replacing(path) as beside, pq.ParquetWriter(beside, schema, compression="zstd") as writer:
        yield writer
