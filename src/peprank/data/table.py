"""Rows of a table in memory, read as those of files are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from peprank.data.column import Column
from peprank.data.files import InputFile
from peprank.data.repairs import RepairLog
from peprank.data.rows import conform_table
from peprank.data.unit import Unit


class TableSource:
    """One unit: the whole table.

    Raises:
        DataError: as `conform_table` does.
    """

    files: tuple[InputFile, ...] = ()
    unread: tuple[str, ...] = ()
    is_exact = True

    def __init__(self, table: pa.Table, columns: Sequence[Column]) -> None:
        self.log, whole = RepairLog(0), Unit(file=0)
        with self.log.tally(whole) as tally:
            self._rows = conform_table(table, columns, "the given table", tally)
        self.schema = self._rows.schema
        self.units: tuple[Unit, ...] = (replace(whole, num_rows=self._rows.num_rows),)

    def read(self, unit: Unit) -> Iterator[pa.RecordBatch]:  # noqa: ARG002
        """Yield the table as one piece."""
        yield self._rows
