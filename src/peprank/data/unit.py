"""What readers of all file formats have in common: units of rows that are read one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from peprank.data.files import InputFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Rows that are read by one thread, front to back: a Parquet row group, or a CSV file."""

    file: int  # position in `Source.files`
    part: int = 0  # row group in the file
    num_rows: int | None = None  # None: not known before they are read


class Source(Protocol):
    """Files of one format, as units of conformed rows."""

    files: tuple[InputFile, ...]
    schema: pa.Schema  # of all rows
    units: tuple[Unit, ...]  # in file order

    def read(self, unit: Unit) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a unit in pieces of bounded size; units may be read from several threads at once."""
