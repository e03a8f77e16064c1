"""Parquet files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# Small enough that shuffling row groups mixes the days of a small file, large enough to compress and read well.
_ROW_GROUP_ROWS = 32_768


def write_rows(rows: pa.Table, path: Path) -> None:
    """Write `rows` beside `path`, then rename: a crash leaves an older file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    try:
        pq.write_table(rows, beside, compression="zstd", row_group_size=_ROW_GROUP_ROWS)
        beside.replace(path)  # atomic on one file system
    finally:
        beside.unlink(missing_ok=True)
