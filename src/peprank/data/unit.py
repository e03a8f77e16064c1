"""Units of rows that are read one by one, whatever the format of their file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Rows that are read by one thread, front to back: a Parquet row group, or a CSV file."""

    file: int  # position in `Source.files`
    part: int = 0  # row group in the file
    num_rows: int | None = None  # None: not known before they are read
